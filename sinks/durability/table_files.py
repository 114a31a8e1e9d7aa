"""The files of one table on disk: which are new, how far it has come, and how it is brought back."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Position = Mapping[str, int]
"""How far a table has come, in its own terms. Only its kind of `TableFiles` reads it."""

STAGED = (".tmp", "#")
"""In names of files that are written and not there yet."""


@dataclass(slots=True)
class Listing:
    """Names by folder, as they were when they were listed, and what has to be synced since the listing before."""

    names: dict[Path, frozenset[str]] = field(default_factory=dict)
    folders: dict[Path, frozenset[str]] = field(default_factory=dict)
    unsynced: list[Path] = field(default_factory=list)

    def look(self, folder: Path, before: "Listing") -> frozenset[str]:
        """List `folder`; returns the names that are new in it."""
        try:
            listed = frozenset(os.listdir(folder))  # noqa: PTH208 - names alone, of thousands
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        known = before.names.get(folder, frozenset())
        staged = {name for name in listed - known if any(sign in name for sign in STAGED)}
        names = self.names[folder] = listed - staged
        fresh = names - known
        if names != known:
            self.unsynced.append(folder)
        added = {name for name in fresh if (folder / name).is_dir()}
        self.folders[folder] = (before.folders.get(folder, frozenset()) & names) | added
        self.unsynced += [folder / name for name in sorted(fresh - added)]
        return fresh

    def look_below(self, folder: Path, before: "Listing") -> None:
        """As `look`, with everything below; not again where it has been looked at."""
        if folder not in self.names:
            self.look(folder, before)
        for name in sorted(self.folders.get(folder, ())):
            self.look_below(folder / name, before)

    def keep_older(self, than_ns: int) -> None:
        """Forget the names of what came or changed since then, by the file system's time."""
        for folder, names in self.names.items():
            self.names[folder] = frozenset(name for name in names if _changed_ns(folder / name) < than_ns)


class TableFiles(Protocol):
    """One table in a folder of its own."""

    def look(self, listing: Listing, before: Listing) -> Position:
        """Add what is new to `listing`. Everything that the returned position needs is in it, or was before."""

    def roll_back(self, position: Position | None) -> Iterator[Path]:
        """Make the table what it was at `position` (None: not there). Yields what has to be synced for that."""


def _changed_ns(path: Path) -> int:
    try:
        return path.lstat().st_ctime_ns
    except FileNotFoundError:
        return 0
