"""Some search applications, as one answers one request at a time: who comes when all are busy waits a little."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stream.errors import StageError, unexpected
from stream.search.application import Search
from stream.service.problems import busy

WAIT_S = 10.0
_log = logging.getLogger(__name__)


class Searchers:
    """Thread-safe. `count` applications, made when they are first needed; each keeps a model of its own in memory."""

    def __init__(self, make: Callable[[], Search], count: int, wait_s: float = WAIT_S) -> None:
        self._make = make
        self._wait_s = wait_s
        # Last in, first out: a model that is loaded is used before another one is.
        self._free: queue.LifoQueue[Search | None] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(None)
        self._stop = threading.Event()
        self._loading: threading.Thread | None = None
        self._ready = threading.Event()
        self._ready.set()

    @property
    def loading(self) -> bool:
        """Whether the first search of all would wait for models."""
        return not self._ready.is_set()

    def load(self) -> None:
        """Begin to load the models of all of them, one after the other, before anybody searches."""
        self._ready.clear()
        taken = [self._free.get_nowait() for _ in range(self._free.qsize())]
        self._loading = threading.Thread(target=self._load, args=(len(taken),), name="models", daemon=True)
        self._loading.start()

    def _load(self, count: int) -> None:
        for _ in range(count):
            found = None if self._stop.is_set() else self._loaded()
            self._free.put(found)
            self._ready.set()

    def _loaded(self) -> Search | None:
        """None where one cannot be made, which the first search then says."""
        found = None
        try:
            found = self._make()
            found.load()
        except StageError as error:
            # Nothing has been ingested yet, or weights are missing: whoever searches is told.
            _log.info("no models are loaded before the first search (%s)", error.code)
        except Exception as error:  # noqa: BLE001 - a defect must not take the place of the searcher
            _log.warning("%s", unexpected(error).message)
        return found

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
        self._stop.set()
        if self._loading is not None:
            self._loading.join()
        while not self._free.empty():
            if (found := self._free.get_nowait()) is not None:
                found.close()
