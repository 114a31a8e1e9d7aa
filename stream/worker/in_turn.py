"""The queue of a stage whose records take turns: one of each owner, whatever waited before."""

from collections import deque
from collections.abc import Callable, Sequence

from stream.broker.contract import Record
from stream.worker.queues import PlainQueue
from stream.worker.urgent_first import READ_AHEAD_BYTES, READ_AHEAD_RECORDS
from stream.worker.work import Work


class InTurn(PlainQueue):
    """Gives one record at a time: the first of each owner, then the second of each. A new owner waits for one turn of
    those that are there, so a short asset does not wait for all of a long one.
    """

    def __init__(self, owner: Callable[[Record], bytes]) -> None:
        self._owner = owner
        self._waiting: dict[bytes, deque[tuple[Work, int]]] = {}  # the next owner comes first
        self._records = 0
        self.bytes = 0
        # Room for all that a long asset may have sent: a full queue stops reading, and what is short could not come.
        self.capacity = self.in_hand = READ_AHEAD_RECORDS
        self.max_bytes = READ_AHEAD_BYTES

    def __len__(self) -> int:
        return self._records

    def add(self, item: Work, *, size: int, now_s: float) -> None:  # noqa: ARG002 - turns decide the order, not time
        self._waiting.setdefault(self._owner(item.record), deque()).append((item, size))
        self._count(1, size)

    def put_back(self, items: Sequence[tuple[Work, int]]) -> None:
        """It was their turn, so they come first."""
        for work, size in reversed(items):
            owner = self._owner(work.record)
            mine = self._waiting.pop(owner, deque())
            mine.appendleft((work, size))
            self._waiting = {owner: mine, **self._waiting}
            self._count(1, size)

    def due_s(self) -> float | None:
        return float("-inf") if self._records else None

    def ready(self, now_s: float) -> bool:  # noqa: ARG002
        return self._records > 0

    def take(self, now_s: float) -> list[Work]:  # noqa: ARG002
        if not self._records:
            return []
        owner = next(iter(self._waiting))
        mine = self._waiting.pop(owner)
        work, size = mine.popleft()
        if mine:
            self._waiting[owner] = mine
        self._count(-1, -size)
        return [work]

    def low(self) -> bool:
        """Always while something fits: whose turn it is shows only once it was read."""
        return self._records < self.capacity and self.bytes < self.max_bytes

    def _count(self, records: int, size: int) -> None:
        self._records += records
        self.bytes += size
