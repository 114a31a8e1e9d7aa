"""What a person typed after `ingest`, as asset events: files, directories (walked for video files) and uris."""

from collections.abc import Iterable
from pathlib import Path

from decoders.source import local_path
from stream.events.ids import default_asset_id, is_default_asset_id, is_name

# Extensions that a directory walk takes: no elementary streams, which cannot be opened.
# A file named outright is taken whatever it is called.
VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".dv",
        ".flv",
        ".gxf",
        ".m2ts",
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


def expand(arguments: Iterable[str]) -> dict[str, Path | None]:
    """Absolute paths and uris in the order typed, without repetition, each with the path it allows to be read. A `file`
    uri is the path that it names; raises `BadMedia` for one that names none.

    Missing files stay: their event tells why. A name that no event may hold (control characters, bytes that are no
    UTF-8) is given as a `file` uri.
    """
    found: dict[str, Path | None] = {}
    for argument in arguments:
        if _is_file(argument):
            found.update((_named(path), Path(path)) for path in _walked(local_path(argument)))
        elif "://" in argument:
            found.setdefault(argument, None)
        else:
            found.update((_named(path), Path(path)) for path in _walked(Path(argument).expanduser()))
    return found


def asset_ids(argument: str) -> list[str]:
    """The ids that `ingest` gives what is typed; what is such an id of a uri stays."""
    if "://" in argument and not _is_file(argument) and is_default_asset_id(argument):
        return [argument]
    return [default_asset_id(uri) for uri in expand([argument])]


def roots_of(paths: Iterable[Path | None]) -> tuple[Path, ...]:
    """What typed paths allow to be read: the very files, wherever their links lead."""
    return tuple(dict.fromkeys(path.resolve() for path in paths if path is not None))


def _is_file(argument: str) -> bool:
    return argument.lower().startswith("file://")


def _named(path: str) -> str:
    return path if is_name(path, 4000) else Path(path).as_uri()


def _walked(named: Path) -> Iterable[str]:
    path = named.absolute()
    if path.is_dir():
        found = sorted(item for item in path.rglob("*") if item.suffix.lower() in VIDEO_SUFFIXES and item.is_file())
        return map(str, found) if found else (str(path),)
    return (str(path),)
