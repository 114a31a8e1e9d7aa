"""Backoff stays in its bounds and repeats by seed; the heap gives everything back, in time order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from stream.topology.stage import RetryPolicy
from stream.worker.retries import DelayHeap, backoff_s, ceiling_s


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_backoff_is_bounded_and_seedable(attempt: int, seed: int) -> None:
    policy = RetryPolicy(base_delay_s=0.5, max_delay_s=30.0)
    wait_s = backoff_s(policy, attempt, random.Random(seed))
    assert 0 <= wait_s <= min(30.0, 0.5 * 2.0 ** min(attempt - 1, 100))
    assert wait_s == backoff_s(policy, attempt, random.Random(seed))


def test_the_ceiling_doubles_up_to_the_longest_delay() -> None:
    policy = RetryPolicy(base_delay_s=1.0, max_delay_s=5.0)
    assert [ceiling_s(policy, attempt) for attempt in (1, 2, 3, 4, 5000)] == [1.0, 2.0, 4.0, 5.0, 5.0]


@given(st.lists(st.floats(0, 100, allow_nan=False)), st.floats(0, 100, allow_nan=False))
def test_the_heap_gives_what_is_due_in_order(moments: list[float], now_s: float) -> None:
    heap: DelayHeap[int] = DelayHeap()
    for item, due_s in enumerate(moments):
        heap.push(item, due_s=due_s)
    assert heap.due_s() == min(moments, default=None)
    due = heap.take(now_s)
    assert due == sorted((item for item, at in enumerate(moments) if at <= now_s), key=lambda item: moments[item])
    assert len(heap) == len(moments) - len(due)
    assert sorted(due + heap.take(float("inf"))) == list(range(len(moments)))
