"""Freshness is counted from the broker's append time, per lane, and forgets what is done; backlog is video time."""

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.broker.observation import GroupOffset
from stream.events.asset import AssetRef, Outcome, Priority, SegmentProgressed
from stream.events.grid import SEGMENT_NS
from stream.events.ids import AssetVersion
from stream.events.progress import ASSET, SubjectKey, progress_of
from stream.freshness.freshness import Freshness, Unacknowledged
from stream.freshness.snapshot import links
from stream.pipelines.understanding import reference_topology

LINKS = links(reference_topology())
CHAIN = ("plan", "decode", "understand", "index", "parquet")
NOW_MS = 1_700_000_000_000
SHORT_NS = 4_000_000_000


@dataclass
class Log:
    """Reports as the exporter reads them, one second apart."""

    fold: Freshness = field(default_factory=lambda: Freshness(LINKS))
    at_ms: int = NOW_MS
    offset: int = 0
    turn: int = 1

    def report(  # what a report says
        self,
        stage: str,
        segment: int = 0,
        *,
        asset: str = "a",
        append_ms: int = NOW_MS,
        count: int = 2,
        outcome: Outcome = Outcome.DONE,
        priority: Priority | None = None,
    ) -> None:
        self.at_ms += 1000
        self.offset += 1
        event = SegmentProgressed(
            asset=AssetRef(tenant="t", project="p", asset_id=asset, version=AssetVersion(append_ms, 7)),
            stage=stage,
            segment=segment,
            segment_count=count,
            video_ns=SHORT_NS if segment == count - 1 else SEGMENT_NS,
            outcome=outcome,
            priority=priority,
        )
        report = progress_of(event)
        assert report is not None
        self.fold.progressed(report, at_ms=self.at_ms, place=(0, self.offset), turn=self.turn)

    def planned(self, asset: str = "a", *, append_ms: int = NOW_MS, priority: Priority = "interactive") -> None:
        for segment in range(2):
            self.report("plan", segment, asset=asset, append_ms=append_ms, priority=priority)

    def lag_s(self, stage: str, lane: str = "interactive", *, now_ms: int = NOW_MS + 60_000) -> float:
        flow = self.fold.snapshot(now_ms).stage(stage)
        return flow.lanes["interactive" if lane == "interactive" else "batch"].freshness_lag_s


def test_the_stages_and_what_they_wait_for() -> None:
    assert [(link.stage, link.upstream) for link in LINKS] == [
        ("plan", None),
        ("decode", "plan"),
        ("understand", "decode"),
        ("index", "understand"),
        ("parquet", "understand"),
    ]
    assert [link.failures_arrive for link in LINKS] == [False, False, False, True, True]


def test_lag_moves_on_with_the_cells_and_ends_with_them() -> None:
    log = Log()
    log.planned()
    assert (log.lag_s("decode"), log.lag_s("understand")) == (60.0, 0.0)
    log.report("decode", 0)
    assert (log.lag_s("decode"), log.lag_s("understand"), log.lag_s("index")) == (60.0, 60.0, 0.0)
    flows = {flow.stage: flow for flow in log.fold.snapshot(NOW_MS).stages}
    assert flows["decode"].waiting == pytest.approx(4)
    assert flows["understand"].waiting == pytest.approx(10)
    assert {name: flows[name].backlog for name in CHAIN[1:]} == pytest.approx(
        {"decode": 4, "understand": 14, "index": 14, "parquet": 14}
    )
    for stage in CHAIN[1:]:
        for segment in range(2):
            log.report(stage, segment)
    assert [log.lag_s(stage) for stage in CHAIN] == [0.0] * 5
    assert log.fold.snapshot(NOW_MS).open_assets == 0


def test_a_failed_cell_waits_nowhere_else() -> None:
    log = Log()
    log.planned()
    log.report("decode", 0)
    log.report("decode", 1, outcome=Outcome.FAILED)
    assert log.fold.snapshot(NOW_MS).stage("understand").backlog == pytest.approx(10)
    for stage in CHAIN[2:]:
        log.report(stage, 0)
    assert log.fold.snapshot(NOW_MS).open_assets == 0


def test_a_replay_counts_from_its_own_time_and_in_the_batch_lane() -> None:
    """What failed two days ago and is tried again must not read as a clip that somebody has waited for two days."""
    log = Log(at_ms=NOW_MS)
    old_ms = NOW_MS - 2 * 86_400_000
    log.report("decode", 1, append_ms=old_ms)
    assert log.lag_s("understand") == 0.0
    assert log.lag_s("understand", "batch") == 59.0


def test_a_plan_that_is_read_late_still_gives_its_lane_and_clock() -> None:
    log = Log()
    log.report("decode", 0)
    log.planned()
    assert log.lag_s("understand") == 60.0
    assert log.lag_s("understand", "batch") == 0.0


def test_batch_does_not_show_in_the_interactive_lane() -> None:
    log = Log()
    log.planned("old", append_ms=NOW_MS - 7_200_000, priority="batch")
    log.planned("new")
    assert (log.lag_s("decode"), log.lag_s("decode", "batch")) == (60.0, 7260.0)


def place(stage: str, topic: str, acked: int, end: int, beyond: frozenset[int] = frozenset()) -> GroupOffset:
    return GroupOffset(stage, topic, 0, acked, end, beyond)


