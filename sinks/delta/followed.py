"""How far the ledger has followed the moments: the number of a commit, in a small file beside the tables."""

from sinks.location import Location
from sinks.storage.files import files_at

FILE = "ledger-followed"


class Followed:
    """The number on disk stays one batch behind: by then a batch was acknowledged, so all of it is durable. One that is
    too low costs a look at the table; one that is too high would hide what a kill cut off.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._kept = -1

    def number(self) -> int:
        """0 where nothing was kept, or nothing that can be read."""
        try:
            return int(files_at(self._location).read(FILE) or b"0")
        except (OSError, ValueError):
            # At worst too low, which costs one scan of the table.
            return 0

    def keep(self, number: int) -> None:
        """Whole or not at all."""
        if number == self._kept:
            return
        text, folder = f"{number:d}\n", self._location.path
        if folder is None:
            files_at(self._location).write(FILE, text)
        else:  # not synced: one that is too low does no harm
            fresh = folder / f"{FILE}.new"
            fresh.write_text(text, encoding="ascii")
            fresh.replace(folder / FILE)
        self._kept = number
