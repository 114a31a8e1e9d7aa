"""Batches keep order, respect their bounds and are neither early nor late."""

import math
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from stream.topology.stage import BatchPolicy
from stream.worker.batching import RUN_BYTES, Batcher

sizes = st.lists(st.integers(0, 50), max_size=40)
policies = st.builds(
    BatchPolicy,
    max_records=st.integers(2, 8),
    max_bytes=st.integers(1, 100),
    max_wait_s=st.floats(0, 10, allow_nan=False),
)


def filled(policy: BatchPolicy, item_sizes: list[int]) -> Batcher[int]:
    batcher: Batcher[int] = Batcher(policy)
    for item, size in enumerate(item_sizes):
        batcher.add(item, size=size, now_s=0.0)
    return batcher


@given(policies, sizes)
def test_batches_partition_the_input_within_bounds(policy: BatchPolicy, item_sizes: list[int]) -> None:
    batcher = filled(policy, item_sizes)
    seen: list[int] = []
    while batch := batcher.take(policy.max_wait_s):
        assert len(batch) <= policy.max_records
        size = sum(item_sizes[item] for item in batch)
        assert size <= policy.max_bytes or len(batch) == 1
        following = batch[-1] + 1
        if len(batch) < policy.max_records and following < len(item_sizes):
            assert size + item_sizes[following] > policy.max_bytes
        seen += batch
        assert batcher.bytes == sum(item_sizes[len(seen) :])
    assert seen == list(range(len(item_sizes)))
    assert (len(batcher), batcher.bytes, batcher.due_s()) == (0, 0, None)


@given(policies.filter(lambda policy: policy.max_wait_s > 0), sizes.filter(bool))
def test_a_batch_is_early_only_when_full(policy: BatchPolicy, item_sizes: list[int]) -> None:
    batcher = filled(policy, item_sizes)
    full = len(item_sizes) >= policy.max_records or sum(item_sizes) >= policy.max_bytes
    assert batcher.ready(0.0) is full
    assert bool(batcher.take(0.0)) is full


@given(st.lists(st.sampled_from([1, 1_000, RUN_BYTES - 1, RUN_BYTES, 10 * RUN_BYTES]), max_size=300))
def test_small_items_that_are_batches_by_themselves_go_together(item_sizes: list[int]) -> None:
    batcher = filled(BatchPolicy(max_bytes=1), item_sizes)
    seen: list[int] = []
    while run := batcher.take(0.0):
        assert sum(item_sizes[item] for item in run[:-1]) < RUN_BYTES, "each is taken while there is room"
        assert run[-1] == len(item_sizes) - 1 or sum(item_sizes[item] for item in run) >= RUN_BYTES
        seen += run
        assert batcher.bytes == sum(item_sizes[len(seen) :])
    assert seen == list(range(len(item_sizes)))


def test_the_wait_counts_from_the_first_item_of_the_batch() -> None:
    batcher: Batcher[str] = Batcher(BatchPolicy(max_records=2, max_wait_s=5))
    for item, now_s in (("a", 0.0), ("b", 3.0), ("c", 4.0)):
        batcher.add(item, size=1, now_s=now_s)
    assert batcher.take(4.0) == ["a", "b"]
    assert batcher.due_s() == 9.0
    assert batcher.take(8.9) == []
    assert batcher.take(9.0) == ["c"]


@given(policies, sizes.filter(bool))
def test_put_back_restores_the_order_and_is_due_at_once(policy: BatchPolicy, item_sizes: list[int]) -> None:
    batcher = filled(policy, item_sizes)
    batch = batcher.take(policy.max_wait_s)
    batcher.put_back([(item, item_sizes[item]) for item in batch])
    assert batcher.bytes == sum(item_sizes)
    assert batcher.take(0.0) == batch


paced = st.builds(
    BatchPolicy,
    max_records=st.just(100),
    max_wait_s=st.floats(0, 1),
    min_interval_s=st.floats(0.1, 5),
    burst=st.integers(1, 4),
)


@given(paced, st.lists(st.floats(0, 3), min_size=1, max_size=40))
def test_pace_bounds_how_many_batches_follow_each_other_and_how_long_an_item_waits(
    policy: BatchPolicy, gaps_s: list[float]
) -> None:
    batcher: Batcher[float] = Batcher(policy)
    taken_s: list[float] = []
    for at_s in [*accumulate(gaps_s), math.inf]:
        while (due_s := batcher.due_s()) is not None and due_s <= at_s:
            batch = batcher.take(due_s)
            assert due_s - batch[0] <= max(policy.max_wait_s, policy.min_interval_s) + 1e-9
            taken_s.append(due_s)
        batcher.add(at_s, size=1, now_s=at_s)
    for first, start_s in enumerate(taken_s):
        for last in range(first + policy.burst, len(taken_s)):
            allowed = policy.burst + (taken_s[last] - start_s) / policy.min_interval_s
            assert last - first + 1 <= allowed + 1e-6


def test_after_a_rest_the_pace_holds_nothing_up() -> None:
    batcher: Batcher[str] = Batcher(BatchPolicy(max_records=8, max_wait_s=0.05, min_interval_s=1.0, burst=2))
    waited_s = []
    for now_s in (0.0, 0.1, 0.2, 9.0):
        batcher.add("cell", size=1, now_s=now_s)
        due_s = batcher.due_s()
        assert due_s is not None
        assert batcher.take(due_s) == ["cell"]
        waited_s.append(round(due_s - now_s, 6))
    assert waited_s == [0.05, 0.05, 0.85, 0.05]
