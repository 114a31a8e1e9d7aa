"""The queue of a stage some of whose sources are urgent: their records go first, whatever waited before."""

from collections.abc import Collection, Sequence

from stream.topology.stage import BatchPolicy
from stream.worker.batching import Batcher
from stream.worker.queues import PlainQueue
from stream.worker.work import Work

READ_AHEAD_RECORDS = 1024
READ_AHEAD_BYTES = 64 << 20


class UrgentFirst(PlainQueue):
    """Two queues by arrival. A batch holds records of one of them, and is of the urgent ones while there are any."""

    def __init__(self, policy: BatchPolicy, urgent: Collection[str]) -> None:
        """`urgent`: names of topics."""
        self._topics = frozenset(urgent)
        self._urgent: Batcher[Work] = Batcher(policy)
        self._others: Batcher[Work] = Batcher(policy)
        # Room for all that writers may have sent: a full queue stops reading, and what is urgent could not come.
        self.capacity = self.in_hand = READ_AHEAD_RECORDS
        self.max_bytes = READ_AHEAD_BYTES

    @property
    def bytes(self) -> int:
        return self._urgent.bytes + self._others.bytes

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def add(self, item: Work, *, size: int, now_s: float) -> None:
        self._of(item).add(item, size=size, now_s=now_s)

    def put_back(self, items: Sequence[tuple[Work, int]]) -> None:
        for queue in (self._urgent, self._others):
            queue.put_back([(work, size) for work, size in items if self._of(work) is queue])

    def due_s(self) -> float | None:
        moments = [at for at in (self._urgent.due_s(), self._others.due_s()) if at is not None]
        return min(moments, default=None)

    def ready(self, now_s: float) -> bool:
        return self._urgent.ready(now_s) or self._others.ready(now_s)

    def take(self, now_s: float) -> list[Work]:
        return self._urgent.take(now_s) or self._others.take(now_s)

    def low(self) -> bool:
        """Always while something fits: what is urgent is seen only once it was read."""
        return len(self) < self.capacity and self.bytes < self.max_bytes

    def _of(self, work: Work) -> Batcher[Work]:
        return self._urgent if work.record.topic in self._topics else self._others
