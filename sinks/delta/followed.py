"""How far the ledger has followed the moments: the number of a commit, in a small file beside the tables."""

from sinks.location import Location

FILE = "ledger-followed"


class Followed:
    """The number on disk stays one batch behind: by then a batch was acknowledged, so all of it is durable. One that is
    too low costs a look at the table; one that is too high would hide what a kill cut off.
    """

    def __init__(self, location: Location) -> None:
        self._path = location.directory / FILE
        self._kept = -1

    def number(self) -> int:
        """0 where nothing was kept, or nothing that can be read."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def keep(self, number: int) -> None:
        """Whole or not at all."""
        if number != self._kept:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(f"{number:d}\n", encoding="ascii")
            fresh.replace(self._path)
            self._kept = number
