"""Transfers that may take longer than a broker waits for a silent member."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST_S = 3600.0
"""A transfer that takes longer is stuck: its record goes to another member."""
_EVERY_S = 10.0


class LongTransfers:
    """While one is under way, a thread says so: calls of stores do not return before they have ended. `longest_s`
    bounds it, so that a member that hangs loses its records.
    """

    def __init__(self, alive: Callable[[], object], *, longest_s: float = LONGEST_S, every_s: float = _EVERY_S) -> None:
        self._alive = alive
        self._longest_s = longest_s
        self._every_s = every_s
        self._under_way = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._told = 0

    def begin(self) -> None:
        """Idempotent."""
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._work, name="transfers", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._ended.set()
            thread.join()

    @contextmanager
    def one(self) -> Iterator[None]:
        self._told = 0
        self._under_way.set()
        try:
            yield
        finally:
            self._under_way.clear()

    def _work(self) -> None:
        while not self._ended.wait(self._every_s):
            if self._under_way.is_set() and self._told * self._every_s < self._longest_s:
                self._told += 1
                self._alive()
