"""Records to batches. Pure: time is an argument."""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from stream.topology.stage import BatchPolicy

T = TypeVar("T")
RUN_BYTES = 128 * 1024
"""Upper bound for items of one-item batches that are taken together: one look at the queue costs more than one such
item."""


class Batcher(Generic[T]):
    """A queue that gives batches of its policy, in order of arrival.

    A batch is the longest prefix within `max_records` and `max_bytes`, and at least one item. It is ready when the
    queue holds more than a batch could grow to, or `max_wait_s` after the arrival of its first item, and no sooner than
    the pace of `BatchPolicy` allows.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._max_records, self._max_bytes = policy.max_records, policy.max_bytes
        self._items: deque[tuple[T, int, float]] = deque()
        self._paced_s = float("-inf")  # when the batches taken so far would end at one batch per interval
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, *, size: int, now_s: float) -> None:
        self._items.append((item, size, now_s))
        self.bytes += size

    def put_back(self, items: Sequence[tuple[T, int]]) -> None:
        """Return (item, size) pairs to the front, in their order; they are due at once."""
        for item, size in reversed(items):
            # They waited their time before, so they do not wait `max_wait_s` again.
            self._items.appendleft((item, size, float("-inf")))
            self.bytes += size

    def due_s(self) -> float | None:
        """When the next batch is ready if nothing more arrives; None while empty."""
        if not self._items:
            return None
        due_s = self._items[0][2] + self._policy.max_wait_s
        if self._full() or due_s == float("-inf"):
            return float("-inf")
        return max(due_s, self._paced_s - (self._policy.burst - 1) * self._policy.min_interval_s)

    def ready(self, now_s: float) -> bool:
        # Spelled out instead of `due_s`: a busy worker asks three times for each record.
        if len(self._items) >= self._max_records or self.bytes >= self._max_bytes:
            return True
        due_s = self.due_s()
        return due_s is not None and due_s <= now_s

    def take(self, now_s: float) -> list[T]:
        """The next batch, or nothing if none is ready. Of one-item batches the next few, as each is full."""
        if self._max_records == 1:
            return self._run()
        if not self.ready(now_s):
            return []
        self._paced_s = max(now_s, self._paced_s) + self._policy.min_interval_s
        batch: list[T] = []
        size = 0
        while self._items and len(batch) < self._max_records:
            item, item_size, _ = self._items[0]
            if batch and size + item_size > self._max_bytes:
                break
            self._items.popleft()
            batch.append(item)
            size += item_size
        self.bytes -= size
        return batch

    def _run(self) -> list[T]:
        run: list[T] = []
        size = 0
        while self._items and size < RUN_BYTES:
            item, item_size, _ = self._items.popleft()
            run.append(item)
            size += item_size
        self.bytes -= size
        return run

    def _full(self) -> bool:
        return len(self._items) >= self._max_records or self.bytes >= self._max_bytes
