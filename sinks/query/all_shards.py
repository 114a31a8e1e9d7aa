"""A question to every shard of a store, where it is not known which of them can answer."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from sinks.layout import Layout
from sinks.location import Location, Place

R = TypeVar("R")
T = TypeVar("T")
_THREADS = 8


class AllShards(Generic[R]):
    """A reader, which `make` builds, for each shard of the store at `place`. The store may be made or divided later."""

    def __init__(self, place: Place, make: Callable[[Location], R]) -> None:
        self._place = Location.of(place)
        self._make = make
        self._readers: dict[Location, R] = {}
        self._threads: ThreadPoolExecutor | None = None

    def ask(self, question: Callable[[R], Iterable[T]]) -> list[T]:
        """The answers of all shards, in their order. Raises what a shard raises, and `Fatal` (`shards_unreadable`)."""
        places = Layout.of(self._place).places
        self._readers = {place: self._readers.get(place) or self._make(place) for place in places}
        readers = [self._readers[place] for place in places]
        if len(readers) == 1:
            return list(question(readers[0]))
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="shards")
        return [item for found in self._threads.map(question, readers) for item in found]
