"""Backoff, and the heap of items that wait for their next attempt. Pure: time and randomness are arguments."""

import heapq
import itertools
import random
from typing import Generic, TypeVar

from stream.topology.stage import RetryPolicy

T = TypeVar("T")


def backoff_s(policy: RetryPolicy, attempt: int, rng: random.Random) -> float:
    """Full jitter: uniform in [0, min(max_delay_s, base_delay_s * 2**(attempt - 1))], attempts from 1.

    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0.0, ceiling_s(policy, attempt))


"""The longest wait after `attempt`, in seconds."""


def ceiling_s(policy: RetryPolicy, attempt: int) -> float:
    """The longest wait after `attempt`."""
    # The exponent is bounded: an outage of days makes thousands of attempts, and the power would overflow a float.
    return min(policy.max_delay_s, policy.base_delay_s * 2.0 ** min(attempt - 1, 60))


class DelayHeap(Generic[T]):
    """Items that wait until a time of their own. The earliest is first; equal times keep the order of arrival. `items`
    is empty while none waits.
    """

    def __init__(self) -> None:
        self.items: list[tuple[float, int, T]] = []
        # A tie breaker: without it the heap would compare the items themselves.
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self.items)

    def push(self, item: T, *, due_s: float) -> None:
        heapq.heappush(self.items, (due_s, next(self._order), item))

    def due_s(self) -> float | None:
        """When the next item is due; None while empty."""
        return self.items[0][0] if self.items else None

    def ready(self, now_s: float) -> bool:
        return bool(self.items) and self.items[0][0] <= now_s

    def take(self, now_s: float) -> list[T]:
        """All items due."""
        due: list[T] = []
        while self.items and self.items[0][0] <= now_s:
            due.append(heapq.heappop(self.items)[2])
        return due
