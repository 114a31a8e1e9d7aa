"""A Lance table on disk: a manifest for each version, and files that never change once they have their name."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from sinks.durability.table_files import Listing, Position

_MANIFEST = ".manifest"
_NEWEST_FIRST = (1 << 64) - 1
_DIGITS = 20
"""In names of today's manifests, which say `_NEWEST_FIRST` less the version, so that the newest sorts first."""
_HINT = "latest_version_hint.json"


@dataclass(frozen=True, slots=True)
class LanceFiles:
    folder: Path

    def look(self, listing: Listing, before: Listing) -> Position:
        """Manifests first: what they name was there before them, and is found after them."""
        versions = self.folder / "_versions"
        listing.look(versions, before)
        listing.look_below(self.folder, before)
        return {"version": _newest(listing.names(versions))}

    def roll_back(self, position: Position | None) -> Iterator[Path]:
        """A table whose version of then is gone stays as it is."""
        if position is None:
            rmtree(self.folder)
            yield self.folder.parent
            return
        folder = self.folder / "_versions"
        found = {_version(path.name): path for path in folder.glob(f"*{_MANIFEST}")}
        # Without that version, taking back the newer ones would leave none.
        if position["version"] not in found:
            return
        # The newest first, so that a kill in between leaves whole versions up to one.
        for version, path in sorted(found.items(), reverse=True):
            if version > position["version"]:
                path.unlink()
        # It may name a version that is gone.
        (folder / _HINT).unlink(missing_ok=True)
        yield folder


def _newest(names: Collection[str]) -> int:
    """0 where there is none."""
    first = min(names, default="")
    newest = _version(first) if len(first) == _DIGITS + len(_MANIFEST) else 0
    return newest or max(map(_version, names), default=0)


def _version(name: str) -> int:
    """0 for what is no version of the table itself."""
    digits = name.removesuffix(_MANIFEST)
    if digits == name or not digits.isdecimal():
        return 0
    return _NEWEST_FIRST - int(digits) if len(digits) == _DIGITS else int(digits)
