"""How fresh the topology is, as values that the exporter publishes, `rushes lag` shows and scaling decides on. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stream.events.asset import SegmentFailed
from stream.topology.lanes import Lane
from stream.topology.stage import Stage
from stream.topology.topics import ASSETS, PROGRESS
from stream.topology.topology import Topology

LANES: tuple[Lane, ...] = ("interactive", "batch")


@dataclass(frozen=True, slots=True)
class Link:
    """One stage that reports progress. A cell waits for it once `upstream` reported the cell done (or failed too, where
    `failures_arrive`); the stage without `upstream` reads what producers publish.
    """

    stage: str
    sources: tuple[str, ...]
    upstream: str | None
    failures_arrive: bool = False
    concurrency: int = 1
    max_replicas: int | None = None


def links(topology: Topology) -> tuple[Link, ...]:
    """The reporting stages in order. Upstream is the last of them before the stage that writes its first source."""
    found: list[Link] = []
    for stage in topology.stages:
        if PROGRESS.name not in stage.targets:
            continue
        main = stage.sources[0]
        writers = [link.stage for link in found if main in topology.stage(link.stage).targets]
        carried = next(topic.payloads for topic in topology.topics if topic.name == main)
        found.append(
            Link(
                stage=stage.name,
                sources=stage.sources,
                upstream=writers[-1] if writers and main != ASSETS.name else None,
                failures_arrive=SegmentFailed in carried,
                concurrency=stage.concurrency,
                max_replicas=stage.max_replicas,
            )
        )
    return tuple(found)


def unlinked(topology: Topology) -> tuple[Stage, ...]:
    """The stages that report nothing."""
    return tuple(stage for stage in topology.stages if PROGRESS.name not in stage.targets)


@dataclass(frozen=True, slots=True)
class LaneFlow:
    """One lane of one stage. `freshness_lag_s`: age of the oldest asset with a cell that waits here, 0 for none.
    `waiting_video_s`: what arrived and is not done. `arrival`: video-seconds per second, lately.
    """

    freshness_lag_s: float = 0.0
    waiting_video_s: float = 0.0
    arrival: float = 0.0


@dataclass(frozen=True, slots=True)
class StageFlow:
    """One stage at one moment. `backlog_video_s`: planned and not done here, on its way included. `service`:
    video-seconds per second of all replicas, lately; `service_per_replica` of one that has work, None if not seen yet.
    `stuck_share`: share of its unacknowledged records that lie in partitions which do not move. `idle_s`: since it last
    had work.
    """

    stage: str
    upstream: str | None = None
    lanes: Mapping[Lane, LaneFlow] = field(default_factory=dict)
    backlog_video_s: float = 0.0
    service: float = 0.0
    service_per_replica: float | None = None
    offset_lag: Mapping[str, int] = field(default_factory=dict)
    partitions: int = 1
    stuck_partitions: int = 0
    stuck_share: float = 0.0
    idle_s: float = math.inf
    replicas: int = 0
    concurrency: int = 1
    max_replicas: int | None = None

    def lane(self, lane: Lane) -> LaneFlow:
        return self.lanes.get(lane, LaneFlow())

    @property
    def waiting_video_s(self) -> float:
        return sum(flow.waiting_video_s for flow in self.lanes.values())

    @property
    def arrival(self) -> float:
        return sum(flow.arrival for flow in self.lanes.values())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every reporting stage, in the order of the topology, and the `others`, whose footage is an estimate and whose
    freshness is not known. `offset_lag`: of all groups, by topic. `dead_letters`: records ever written to that topic.
    `undecided`: records that no stage can read yet, as a transaction is open, by topic; where there are any.
    """

    at_ms: int
    stages: tuple[StageFlow, ...]
    others: tuple[StageFlow, ...] = ()
    offset_lag: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    open_assets: int = 0
    dead_letters: int = 0
    undecided: Mapping[str, int] = field(default_factory=dict)

    @property
    def every(self) -> tuple[StageFlow, ...]:
        return (*self.stages, *self.others)

    def stage(self, name: str) -> StageFlow:
        return next(flow for flow in self.stages if flow.stage == name)

    def above(self, flow: StageFlow) -> Iterator[StageFlow]:
        """The stages that this one waits for, and those that they wait for."""
        while flow.upstream is not None:
            flow = self.stage(flow.upstream)
            yield flow

    def below(self, name: str) -> Iterator[StageFlow]:
        """The stages that wait for this one, and those that wait for them."""
        for flow in self.stages:
            if flow.upstream == name:
                yield flow
                yield from self.below(flow.stage)
