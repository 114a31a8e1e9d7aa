"""The files of a trail: each begins with where the chain and the tree stood, so that a start reads the newest alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from stream.audit.entry import Head
from stream.audit.merkle import DIGEST_BYTES, Tree

CHECKPOINTS = "checkpoints.txt"
LOCK = "writer.lock"
OF_SERVICE = "audit-service"
"""The trail of a service, in its state directory where it is not named otherwise."""
_SUFFIX = ".jsonl"
_NOTE_BYTES = 16 << 10  # of some checkpoints
_ASIDE_MS = 600_000  # so far a clock that was put right lets events stand apart
MOST_LINE_BYTES = 64 << 10
"""Of one event with what ties it to the chain."""


@dataclass(slots=True)
class Beginning:
    """Where a file begins: what was written before it, in chain `chain_uid`."""

    chain_uid: str
    head: Head
    tree: Tree

    def line(self) -> bytes:
        subtrees = [digest.hex() for digest in self.tree.subtrees]
        told = {"chain_uid": self.chain_uid, "head": asdict(self.head), "subtrees": subtrees, "size": self.tree.size}
        # Sorted: `read` compares the line byte by byte.
        return json.dumps(told, sort_keys=True).encode()

    @classmethod
    def read(cls, line: bytes) -> "Beginning":
        """Raises `ValueError` for a line that says no such thing."""
        try:
            told: Any = json.loads(line)
            tree = Tree(told["size"], [bytes.fromhex(digest) for digest in told["subtrees"]])
            found = cls(told["chain_uid"], Head(**told["head"]), tree)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("its first line does not say where it begins") from error
        lengths = {len(digest) for digest in tree.subtrees} - {DIGEST_BYTES}
        if lengths or tree.size.bit_count() != len(tree.subtrees) or found.line() != line:
            raise ValueError("its first line does not say where it begins")
        return found


def file_name(first: int) -> str:
    """Of the file whose first event has this number."""
    # Zeros in front make the order of names the order of events.
    return f"{first:020d}{_SUFFIX}"


def event_files(directory: Path) -> list[Path]:
    """In the order of their events. Raises `OSError`."""
    return sorted(path for path in directory.iterdir() if path.suffix == _SUFFIX and path.stem.isdecimal())


def lines_of(path: Path) -> Iterator[bytes]:
    """Each with its end of line; the last may lack it, and one that is too long comes in parts. Raises `OSError`."""
    with path.open("rb") as file:
        # With a limit: a damaged file may be one endless line.
        while line := file.readline(MOST_LINE_BYTES):
            yield line


def notes_of(path: Path) -> list[bytes]:
    """The whole checkpoints of a file: each has an empty line within and one after it. Raises `OSError`."""
    if not path.exists():
        return []
    # A kill may have cut off what follows the last empty line.
    parts = path.read_bytes().split(b"\n\n")[:-1]
    return [body + b"\n\n" + signed + b"\n" for body, signed in zip(parts[::2], parts[1::2], strict=False)]


def newest_note(path: Path) -> bytes | None:
    """The last whole checkpoint of a file, however long that is. Raises `OSError`."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _NOTE_BYTES))
        parts = file.read().split(b"\n\n")[:-1]
    # From its end, as a kill may have cut off what follows; signatures begin with a dash.
    for at in range(len(parts) - 1, 0, -1):
        if parts[at].startswith("—".encode()):
            return parts[at - 1] + b"\n\n" + parts[at] + b"\n"
    return None


def notes_end(path: Path) -> int:
    """Where the last whole checkpoint of a file ends, however long that is. Raises `OSError`."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _NOTE_BYTES))
        *parts, cut_off = file.read().split(b"\n\n")
    end = size - len(cut_off)
    for part in reversed(parts):
        if part.startswith("—".encode()):
            return end
        end -= len(part) + 2
    return sum(len(note) + 1 for note in notes_of(path))


@dataclass(frozen=True, slots=True)
class LatestEvents:
    """The newest first. `complete`: whether there are no more."""

    events: tuple[dict[str, Any], ...] = ()
    complete: bool = True


def latest_events(
    directory: Path,
    wanted: Callable[[dict[str, Any]], bool],
    most: int,
    *,
    files: int | None = None,
    since_ms: int | None = None,
) -> LatestEvents:
    """Up to `most` wanted events, of the newest `files` where that is given, none before `since_ms`. What cannot be
    read is left out. Raises `OSError`.
    """
    found: list[dict[str, Any]] = []
    for looked, path in enumerate(reversed(event_files(directory)) if directory.is_dir() else ()):
        if looked == files:
            return LatestEvents(tuple(found), complete=False)
        for line in reversed(list(islice(lines_of(path), 1, None))):
            # This only shows events. `rushes audit verify` is what finds damage.
            with suppress(ValueError):
                event = json.loads(line)
                if since_ms is not None and event["time"] < since_ms - _ASIDE_MS:
                    return LatestEvents(tuple(found))
                if wanted(event):
                    found.append(event)
            if len(found) > most:
                return LatestEvents(tuple(found[:most]), complete=False)
    return LatestEvents(tuple(found))
