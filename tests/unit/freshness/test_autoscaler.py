"""What `desired_replicas` promises, for any snapshot."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.freshness.autoscaler import ScalingPolicy, ceiling, desired_replicas, fewest_alike, saturated
from stream.freshness.bottleneck import bottleneck, drained_in_s, gone_in_s
from stream.freshness.snapshot import LaneFlow, Snapshot, StageFlow
from stream.topology.lanes import Lane
from stream.topology.stage import Role

POLICY = ScalingPolicy()
amounts = st.floats(0, 1e6)
lane_flows = st.builds(LaneFlow, freshness_lag_s=amounts, waiting=amounts, arrival=st.floats(0, 1000))


@st.composite
def flows(draw: st.DrawFn, stage: str = "decode", upstream: str | None = None) -> StageFlow:
    partitions = draw(st.integers(1, 64))
    stuck = draw(st.integers(0, partitions))
    return StageFlow(
        stage=stage,
        upstream=upstream,
        lanes={"interactive": draw(lane_flows), "batch": draw(lane_flows)},
        service_per_replica=draw(st.none() | st.floats(0.1, 500)),
        partitions=partitions,
        stuck_partitions=stuck,
        stuck_share=draw(st.floats(0, 1)) if stuck else 0.0,
        idle_s=draw(amounts),
        replicas=draw(st.integers(0, 80)),
        concurrency=draw(st.integers(1, 4)),
        max_replicas=draw(st.none() | st.integers(1, 40)),
    )


def wanted(*stages: StageFlow, policy: ScalingPolicy = POLICY) -> int:
    return desired_replicas(Snapshot(0, stages), policy)[stages[0].stage]


def heavier(flow: StageFlow, video_s: float) -> StageFlow:
    more = {lane: replace(it, waiting=it.waiting + video_s) for lane, it in flow.lanes.items()}
    return replace(flow, lanes=more)


@given(flows(), amounts)
def test_more_backlog_never_asks_for_fewer(flow: StageFlow, more_s: float) -> None:
    assert wanted(heavier(flow, more_s)) >= wanted(flow)


@given(flows(), st.integers(1, 40))
def test_bounded_by_partitions_and_limits(flow: StageFlow, limit: int) -> None:
    found = wanted(flow, policy=replace(POLICY, max_replicas=limit))
    assert 0 <= found <= (limit if flow.max_replicas is None else flow.max_replicas)
    assert found <= math.ceil(flow.partitions / flow.concurrency)


@given(flows(), st.integers(0, 3))
def test_idle_means_the_minimum_and_any_work_means_one(flow: StageFlow, minimum: int) -> None:
    policy = replace(POLICY, min_replicas=minimum)
    idle = replace(flow, lanes={}, idle_s=policy.cool_down_s + 1)
    assert wanted(idle, policy=policy) == min(minimum, ceiling(idle, policy))
    assert wanted(replace(idle, idle_s=1.0), policy=policy) >= 1
    assert wanted(heavier(replace(flow, lanes={"batch": LaneFlow()}), 0.1)) >= 1


@given(flows(), flows(stage="understand", upstream="decode"), amounts)
def test_a_saturated_stage_below_holds_the_one_above_at_what_it_takes(
    flow: StageFlow, below: StageFlow, more_s: float
) -> None:
    below = heavier(below, more_s)
    if saturated(below, POLICY):
        takes = ceiling(below, POLICY) * POLICY.rate(below)
        assert wanted(flow, below) <= max(1, math.ceil(takes / POLICY.rate(flow)))
    else:
        assert wanted(flow, below) == wanted(flow)


def test_a_stage_two_below_counts_too() -> None:
    decode = heavier(StageFlow("decode", None, {"interactive": LaneFlow()}, partitions=32, service_per_replica=10), 1e5)
    understand = StageFlow("understand", "decode", partitions=32)
    index = StageFlow("index", "understand", {"batch": LaneFlow(0, 1e6)}, max_replicas=1, service_per_replica=40)
    assert wanted(decode, understand) == 32
    assert wanted(decode, understand, index) == 4


@given(st.integers(1, 16), amounts)
def test_stuck_partitions_do_not_demand_replicas_without_end(stuck: int, waiting_s: float) -> None:
    """All that waits lies in partitions that do not move: one replica is with them, more would change nothing."""
    flow = StageFlow(
        "decode",
        lanes={"interactive": LaneFlow(1e5, waiting_s + 1)},
        partitions=16,
        stuck_partitions=stuck,
        stuck_share=1.0,
        replicas=1,
    )
    assert wanted(flow) == 1


def test_neighbours_of_a_stuck_partition_are_served() -> None:
    flow = StageFlow(
        "decode",
        lanes={"interactive": LaneFlow(300, 10_000)},
        service_per_replica=10,
        partitions=16,
        stuck_partitions=1,
        stuck_share=0.5,
    )
    assert wanted(flow) == 16


def test_a_replica_more_or_less_does_not_come_and_go_with_every_wave() -> None:
    """Demand that wavers around two replicas keeps the third until it is clearly less."""
    base = StageFlow("decode", service_per_replica=10, partitions=16)
    counts = []
    replicas = 2
    for arrival in (20.5, 19.5, 20.2, 19.8, 17.0):
        replicas = wanted(replace(base, lanes={"interactive": LaneFlow(arrival=arrival)}, replicas=replicas))
        counts.append(replicas)
    assert counts == [3, 3, 3, 3, 2]


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 4))
def test_no_replica_is_asked_for_that_leaves_the_most_loaded_member_as_it_is(
    partitions: int, replicas: int, concurrency: int
) -> None:
    flow = StageFlow("decode", partitions=partitions, concurrency=concurrency)
    fewest = fewest_alike(flow, replicas)
    assert 1 <= fewest <= replicas
    most_loaded = [math.ceil(partitions / (count * concurrency)) for count in (replicas, fewest)]
    assert most_loaded[0] == most_loaded[1]
    assert fewest == 1 or math.ceil(partitions / ((fewest - 1) * concurrency)) > most_loaded[1]


def test_stages_below_start_with_what_waits_above() -> None:
    plan = StageFlow("plan", None, {"interactive": LaneFlow(1, 60)}, backlog=60)
    decode, index = StageFlow("decode", "plan"), StageFlow("index", "decode", max_replicas=1)
    assert wanted(index, decode, plan) == 1
    assert wanted(index, decode, replace(plan, lanes={})) == 0


def test_replicas_are_there_when_what_waits_above_arrives() -> None:
    """A burst that decode has before it is the next stage's in a minute, and its replicas take as long to start."""
    burst: dict[Lane, LaneFlow] = {"interactive": LaneFlow(freshness_lag_s=5, waiting=3000)}
    decode = StageFlow("decode", None, burst, service_per_replica=20, partitions=16)
    understand = StageFlow("understand", "decode", service_per_replica=10, partitions=16)
    assert wanted(understand, decode) == 16
    assert wanted(understand, replace(decode, stuck_partitions=1, stuck_share=1.0)) == 1
    archive = replace(decode, lanes={"batch": LaneFlow(waiting=72_000)})
    assert wanted(understand, archive) == 2
    assert wanted(understand, replace(archive, stuck_partitions=1, stuck_share=1.0)) == 1
    for age_s in (15, 28, 40, 90):  # one cell that came back late is no reason to wait with the rest
        again: dict[Lane, LaneFlow] = {"interactive": LaneFlow(freshness_lag_s=age_s, waiting=10)}
        assert wanted(replace(understand, lanes=again), decode) == 16


