"""How many replicas each stage should have: a pure function of a snapshot (ADR 0020). Nothing is started here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.freshness.snapshot import Snapshot, StageFlow

SOONEST = 0.12
"""Share of the objective: the least time that a stage gets once the age at which it aims to be done has passed."""


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """`objective_s`: how old the oldest interactive subject may become. `batch_drain_s`: the time to finish batch work.
    `utilisation`: the share of a replica's measured rate to plan with. `start_s`: the time until a new replica works.
    """

    objective_s: float = 60.0
    batch_drain_s: float = 3600.0
    utilisation: float = 1.0
    start_s: float = 20.0
    # Hysteresis without state: a replica goes only when the others would be less than nine tenths busy (ADR 0020).
    keep: float = 0.9
    cool_down_s: float = 300.0
    min_replicas: int = 0
    max_replicas: int = 32
    priors: Mapping[str, float] = field(default_factory=dict)

    def rate(self, flow: StageFlow) -> float:
        """Units per second of one replica, measured or prior."""
        return flow.service_per_replica or self.priors.get(flow.stage, flow.scaling.prior_rate)


def desired_replicas(snapshot: Snapshot, policy: ScalingPolicy) -> dict[str, int]:
    """Replicas by stage. More backlog of a stage never reduces its number. No stage gets more replicas than its
    partitions can feed, `max_replicas` allows, or a saturated later stage can take in.
    """
    return {flow.stage: _replicas(flow, snapshot, policy) for flow in snapshot.every}


def demand(flow: StageFlow, snapshot: Snapshot, policy: ScalingPolicy) -> float:
    """Units per second that should be done: arrivals, and the work that waits here and in earlier stages, within the
    time left for it. Work in earlier stages counts because it is on its way, and replicas started on its arrival come
    late. Work in stuck partitions is left out: no replica would get to it. What lies in partitions that do not move is
    left out: no replica would get to it.
    """
    soonest_s = policy.objective_s * SOONEST
    aim_s = policy.objective_s * flow.scaling.share
    needed = late = flow.lane("interactive").arrival / policy.utilisation
    for queue in (flow, *snapshot.above(flow)):
        waiting = queue.converted(_moving(queue) * queue.lane("interactive").waiting, flow)
        # The first stage lets in only a little batch work at a time, wherever it waits.
        batch = queue.converted(_moving(queue) * queue.lane("batch").waiting, flow) / policy.batch_drain_s
        left_s = aim_s - _age_s(queue)
        # Never below the soonest time: an old asset would otherwise ask for any number of replicas.
        needed += waiting / max(soonest_s, left_s) + batch
        late += waiting / max(soonest_s, left_s - policy.start_s) + batch
    present = flow.replicas * policy.rate(flow)
    # Missing capacity starts late, so it must do its part in the time that is left then.
    return needed if needed <= present else present + (needed - present) * late / needed


def _moving(flow: StageFlow) -> float:
    return 1.0 - flow.stuck_share


def _age_s(flow: StageFlow) -> float:
    """The age of the oldest waiting interactive asset. 0 where a partition is stuck: the oldest asset may lie there,
    and its age says nothing of the others.
    """
    # One stuck partition may hold the oldest asset, and no replica would make that one younger.
    return 0.0 if flow.stuck_partitions else flow.lane("interactive").freshness_lag_s


def ceiling(flow: StageFlow, policy: ScalingPolicy) -> int:
    """The most replicas that could have work: one member per moving partition, and one member for all stuck ones."""
    moving = flow.partitions - flow.stuck_partitions
    members = max(1, moving + (1 if flow.stuck_partitions else 0))
    bound = policy.max_replicas if flow.max_replicas is None else flow.max_replicas
    return max(1, min(bound, math.ceil(members / flow.concurrency)))


def saturated(flow: StageFlow, policy: ScalingPolicy) -> bool:
    """Whether the stage has more work than its largest possible number of replicas can finish within the objective."""
    capacity = ceiling(flow, policy) * policy.rate(flow)
    return flow.waiting > capacity * policy.objective_s


def _replicas(flow: StageFlow, snapshot: Snapshot, policy: ScalingPolicy) -> int:
    wanted = demand(flow, snapshot, policy) / policy.rate(flow)
    most = min(ceiling(flow, policy), _feeding(flow, snapshot, policy))
    # Rounding up would keep a replica for a trace of floating-point noise.
    kept = min(flow.replicas, math.ceil(wanted / policy.keep - 1e-9))
    # Work in earlier stages will come. Started together, stages wait for one start and not for a chain of starts.
    expected = flow.backlog > 0 or any(it.waiting for it in snapshot.above(flow))
    busy = expected or flow.waiting > 0 or flow.arrival > 0 or flow.idle_s < policy.cool_down_s
    floor = max(policy.min_replicas, 1 if busy else 0)
    found = min(most, max(kept, math.ceil(wanted - 1e-9)))
    # The floor is bounded too: a stage with one partition cannot use two members.
    return max(min(floor, ceiling(flow, policy)), fewest_alike(flow, found))


def fewest_alike(flow: StageFlow, replicas: int) -> int:
    """The fewest replicas with the same largest number of partitions per member: 16 members finish 32 partitions as
    fast as 20, of which some have two as well.
    """
    if not replicas:
        return 0
    each = math.ceil(flow.partitions / (replicas * flow.concurrency))
    # First the partitions of the busiest member, then the fewest members with that many.
    return math.ceil(math.ceil(flow.partitions / each) / flow.concurrency)


def _feeding(flow: StageFlow, snapshot: Snapshot, policy: ScalingPolicy) -> int:
    """Replicas that keep the slowest saturated later stage busy; unbounded where none is saturated."""
    takes = [
        below.converted(ceiling(below, policy) * policy.rate(below), flow)
        for below in snapshot.below(flow.stage)
        if saturated(below, policy)
    ]
    # At least one: without any, nothing would reach the saturated stage.
    return max(1, math.ceil(min(takes) / policy.rate(flow))) if takes else policy.max_replicas
