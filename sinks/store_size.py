"""How large a store is, for metrics and reports."""

from collections.abc import Callable

from sinks.location import Location, Place
from sinks.storage.files import files_at
from sinks.store_errors import guarded


class StoreSize:
    """Of the store called `name` at `place`, which need not be there. Raises `Unavailable` where it cannot be asked."""

    def __init__(self, place: Place, name: str) -> None:
        self._location = Location.of(place)
        self._name = name

    def stored_bytes(self, going: Callable[[], bool] = lambda: True) -> int:
        """Of all files, as far as the walk came before `going` ended."""
        with guarded(self._location, self._name):
            return files_at(self._location).bytes_below(going=going)

    def free_bytes(self) -> int | None:
        """Of the disk that it lies on; None where there is none to fill."""
        with guarded(self._location, self._name):
            return files_at(self._location).free_bytes()
