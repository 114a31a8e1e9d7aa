"""A source that counts the bytes read and reports them during an inspection, as a sign of life of a long one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from decoders.protocol import Source
from stream.children.messages import REPORT_EVERY_S
from stream.clock import SystemClock
from stream.events.asset import SourceVersion

REPORT_EVERY_BYTES = 4 << 20
"""Bytes between reports. Less than this within the limit of an inspection (90 s) is no progress: the server is stuck.
"""
MAX_PASSES = 3
"""Packets and digest need two passes over a file. A file that is read again and again makes no progress."""


class CountingSource:
    """`read_bytes` counts all bytes read. Inside `reporting`, progress is reported."""

    def __init__(self, source: Source, size_bytes: int) -> None:
        self._source = source
        self._size_bytes = size_bytes
        self._clock = SystemClock()
        self._report: Callable[[], None] | None = None
        self._last_s = 0.0
        self._last_bytes = self._until_bytes = 0
        self.read_bytes = 0
        self.seek = source.seek
        self.tell = source.tell
        self.close = source.close

    @property
    def version(self) -> SourceVersion:
        return self._source.version

    def read(self, size: int = -1) -> bytes:
        found = self._source.read(size)
        self.read_bytes += len(found)
        if self._report is not None and self._progressed():
            self._report()
        return found

    @contextmanager
    def reporting(self, report: Callable[[], None]) -> Iterator[None]:
        """Inside, calls `report` after each `REPORT_EVERY_BYTES`, at most once per `REPORT_EVERY_S`."""
        self._report = report
        self._last_s, self._last_bytes = self._clock.monotonic_s(), self.read_bytes
        self._until_bytes = self.read_bytes + MAX_PASSES * self._size_bytes
        try:
            yield
        finally:
            self._report = None

    def _progressed(self) -> bool:
        # Bytes first, so that most reads do not ask the clock.
        if not self._last_bytes + REPORT_EVERY_BYTES <= self.read_bytes <= self._until_bytes:
            return False
        now_s = self._clock.monotonic_s()
        if now_s < self._last_s + REPORT_EVERY_S:
            return False
        self._last_s, self._last_bytes = now_s, self.read_bytes
        return True
