"""Backoff, and the heap of what waits for its next attempt. Pure: time and randomness are arguments."""

import heapq
import itertools
import random
from typing import Generic, TypeVar

from stream.stage import RetryPolicy

T = TypeVar("T")


def backoff_s(policy: RetryPolicy, attempt: int, rng: random.Random) -> float:
    """Full jitter: uniform in [0, min(max_delay_s, base_delay_s * 2**(attempt - 1))], attempts from 1.

    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0.0, ceiling_s(policy, attempt))


def ceiling_s(policy: RetryPolicy, attempt: int) -> float:
    """The longest wait after `attempt`."""
    return min(policy.max_delay_s, policy.base_delay_s * 2.0 ** min(attempt - 1, 60))


class DelayHeap(Generic[T]):
    """Items that wait until a moment of their own; earliest first, equal moments in order of arrival."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, item: T, *, due_s: float) -> None:
        heapq.heappush(self._heap, (due_s, next(self._order), item))

    def due_s(self) -> float | None:
        """When the next item is due; None while empty."""
        return self._heap[0][0] if self._heap else None

    def ready(self, now_s: float) -> bool:
        return bool(self._heap) and self._heap[0][0] <= now_s

    def take(self, now_s: float) -> list[T]:
        """All items due."""
        due: list[T] = []
        while self._heap and self._heap[0][0] <= now_s:
            due.append(heapq.heappop(self._heap)[2])
        return due