def test_unplanned_assets_wait_for_plan_until_it_acknowledges_them_in_any_order() -> None:
    log = Log()
    for offset, priority in enumerate(("batch", "interactive", "interactive")):
        key = SubjectKey(ASSET, "t", f"a{offset}", AssetVersion(NOW_MS + offset * 1000, offset))
        log.fold.published(key, Unacknowledged(0, offset, "batch" if priority == "batch" else "interactive"))
    assert (log.lag_s("plan"), log.lag_s("plan", "batch")) == (59.0, 60.0)
    log.fold.observe([place("plan", "assets", 0, 3, frozenset({1}))], {}, turn=1, now_ms=NOW_MS)
    assert (log.lag_s("plan"), log.lag_s("plan", "batch")) == (58.0, 60.0)
    log.fold.observe([place("plan", "assets", 1, 3, frozenset({1, 2}))], {}, turn=2, now_ms=NOW_MS)
    assert (log.lag_s("plan"), log.lag_s("plan", "batch")) == (0.0, 0.0)


def test_the_unplanned_count_with_the_mean_length_of_the_planned() -> None:
    log = Log()
    log.planned()
    log.fold.published(SubjectKey(ASSET, "t", "b", AssetVersion(NOW_MS, 9)), Unacknowledged(0, 9, "interactive"))
    assert log.fold.snapshot(NOW_MS).stage("plan").backlog == pytest.approx(14)


def test_deletions_are_no_footage_to_come() -> None:
    log = Log()
    log.fold.published(
        SubjectKey(ASSET, "t", "gone", AssetVersion(NOW_MS, 7)), Unacknowledged(0, 7, "interactive", work=False)
    )
    log.fold.observe([place("plan", "assets", 7, 8)], {}, turn=1, now_ms=NOW_MS)
    plan = log.fold.snapshot(NOW_MS).stage("plan")
    assert plan.lane("interactive").waiting == 0
    assert plan.idle_s == 0  # plan has work all the same


def test_cells_that_a_stage_acknowledged_without_a_word_are_let_go() -> None:
    log = Log()
    log.planned()
    for turn, (acked, end) in enumerate([(0, 2), (0, 2), (0, 3), (2, 3), (3, 3)], start=1):
        log.fold.observe([place("decode", "spans", acked, end)], {}, turn=turn, now_ms=NOW_MS)
        held = log.fold.snapshot(NOW_MS).open_assets
        # Two rounds have to pass, as a report may be read before its record is appended.
        assert held == (0 if turn == 5 else 1)


def test_what_is_open_says_where_to_begin_again() -> None:
    log = Log()
    log.planned("a")
    log.planned("b")
    assert (log.fold.resume_at(0, 99), log.fold.resume_at(1, 99)) == (1, 99)
    for stage in CHAIN[1:]:
        for segment in range(2):
            log.report(stage, segment, asset="a")
    assert log.fold.resume_at(0, 99) == 3


def test_rates_are_of_the_brokers_time_and_of_busy_replicas() -> None:
    log = Log()
    log.planned()
    for turn in range(1, 8):
        log.at_ms = NOW_MS + turn * 10_000
        log.report("decode", 0, asset=f"x{turn}", count=2)
        log.report("plan", 0, asset=f"y{turn}", priority="interactive")
        log.fold.observe([place("decode", "spans", turn, 99)], {"decode": 2}, turn=turn, now_ms=NOW_MS + turn * 10_000)
    flow = log.fold.snapshot(NOW_MS + 70_000).stage("decode")
    assert flow.service == pytest.approx(1.0)
    assert flow.replicas == 1  # two members, and a replica of decode has two
    assert flow.service_per_replica == pytest.approx(1.0)
    assert log.fold.snapshot(NOW_MS + 3_600_000).stage("decode").service == 0.0


def test_a_partition_is_stuck_when_members_are_there_and_it_does_not_move() -> None:
    log = Log()
    for turn in range(1, 70):
        now_ms = NOW_MS + turn * 5000
        moving = GroupOffset("decode", "spans", 0, turn, 200)
        still = GroupOffset("decode", "spans", 1, 3, 203)
        log.fold.observe([moving, still], {"decode": 2}, turn=turn, now_ms=now_ms)
    flow = log.fold.snapshot(now_ms).stage("decode")
    assert (flow.partitions, flow.stuck_partitions) == (2, 1)
    assert flow.stuck_share == pytest.approx(200 / 331)
    log.fold.observe([moving, still], {}, turn=99, now_ms=now_ms)  # nobody serves it: it waits, it is not stuck
    assert log.fold.snapshot(now_ms).stage("decode").stuck_partitions == 0


reports = st.lists(
    st.tuples(
        st.sampled_from(CHAIN),
        st.integers(0, 1),  # cell 2 stays where it is, so that the asset stays open
        st.sampled_from((Outcome.DONE, Outcome.FAILED, Outcome.SUPERSEDED)),
    ),
    max_size=30,
)


@settings(deadline=None)  # a busy machine is no defect
@given(reports, st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(said: list[tuple[str, int, Outcome]], chance: random.Random) -> None:
    doubled = said + chance.sample(said, len(said) // 2)
    chance.shuffle(doubled)
    seen = []
    for order in (said, doubled):
        log = Log()
        for segment in range(3):
            log.report("plan", segment, count=3)
        for stage, segment, outcome in order:
            log.report(stage, segment, outcome=outcome, count=3)
        flows = log.fold.snapshot(NOW_MS + 100_000).stages
        seen.append([(flow.backlog, flow.waiting, log.lag_s(flow.stage)) for flow in flows])
        assert all(0 <= flow.backlog <= 24 and math.isfinite(flow.waiting) for flow in flows)
    assert seen[0] == seen[1]
