"""Which tag an answer has at which state of the index, as far as a bound of memory reaches."""

import threading
from collections import OrderedDict

MOST_TAGS = 10_000


class AnswerTags:
    """Thread-safe. A tag is of the answer alone: the state changes with what others store, too, of which a caller must
    not learn. It only spares the search where the same was asked at the same state before.
    """

    def __init__(self, most: int = MOST_TAGS) -> None:
        self._most = most
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, state: str) -> str | None:
        """`state` is a digest of who asked what, with which rights, and of what was stored then."""
        with self._lock:
            return self._kept.get(state)

    def keep(self, state: str, tag: str) -> None:
        with self._lock:
            self._kept[state] = tag
            self._kept.move_to_end(state)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
