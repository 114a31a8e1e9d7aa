"""The files of one table on disk: which are new, how far it has come, and how it is brought back."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Position = Mapping[str, int]
"""How far a table has come, in its own terms. Only its kind of `TableFiles` reads it."""

STAGED = (".tmp", "#")
"""In names of files that are written and not there yet."""

_SETTLED_NS = 2_000_000_000
"""No file system's times are coarser (FAT's are as coarse)."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder held when it was listed; `below`: those of its names that are folders. `changed_ns` is its time of
    change just before, seen first at `since_ns` of this machine's monotonic clock. `settled`: that had been its time
    for so long that every later change gives it another.
    """

    names: frozenset[str]
    below: Mapping[str, Path]
    changed_ns: int
    since_ns: int
    settled: bool


_NOTHING = Folder(frozenset(), {}, changed_ns=-1, since_ns=0, settled=False)


@dataclass(frozen=True, slots=True)
class LogSeen:
    """How far the log of a Delta table was looked at: its newest commit and checkpoint, a sign of the file that names
    the newest checkpoint, and folders of files whose own names are synced.
    """

    version: int
    checkpoint: int
    hint: tuple[int, ...]
    folders: frozenset[Path] = frozenset()


@dataclass(slots=True)
class Listing:
    """Folders as they were when they were listed, and what has to be synced since the listing before."""

    folders: dict[Path, Folder] = field(default_factory=dict)
    logs: dict[Path, LogSeen] = field(default_factory=dict)
    unsynced: list[Path] = field(default_factory=list)
    began_ns: int = field(default_factory=time.monotonic_ns)

    def look(self, folder: Path, before: "Listing") -> frozenset[str]:
        """List `folder`, unless nothing has changed in it; returns the names that are new in it."""
        known = before.folders.get(folder, _NOTHING)
        try:
            # Before the names: what comes in between changes it once more, and is found by the next listing at least.
            changed_ns = _changed_ns(folder)
            if known.settled and changed_ns == known.changed_ns:
                self.folders[folder] = known
                return frozenset()
            since_ns = known.since_ns if changed_ns == known.changed_ns else time.monotonic_ns()
            listed = frozenset(os.listdir(folder))  # noqa: PTH208 - names alone, of thousands
        # Upkeep may have removed it while others were listed.
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        staged = {name for name in listed - known.names if any(sign in name for sign in STAGED)}
        names = listed - staged
        fresh = names - known.names
        if names != known.names:
            self.unsynced.append(folder)
        paths = {name: folder / name for name in sorted(fresh)}
        added = {name: path for name, path in paths.items() if path.is_dir()}
        self.unsynced += [path for name, path in paths.items() if name not in added]
        below = {name: path for name, path in known.below.items() if name in names} | added
        self.folders[folder] = Folder(names, below, changed_ns, since_ns, self.began_ns - since_ns >= _SETTLED_NS)
        return fresh

    def look_below(self, folder: Path, before: "Listing") -> None:
        """As `look`, with everything below; not again where it has been looked at."""
        if folder not in self.folders:
            self.look(folder, before)
        for path in self.folders.get(folder, _NOTHING).below.values():
            self.look_below(path, before)

    def names(self, folder: Path) -> frozenset[str]:
        """What it held; nothing where it is not there."""
        return self.folders.get(folder, _NOTHING).names

    def keep_older(self, than_ns: int) -> None:
        """Forget the names of what came or changed since then, by the file system's time, and how far logs go."""
        self.logs.clear()
        for folder, found in self.folders.items():
            names = frozenset(name for name in found.names if _older(folder / name, than_ns))
            below = {name: path for name, path in found.below.items() if name in names}
            # Not settled, so that the next look lists it.
            self.folders[folder] = Folder(names, below, changed_ns=-1, since_ns=0, settled=False)


class TableFiles(Protocol):
    """One table in a folder of its own."""

    def look(self, listing: Listing, before: Listing) -> Position:
        """Add what is new to `listing`. Everything that the returned position needs is in it, or was before."""

    def roll_back(self, position: Position | None) -> Iterator[Path]:
        """Make the table what it was at `position` (None: not there). Yields what has to be synced for that."""


def _changed_ns(folder: Path) -> int:
    """Its time of change, which nobody can set. Raises `FileNotFoundError`, `NotADirectoryError`."""
    return os.stat(folder).st_ctime_ns  # noqa: PTH116 - of hundreds


def _older(path: Path, than_ns: int) -> bool:
    try:
        return path.lstat().st_ctime_ns < than_ns
    except FileNotFoundError:
        return True
