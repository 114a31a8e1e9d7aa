"""What one replica does while it has work."""

import pytest

from stream.freshness.rates import BusyRate


def after(rounds: int, *, replicas: int, busy_partitions: int, video_s: float) -> float | None:
    """The rate after rounds of 15 s, in each of which so much was done."""
    busy = BusyRate()
    for turn in range(rounds + 1):
        busy.observe(
            now_ms=15_000 * turn,
            replicas=replicas,
            busy_partitions=busy_partitions,
            served=video_s if turn else 0,
        )
    return busy.rate.per_replica


def test_replicas_without_a_partition_that_holds_anything_are_not_counted() -> None:
    """Three partitions keep three of twenty members at work: each does 16 a second, not 2.4."""
    assert after(8, replicas=20, busy_partitions=3, video_s=3 * 16 * 15) == pytest.approx(16)
    assert after(8, replicas=2, busy_partitions=30, video_s=2 * 16 * 15) == pytest.approx(16)


def test_without_work_nothing_is_measured() -> None:
    assert after(8, replicas=4, busy_partitions=0, video_s=1) is None
    assert after(8, replicas=0, busy_partitions=4, video_s=0) is None
