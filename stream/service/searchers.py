"""Some search applications, as one answers one request at a time: who comes when all are busy waits a little."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stream.search.application import Search
from stream.service.problems import busy

WAIT_S = 10.0


class Searchers:
    """Thread-safe. `count` applications, made when they are first needed; each keeps a model of its own in memory."""

    def __init__(self, make: Callable[[], Search], count: int, wait_s: float = WAIT_S) -> None:
        self._make = make
        self._wait_s = wait_s
        # Last in, first out: a model that is loaded is used before another one is.
        self._free: queue.LifoQueue[Search | None] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(None)

    @contextmanager
    def one(self, wait_s: float | None = None) -> Iterator[Search]:
        """Raises `Problem` (503, `busy`) where none is free in time, which `wait_s` may cut."""
        try:
            found = self._free.get(timeout=self._wait_s if wait_s is None else wait_s)
        except queue.Empty:
            raise busy() from None
        try:
            if found is None:
                found = self._make()
            yield found
        finally:
            # Also where making one failed: its place is free for the next request.
            self._free.put(found)

    def close(self) -> None:
        """No request is under way any more."""
        while not self._free.empty():
            if (found := self._free.get_nowait()) is not None:
                found.close()
