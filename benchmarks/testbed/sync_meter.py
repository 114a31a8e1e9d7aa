"""What durability costs a process in CPU: looking for new files, syncing them in threads, writing the mark."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sinks.durability.durable_store import Disk, DurableStore
from stream.files import sync


class SyncMeter:
    """CPU seconds that count once, in whatever thread they are spent."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.disk = Disk(sync=self._sync)
        self._lock = threading.Lock()
        self._metered = threading.local()

    @contextmanager
    def metered(self) -> Iterator[None]:
        """Blocks within a block count as part of it."""
        if getattr(self._metered, "already", False):
            yield
            return
        self._metered.already = True
        start_s = time.thread_time()
        try:
            yield
        finally:
            self._metered.already = False
            with self._lock:
                self.cpu_s += time.thread_time() - start_s

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Meter every store of this process; those that are given `disk` with their threads."""
        real = DurableStore.sync

        def metered(store: DurableStore) -> None:
            with self.metered():
                real(store)

        # No seam in the sinks is for benchmarks alone.
        DurableStore.sync = metered  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            DurableStore.sync = real  # type: ignore[method-assign]

    def _sync(self, path: Path) -> None:
        with self.metered():
            sync(path)
