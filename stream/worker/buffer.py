"""The records a worker holds: waiting for a batch, for another attempt, or to be tried alone. Bounded."""

import random
from collections import deque
from collections.abc import Iterable, Sequence

from stream.broker.contract import Record
from stream.topology.stage import Stage
from stream.worker.queues import Queue
from stream.worker.retries import DelayHeap, backoff_s
from stream.worker.work import Work

MAX_POLL_RECORDS = 1024
"""Bounds one poll, so that a long read-ahead delays the work at hand only for a moment."""


class Buffer:
    """Holds the records of its queue, and beside it the records that must run alone.

    A record that returns after a passing fault runs alone and before anything else. So a faulty record uses up no
    attempt of its neighbours.
    """

    def __init__(self, stage: Stage, rng: random.Random, queue: Queue) -> None:
        self._retry = stage.retry
        self._rng = rng
        self._queue = queue
        self._alone: deque[Work] = deque()
        self._delayed: DelayHeap[Work] = DelayHeap()
        self._record_bytes = max(1, stage.batch.max_bytes // stage.batch.max_records)

    def __len__(self) -> int:
        return len(self._queue) + len(self._alone) + len(self._delayed)

    @property
    def delayed(self) -> int:
        return len(self._delayed)

    def room(self) -> int:
        """How many more records fit, estimated from the size of the records received last."""
        queue = self._queue
        records, spare_bytes = queue.capacity - len(self), queue.max_bytes - queue.bytes
        if records <= 0 or spare_bytes <= 0:
            return 0
        # At least one: a record larger than the estimate would otherwise never be polled.
        return max(1, min(records, spare_bytes // self._record_bytes, MAX_POLL_RECORDS))

    def add(self, records: Sequence[Record], now_s: float) -> None:
        size = 0
        for record in records:
            if record.deaths is None or self._queue.takes_suspects:
                self._queue.add(Work(record), size=len(record.value), now_s=now_s)
            else:
                self._alone.append(Work(record, alone=True))
            size += len(record.value)
        if records:
            self._record_bytes = max(1, size // len(records))

    def put_back(self, works: Sequence[Work]) -> None:
        """Unfinished work returns to the front, in its order."""
        self._alone.extendleft(work for work in reversed(works) if work.alone)
        self._queue.put_back([(work, len(work.record.value)) for work in works if not work.alone])

    def delay(self, works: Iterable[Work], now_s: float) -> None:
        """Each record returns by itself after the backoff for its attempts."""
        for work in works:
            work.alone = True
            self._delayed.push(work, due_s=now_s + backoff_s(self._retry, max(1, work.attempts), self._rng))

    def due_s(self) -> float | None:
        """When `take` next yields something if nothing arrives; None if never."""
        if self._alone:
            return float("-inf")
        moments = [at for at in (self._queue.due_s(), self._delayed.due_s()) if at is not None]
        return min(moments, default=None)

    def ready(self, now_s: float) -> bool:
        return self._queue.ready(now_s) or bool(self._alone) or self._delayed.ready(now_s)

    def take(self, now_s: float) -> list[Work]:
        """The next unit: one record that runs alone, or what the queue gives."""
        if self._delayed.items:
            self._alone.extend(self._delayed.take(now_s))
        return [self._alone.popleft()] if self._alone else self._queue.take(now_s)
