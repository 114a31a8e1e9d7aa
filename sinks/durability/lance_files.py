"""A Lance table on disk: a manifest for each version, and files that never change once they have their name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from sinks.durability.table_files import Listing, Position

_MANIFEST = ".manifest"
_NEWEST_FIRST = (1 << 64) - 1
"""Manifests of today are named by this less their version, in 20 digits, so that the newest is listed first."""
_HINT = "latest_version_hint.json"


@dataclass(frozen=True, slots=True)
class LanceFiles:
    folder: Path

    def look(self, listing: Listing, before: Listing) -> Position:
        """Manifests first: what they name was there before them, and is found after them."""
        versions = self.folder / "_versions"
        listing.look(versions, before)
        newest = max(_versions(listing.names.get(versions, ())), default=0)
        listing.look_below(self.folder, before)
        return {"version": newest}

    def roll_back(self, position: Position | None) -> Iterator[Path]:
        """A table whose version of then is gone stays as it is."""
        if position is None:
            rmtree(self.folder)
            yield self.folder.parent
            return
        folder = self.folder / "_versions"
        found = {_version(path.name): path for path in folder.glob(f"*{_MANIFEST}")}
        if position["version"] not in found:
            return
        for version, path in sorted(found.items(), reverse=True):
            if version > position["version"]:
                path.unlink()
        (folder / _HINT).unlink(missing_ok=True)
        yield folder


def _versions(names: Iterable[str]) -> Iterator[int]:
    return (_version(name) for name in names if name.endswith(_MANIFEST))


def _version(name: str) -> int:
    """0 for what is no version of the table itself."""
    digits = name.removesuffix(_MANIFEST)
    if not digits.isdecimal():
        return 0
    return _NEWEST_FIRST - int(digits) if len(digits) == 20 else int(digits)
