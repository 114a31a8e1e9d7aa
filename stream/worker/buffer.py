"""The records a worker holds: waiting for a batch, for another attempt, or to be tried alone. Bounded."""

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream.broker.contract import Record
from stream.errors import BadEvent
from stream.events.base import Event
from stream.topology.stage import Stage
from stream.worker.batching import Batcher
from stream.worker.retries import DelayHeap, backoff_s

MIN_RECORDS = 16
MIN_QUICK_RECORDS = 64
"""A poll costs as much as a few records that take no time."""
MAX_POLL_RECORDS = 1024
"""So that a long read-ahead delays no work by more than a moment."""


@dataclass(slots=True, eq=False)
class Work:
    """A record on its way through a stage: its event or why it is none.

    `attempts` counts the failed ones that it made alone; `alone` is set once it has been delayed.
    """

    record: Record
    event: Event | None = None
    error: BadEvent | None = None
    attempts: int = 0
    alone: bool = False


class Queue(Protocol):
    """What waits for its first attempt: `stream.worker.batching.Batcher`, or `stream.worker.admission.ReadAhead`."""

    bytes: int

    def __len__(self) -> int: ...
    def add(self, item: Work, *, size: int, now_s: float) -> None: ...
    def put_back(self, items: Sequence[tuple[Work, int]]) -> None: ...
    def due_s(self) -> float | None: ...
    def ready(self, now_s: float) -> bool: ...
    def take(self, now_s: float) -> list[Work]: ...


class Buffer:
    """Holds at most twice a batch (and at least `MIN_RECORDS`, of quick ones `MIN_QUICK_RECORDS`), and no more once
    `max_bytes` of a batch are held; with a `read_ahead`, as much as the stage's admission allows, in its order.

    Records that come back after a passing fault run alone, before anything else, so that a culprit uses up no
    attempt of its neighbours.
    """

    def __init__(self, stage: Stage, rng: random.Random, read_ahead: Queue | None = None) -> None:
        self._batch = stage.batch
        self._retry = stage.retry
        self._rng = rng
        self._read_ahead = read_ahead
        self._queue: Queue = Batcher[Work](stage.batch) if read_ahead is None else read_ahead
        self._max_bytes = stage.batch.max_bytes
        self._alone: deque[Work] = deque()
        self._delayed: DelayHeap[Work] = DelayHeap()
        self._record_bytes = max(1, stage.batch.max_bytes // stage.batch.max_records)
        self.capacity = max(2 * stage.batch.max_records, MIN_RECORDS)
        if stage.admission is not None:
            self._max_bytes, self.capacity = stage.admission.read_ahead_bytes, stage.admission.read_ahead_records

    def __len__(self) -> int:
        return len(self._queue) + len(self._alone) + len(self._delayed)

    @property
    def delayed(self) -> int:
        return len(self._delayed)

    def room(self) -> int:
        """How many more records fit, judged by the size of the last ones."""
        records = self.capacity - len(self)
        spare_bytes = self._max_bytes - self._queue.bytes
        if records <= 0 or spare_bytes <= 0:
            return 0
        return max(1, min(records, spare_bytes // self._record_bytes, MAX_POLL_RECORDS))

    def quick(self) -> None:
        """All that was held went in a moment, so more may be: nothing will wait long behind it."""
        if self._read_ahead is None:
            self.capacity = max(self.capacity, MIN_QUICK_RECORDS)

    def low(self) -> bool:
        """Less than a batch waits, or there is more to see, so it is time to poll."""
        if self._read_ahead is not None:
            return self.room() > 0
        return len(self._queue) < self._batch.max_records

    def add(self, records: Sequence[Record], now_s: float) -> None:
        size = 0
        for record in records:
            if record.deaths is None or self._read_ahead is not None:
                self._queue.add(Work(record), size=len(record.value), now_s=now_s)
            else:
                self._alone.append(Work(record, alone=True))
            size += len(record.value)
        if records:
            self._record_bytes = max(1, size // len(records))

    def put_back(self, works: Sequence[Work]) -> None:
        """Undone work returns to the front in its order."""
        self._alone.extendleft(work for work in reversed(works) if work.alone)
        self._queue.put_back([(work, len(work.record.value)) for work in works if not work.alone])

    def delay(self, works: Iterable[Work], now_s: float) -> None:
        """Each comes back by itself after the backoff of its attempts."""
        for work in works:
            work.alone = True
            self._delayed.push(work, due_s=now_s + backoff_s(self._retry, max(1, work.attempts), self._rng))

    def due_s(self) -> float | None:
        """When `take` next yields something though nothing arrives; None if never."""
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
