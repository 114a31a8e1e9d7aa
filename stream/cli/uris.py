"""What a person typed after `ingest`, as asset events: files, directories (walked for video files) and uris."""

from collections.abc import Iterable, Iterator
from pathlib import Path

# Extensions that a directory walk takes; a file named outright is taken whatever it is called.
VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".dv",
        ".flv",
        ".gxf",
        ".m2ts",
        ".m2v",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    ]
)


def expand(arguments: Iterable[str]) -> list[str]:
    """Absolute paths and uris in the order typed, without repetition. Missing files stay: their event tells why."""
    return list(dict.fromkeys(uri for argument in arguments for uri in _expand_one(argument)))


def roots_of(uris: Iterable[str]) -> tuple[Path, ...]:
    """What typed paths allow to be read: the very files, wherever their links lead."""
    return tuple(dict.fromkeys(Path(uri).resolve() for uri in uris if "://" not in uri))


def _expand_one(argument: str) -> Iterator[str]:
    if "://" in argument:
        yield argument
        return
    path = Path(argument).expanduser().absolute()
    if path.is_dir():
        found = sorted(item for item in path.rglob("*") if item.suffix.lower() in VIDEO_SUFFIXES and item.is_file())
        yield from (map(str, found) if found else (str(path),))
    else:
        yield str(path)