def test_what_is_stuck_for_long_does_not_hurry_the_others() -> None:
    old: dict[Lane, LaneFlow] = {"interactive": LaneFlow(freshness_lag_s=5000, waiting=400)}
    flow = StageFlow("decode", None, old, service_per_replica=10, partitions=16, replicas=2)
    assert wanted(replace(flow, stuck_partitions=1, stuck_share=0.1)) < wanted(flow)


def test_batch_alone_is_in_no_hurry() -> None:
    footage = LaneFlow(freshness_lag_s=7200, waiting=36_000)
    base = StageFlow("decode", service_per_replica=10, partitions=16, replicas=1)
    assert wanted(replace(base, lanes={"batch": footage})) == 1
    assert wanted(replace(base, lanes={"interactive": footage})) == 16


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"stage": "decode", "role": Role.DECODE}, "decode", "no worker runs decode"),
        ({"stage": "understand", "role": Role.MODEL, "replicas": 1, "service": 1.0}, "model", "longest queue"),
        ({"role": Role.SINK, "replicas": 1, "service": 1.0, "max_replicas": 1}, "sink", "limit of 1"),
        ({"role": Role.DECODE, "replicas": 1, "stuck_partitions": 1, "service": 1.0}, "decode", "do not move"),
        ({"stage": "decode", "replicas": 1, "stuck_partitions": 1}, "broker", "none makes progress"),
    ],
)
def test_the_bottleneck_in_words(change: dict[str, object], place: str, words: str) -> None:
    flow = replace(
        StageFlow("x", lanes={"interactive": LaneFlow(9, 90)}, backlog=90),
        **change,  # type: ignore[arg-type]
    )
    found = bottleneck(Snapshot(0, (flow,)))
    assert found is not None
    assert found.place == place
    assert words in found.words
    assert drained_in_s(flow) == (90 if flow.service else math.inf)


