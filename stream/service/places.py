"""Places for what lasts, such as footage that is open and streams of events: so many in all, and so many of one."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from stream.service.problems import busy


class Places:
    """Thread-safe. `share`: no holder has more of the `most` places, so that none keeps all others out."""

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._share = share
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one(self, holder: str) -> Iterator[None]:
        """A place while the block runs. Raises `Problem` (503, `busy`) where there is none."""
        with self._lock:
            if self._held.total() >= self._most or self._held[holder] >= self._share:
                raise busy()
            self._held[holder] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[holder] -= 1
                # Or each name would stay for ever.
                self._held += Counter()
