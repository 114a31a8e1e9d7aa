"""Stages that report no progress are scaled and watched too, by what their groups have left."""

import pytest

from stream.broker.observation import GroupOffset
from stream.freshness.autoscaler import ScalingPolicy, desired_replicas
from stream.freshness.bottleneck import bottleneck, gone_in_s
from stream.freshness.estimates import Estimates
from stream.freshness.freshness import Freshness
from stream.freshness.snapshot import Snapshot, links, unlinked
from stream.pipelines.understanding import reference_topology

NOW_MS = 1_700_000_000_000
TOPOLOGY = reference_topology()


def test_every_stage_has_wanted_replicas() -> None:
    others = Estimates(unlinked(TOPOLOGY)).flows(NOW_MS)
    snapshot = Freshness(links(TOPOLOGY)).snapshot(NOW_MS, others=others)
    assert set(desired_replicas(snapshot, ScalingPolicy())) == {stage.name for stage in TOPOLOGY.stages}


def seen(fold: Estimates, turn: int, acked: int, end: int, *, members: int = 1) -> Snapshot:
    """Ten seconds a round; captions has two partitions of which one is empty."""
    now_ms = NOW_MS + turn * 10_000
    places = [
        GroupOffset("caption", "annotations", 0, acked, end),
        GroupOffset("caption", "annotations", 1, 0, 0),
        GroupOffset("decode", "spans", 0, 0, 50),
    ]
    fold.observe(places, {"caption": members}, turn=turn, now_ms=now_ms)
    return Snapshot(now_ms, (), fold.flows(now_ms))


def test_records_left_are_batch_footage_of_ten_seconds_each() -> None:
    fold = Estimates(unlinked(TOPOLOGY))
    caption = next(it for it in seen(fold, 0, 100, 130, members=0).others if it.stage == "caption")
    assert caption.backlog == caption.waiting == 300
    assert caption.lane("interactive").waiting == 0
    assert (caption.replicas, caption.partitions, caption.offset_lag) == (0, 2, {"annotations": 30})
    held = bottleneck(Snapshot(NOW_MS, (), (caption,)))
    assert held is not None
    assert (held.place, held.words) == ("model", "no worker runs caption")


def test_its_pace_is_measured_and_scaled_on() -> None:
    """20 records in 10 s by one replica are 20 video-seconds per second; 36,000 more within the hour take more."""
    fold = Estimates(unlinked(TOPOLOGY))
    for turn in range(8):
        snapshot = seen(fold, turn, 1000 + 20 * turn, 1000 + 20 * turn + 500)
    caption = next(it for it in snapshot.others if it.stage == "caption")
    assert caption.service_per_replica == pytest.approx(20)
    assert caption.service == 20
    assert gone_in_s(snapshot) == 250
    policy = ScalingPolicy(batch_drain_s=3600)
    assert desired_replicas(snapshot, policy)["caption"] == 1
    crowded = seen(fold, 8, 1160, 1160 + 14_400)
    assert desired_replicas(crowded, policy)["caption"] == 2
    done = seen(fold, 9, 15_560, 15_560)
    assert gone_in_s(done) == 0
    assert desired_replicas(done, policy)["caption"] == 1
    later = seen(fold, 50, 15_560, 15_560)
    assert desired_replicas(later, policy)["caption"] == 0