def test_nothing_waits_nothing_holds() -> None:
    assert bottleneck(Snapshot(0, (StageFlow("decode"),))) is None
    assert gone_in_s(Snapshot(0, (StageFlow("decode"),))) == 0


def stage(name: str, upstream: str | None = None, *, waits_s: float = 0.0, **fields: object) -> StageFlow:
    flow = StageFlow(name, upstream, {"interactive": LaneFlow(9, waits_s)}, backlog=waits_s, partitions=8)
    return replace(flow, **fields)  # type: ignore[arg-type]


WORKING: dict[str, Any] = {"replicas": 1, "service": 2.0}
STUCK: dict[str, Any] = {"replicas": 1, "stuck_partitions": 2}


@pytest.mark.parametrize(
    ("flows", "named", "words"),
    [
        pytest.param(
            [stage("plan", waits_s=60), stage("decode", "plan")], "plan", "no worker runs plan", id="nobody plans"
        ),
        pytest.param(
            [stage("plan", waits_s=60), stage("decode", "plan", waits_s=30, **WORKING)],
            "plan",
            "no worker runs plan",
            id="nobody plans, and what was planned is being worked off",
        ),
        pytest.param(
            [stage("plan", waits_s=60, replicas=1), stage("decode", "plan", waits_s=90)],
            "decode",
            "no worker runs decode",
            id="plan waits for decode, which nobody runs",
        ),
        pytest.param(
            [stage("plan", waits_s=60), stage("decode", "plan", waits_s=90), stage("understand", "decode")],
            "plan",
            "no worker runs plan or decode",
            id="nobody runs anything",
        ),
        pytest.param(
            [stage("decode", waits_s=900, replicas=2), stage("understand", "decode", waits_s=600, **WORKING)],
            "understand",
            "longest queue",
            id="decode is paused until understand has read",
        ),
        pytest.param(
            [
                stage("plan"),
                stage("decode", "plan", waits_s=900, replicas=2),
                stage("understand", "decode", waits_s=600, **WORKING),
            ],
            "understand",
            "longest queue",
            id="decode in the middle is paused until understand has read",
        ),
        pytest.param(
            [
                stage("plan"),
                stage("decode", "plan", waits_s=900, replicas=2),
                stage("understand", "decode", waits_s=4, **WORKING),
            ],
            "decode",
            "finished nothing in the last minute",
            id="decode stands still, and understand is nearly through",
        ),
        pytest.param(
            [stage("decode"), stage("understand", "decode", waits_s=600, replicas=8, service=2.0)],
            "understand",
            "a worker for each of its 8 partitions",
            id="as many workers as partitions",
        ),
        pytest.param(
            [stage("decode"), stage("index", "decode", waits_s=600, max_replicas=1, **WORKING)],
            "index",
            "at its limit of 1",
            id="a single writer",
        ),
        pytest.param(
            [
                stage("decode", waits_s=5, **WORKING),
                stage("index", "decode", waits_s=5, replicas=1, stuck_partitions=2),
            ],
            "index",
            "2 of 8 partitions of index do not move",
            id="some partitions are stuck",
        ),
    ],
)
def test_the_stage_that_holds_up_is_the_one_that_is_named(flows: list[StageFlow], named: str, words: str) -> None:
    others = (stage("dead-letters", waits_s=1e6),)  # nobody runs it, and nobody waits for it
    found = bottleneck(Snapshot(0, tuple(flows), others))
    assert found is not None
    assert found.stage == named
    assert words in found.words


def test_what_reports_no_progress_is_named_where_nothing_else_waits() -> None:
    found = bottleneck(Snapshot(0, (stage("decode", **WORKING),), (stage("dead-letters", waits_s=30, role=Role.SINK),)))
    assert found is not None
    assert (found.place, found.stage, found.words) == ("sink", "dead-letters", "no worker runs dead-letters")


def test_plan_that_holds_batch_footage_back_is_not_the_bottleneck() -> None:
    plan = StageFlow("plan", None, {"batch": LaneFlow(9000, 1e5)}, replicas=1, service=1.0)
    understand = StageFlow(
        "understand", "plan", {"batch": LaneFlow(9000, 100)}, replicas=1, service=4.0, role=Role.MODEL
    )
    found = bottleneck(Snapshot(0, (plan, understand)))
    assert found is not None
    assert found.place == "model"
