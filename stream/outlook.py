"""What holds the topology up and when the backlog will be gone, in a person's words. Pure."""

import math
from dataclasses import dataclass
from typing import Literal

from stream.flow import Snapshot, StageFlow

Place = Literal["decode", "model", "sink", "broker"]
_PLACES: dict[str, Place] = {"plan": "decode", "decode": "decode", "understand": "model", "caption": "model"}


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Where work piles up and what could be done about it."""

    place: Place
    stage: str
    words: str


def drained_in_s(flow: StageFlow) -> float:
    """Seconds until everything planned is through the stage, as fast as it went lately; infinite while it does not
    move or more comes than goes.
    """
    if not flow.backlog_video_s:
        return 0.0
    return flow.backlog_video_s / flow.service if flow.service else math.inf


def gone_in_s(snapshot: Snapshot) -> float:
    """Seconds until nothing waits anywhere; infinite where some stage does not move."""
    return max((drained_in_s(flow) for flow in snapshot.every), default=0.0)


def bottleneck(snapshot: Snapshot) -> Bottleneck | None:
    """The stage whose waiting work takes longest at the pace it goes; None while nothing waits. The first stage holds
    back on purpose, so it is named only where nothing waits behind it.

    Workers that are there and all stand still, in every stage that has work, point at what they share: the broker.
    """
    waiting = [flow for flow in snapshot.every if flow.waiting_video_s]
    if not waiting:
        return None
    staffed = [flow for flow in waiting if flow.replicas]
    if staffed and all(flow.stuck_partitions and not flow.service for flow in staffed):
        return Bottleneck("broker", staffed[0].stage, "workers are there and none moves: look at the broker")
    behind = [flow for flow in waiting if flow.upstream is not None]
    worst = max(behind or waiting, key=lambda flow: (_wait_s(flow), flow.waiting_video_s))
    place = _PLACES.get(worst.stage, "sink")
    return Bottleneck(place, worst.stage, _words(worst))


def _wait_s(flow: StageFlow) -> float:
    return flow.waiting_video_s / flow.service if flow.service else math.inf


def _words(flow: StageFlow) -> str:
    if not flow.replicas:
        return f"no worker runs {flow.stage}"
    if flow.stuck_partitions:
        return f"{flow.stuck_partitions} of {flow.partitions} partitions of {flow.stage} do not move"
    if not flow.service:
        return f"{flow.stage} has workers and finished nothing in the last minute"
    if flow.max_replicas is not None and flow.replicas >= flow.max_replicas:
        return f"{flow.stage} is at its limit of {flow.max_replicas}"
    return f"{flow.stage} has the longest queue"
