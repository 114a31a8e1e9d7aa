"""Sprites that were made, by the digest of what they show, as far as a bound of memory reaches."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from stream.search.sprites import Sprite

MOST_BYTES = 64 << 20


class Sprites:
    """Thread-safe. What was used least recently goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Sprite] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, digest: str, make: Callable[[], Sprite]) -> Sprite:
        """That of this digest, made where it is not kept."""
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        # Outside of the lock: two that make the same at once cost less than all that wait for one.
        made = make()
        with self._lock:
            if digest not in self._kept:
                self._kept[digest] = made
                self._bytes += len(made.jpeg)
            while self._bytes > self._most_bytes and self._kept:
                self._bytes -= len(self._kept.popitem(last=False)[1].jpeg)
        return made
