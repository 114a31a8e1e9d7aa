"""Long answers that are read page by page: lists of ids in memory, and signed cursors into them."""

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace

from stream.audit.ocsf import AccessSubject
from stream.search.hit_list import HitList, ListedHit
from stream.search.request import SearchRequest
from stream.service.problems import Problem
from stream.service.signed_cursors import read_cursor, signed_cursor

MOST_HITS_KEPT = 200_000
_PURPOSE = b"cursor of a search "


@dataclass(frozen=True, slots=True)
class KeptList:
    """What was answered `first` to `request`, and `whole` once somebody asked for more. Only `principal` reads on."""

    principal: str
    request: SearchRequest
    first: tuple[ListedHit, ...]
    query_digest: str | None
    whole: HitList | None = None

    @property
    def hits(self) -> int:
        return len(self.first) if self.whole is None else sum(map(len, self.whole.units))


class ResultLists:
    """Thread-safe. So many hits are kept in all. Who has most of them loses the list that they used least recently, so
    that nobody's lists go because of somebody else's many.
    """

    def __init__(self, most_hits: int = MOST_HITS_KEPT) -> None:
        self._most_hits = most_hits
        self._lists: OrderedDict[str, KeptList] = OrderedDict()
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()

    def put(self, key: str, kept: KeptList) -> None:
        with self._lock:
            self._drop(key)
            self._lists[key] = kept
            self._hits[kept.principal] += kept.hits
            while self._hits.total() > self._most_hits and len(self._lists) > 1:
                self._drop(self._oldest_of(self._hits.most_common(1)[0][0], without=key))

    def get(self, key: str, principal: str) -> KeptList:
        """Raises `Problem` (410): it went, or it never was the caller's; the two look alike."""
        with self._lock:
            kept = self._lists.get(key)
            if kept is None or kept.principal != principal:
                raise Problem(410, "The answer that the cursor leads into is not kept any more.", code="cursor_gone")
            self._lists.move_to_end(key)
            return kept

    def _oldest_of(self, principal: str, *, without: str) -> str:
        """The newest stays, however long it is: where they have no other, the oldest of all goes."""
        theirs = (name for name, kept in self._lists.items() if kept.principal == principal and name != without)
        return next(theirs, next(name for name in self._lists if name != without))

    def _drop(self, key: str) -> None:
        gone = self._lists.pop(key, None)
        if gone is not None:
            self._hits[gone.principal] -= gone.hits
            # Or principals would be kept for ever.
            if self._hits[gone.principal] <= 0:
                del self._hits[gone.principal]

    def subject(self, key: str) -> AccessSubject:
        """What it is audited as to read on, whoever asks."""
        with self._lock:
            kept = self._lists.get(key)
        if kept is None:
            return AccessSubject("search")
        return AccessSubject("search", kept.request.filters.tenant, query=kept.query_digest)

    def whole(self, key: str, kept: KeptList, found: HitList) -> None:
        """All hits of a list that was kept."""
        self.put(key, replace(kept, whole=found))


def cursor_to(secret: bytes, key: str, offset: int) -> str:
    """A place in a list, for nobody else to make or to change."""
    return signed_cursor(secret, _PURPOSE, [key, offset])


def place_of(secret: bytes, cursor: str) -> tuple[str, int]:
    """The list and the offset. Raises `Problem` (400) for what is none of our cursors."""
    key, offset = read_cursor(secret, _PURPOSE, cursor)
    return str(key), int(offset)
