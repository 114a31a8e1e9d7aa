"""How far the tables of the ledger have followed the log of the moments: the number of a commit, in a small file."""

from sinks.location import Location
from sinks.storage.files import files_at

FILE = "ledger-followed"
_SWEPT = "swept"


class Followed:
    """A number that is too low costs a look at the log, or at the table; one that is too high would hide what the
    tables do not have.
    """

    def __init__(self, location: Location) -> None:
        self._location = location

    def number(self) -> int:
        """0 where nothing was kept, or nothing that can be read."""
        try:
            return int(self._words()[0])
        except (IndexError, ValueError):
            # At worst too low, which costs one scan of the table.
            return 0

    @property
    def swept(self) -> bool:
        """Whether nothing is there that a watermark voids: since then each commit has dropped what it voids."""
        return self._words()[1:] == [_SWEPT]

    def keep(self, number: int, *, swept: bool = True) -> None:
        """Whole or not at all."""
        words = [str(number), *([_SWEPT] if swept else [])]
        if words == self._words():
            return
        text, folder = "\n".join(words) + "\n", self._location.path
        if folder is None:
            files_at(self._location).write(FILE, text)
        else:  # not synced: one that is too low does no harm
            fresh = folder / f"{FILE}.new"
            fresh.write_text(text, encoding="ascii")
            fresh.replace(folder / FILE)

    def _words(self) -> list[str]:
        try:
            return (files_at(self._location).read(FILE) or b"").decode("ascii").split()
        except (OSError, UnicodeDecodeError):
            return []
