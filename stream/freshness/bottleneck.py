"""Which stage delays the topology and when the backlog will be done, in words for people. Pure."""

import math
from dataclasses import dataclass
from typing import Literal

from stream.freshness.snapshot import Snapshot, StageFlow
from stream.topology.stage import Role

BROKER: Literal["broker"] = "broker"
HELD_BACK_S = 10.0
"""A stage that finished nothing is not the bottleneck where a later stage has more than this waiting: it is throttled.
"""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """`stage` is the one to look at; `words` say why. `place` is the kind of resource that would help."""

    place: Role | Literal["broker"]
    stage: str
    words: str


def drained_in_s(flow: StageFlow) -> float:
    """Seconds until everything planned has passed the stage, at its recent rate. Infinite while it does not move."""
    if not flow.backlog:
        return 0.0
    return flow.backlog / flow.service if flow.service else math.inf


def gone_in_s(snapshot: Snapshot) -> float:
    """Seconds until nothing waits anywhere; infinite where some stage does not move."""
    return max((drained_in_s(flow) for flow in snapshot.every), default=0.0)


def bottleneck(snapshot: Snapshot) -> Bottleneck | None:
    """The stage that delays the waiting work; None while nothing waits. In this order: a stage that waits for a worker;
    the broker, where workers exist and no stage moves; else the stage whose waiting work takes longest at its rate,
    without those that only wait for later stages.

    Stages that report no progress delay no other, so they are named only where no other has work.
    """
    waiting = [flow for flow in snapshot.stages if flow.waiting] or [flow for flow in snapshot.others if flow.waiting]
    if not waiting:
        return None
    # Before the rates: a stage without workers has no rate to compare.
    if absent := [flow for flow in waiting if not flow.replicas]:
        names = " or ".join(flow.stage for flow in absent)
        return _named(absent[0], f"no worker runs {names}")
    # All of them at once: workers of several stages seldom break together, but a broker takes them all.
    if all(flow.stuck_partitions and not flow.service for flow in waiting):
        return Bottleneck(BROKER, waiting[0].stage, "workers run and none makes progress: look at the broker")
    to_blame = [flow for flow in waiting if not _held_back(flow, snapshot)]
    worst = max(to_blame, key=lambda flow: (_wait_s(flow), flow.waiting))
    return _named(worst, _words(worst))


def _named(flow: StageFlow, words: str) -> Bottleneck:
    return Bottleneck(flow.role, flow.stage, words)


def _held_back(flow: StageFlow, snapshot: Snapshot) -> bool:
    """Whether the stage only waits for later ones. The first stage is throttled on purpose."""
    below = [each for each in snapshot.below(flow.stage) if each.waiting] if flow in snapshot.stages else []
    # The first stage holds back batch work on purpose, so its queue says nothing while later stages have work.
    if flow.upstream is None:
        return bool(below)
    return not flow.service and any(_wait_s(each) > HELD_BACK_S for each in below)


def _wait_s(flow: StageFlow) -> float:
    # A stage that finishes nothing is the longest wait of all.
    return flow.waiting / flow.service if flow.service else math.inf


def _words(flow: StageFlow) -> str:
    if flow.stuck_partitions:
        return f"{flow.stuck_partitions} of {flow.partitions} partitions of {flow.stage} do not move"
    if not flow.service:
        return f"{flow.stage} has workers and finished nothing in the last minute: ask their /readyz"
    if flow.max_replicas is not None and flow.replicas >= flow.max_replicas:
        return f"{flow.stage} is at its limit of {flow.max_replicas}"
    if flow.replicas * flow.concurrency >= flow.partitions:
        return f"{flow.stage} has the longest queue and a worker for each of its {flow.partitions} partitions"
    return f"{flow.stage} has the longest queue"
