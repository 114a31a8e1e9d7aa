"""How fresh the topology is, as values for the exporter, `rushes lag` and scaling. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stream.events.progress import ASSET
from stream.topology.lanes import Lane
from stream.topology.stage import Role, Scaling, Stage
from stream.topology.topology import Topology
from stream.topology.unit import VIDEO_SECONDS, Unit


@dataclass(frozen=True, slots=True)
class Link:
    """One stage that reports progress. A part waits for it once `upstream` has reported the part done (or failed too,
    with `failures_arrive`). The stage without `upstream` reads what producers publish.
    """

    of: Stage
    upstream: str | None
    failures_arrive: bool = False
    stage: str = field(init=False)

    def __post_init__(self) -> None:
        # Set once, although frozen: every report asks for the name.
        object.__setattr__(self, "stage", self.of.name)


def links(topology: Topology) -> tuple[Link, ...]:
    """The reporting stages in order. `upstream` is the last of them that writes the stage's first source."""
    found: list[Link] = []
    for stage in topology.stages:
        if not topology.reports(stage):
            continue
        main = topology.topic(stage.sources[0])
        # A stage may read a topic that producers write too: such a topic has no stage before it.
        writers = [link.stage for link in found if main.name in link.of.targets and main not in topology.entries]
        found.append(Link(stage, writers[-1] if writers else None, main.failures))
    return tuple(found)


def unlinked(topology: Topology) -> tuple[Stage, ...]:
    """The stages that report nothing."""
    return tuple(stage for stage in topology.stages if not topology.reports(stage))


@dataclass(frozen=True, slots=True)
class LaneFlow:
    """One lane of one stage, in its unit. `freshness_lag_s`: age of the oldest subject with a part that waits here, 0
    for none. `waiting`: units that arrived and are not done. `arrival`: recent units per second.
    """

    freshness_lag_s: float = 0.0
    waiting: float = 0.0
    arrival: float = 0.0


@dataclass(frozen=True, slots=True)
class StageFlow:
    """One stage at one moment, in its unit. `backlog`: planned and not done here, on its way included. `service`: units
    per second of all replicas, lately; `service_per_replica` of one that has work, None if not seen yet. `stuck_share`:
    share of its unacknowledged records that lie in partitions which do not move. `idle_s`: since it last had work.
    `part`: units of a part, on average.
    """

    stage: str
    upstream: str | None = None
    lanes: Mapping[Lane, LaneFlow] = field(default_factory=dict)
    backlog: float = 0.0
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
    role: Role = Role.WORK
    unit: Unit = VIDEO_SECONDS
    part: float = VIDEO_SECONDS.part
    scaling: Scaling = field(default_factory=Scaling)

    def converted(self, amount: float, to: "StageFlow") -> float:
        """An `amount` of this stage's work in the unit of another stage, by the mean size of a part."""
        return amount if self.unit == to.unit else amount * to.part / self.part

    def lane(self, lane: Lane) -> LaneFlow:
        return self.lanes.get(lane, LaneFlow())

    @property
    def waiting(self) -> float:
        return sum(flow.waiting for flow in self.lanes.values())

    @property
    def arrival(self) -> float:
        return sum(flow.arrival for flow in self.lanes.values())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All reporting stages in the order of the topology, and the `others`, whose work is an estimate and whose
    freshness is unknown. `offset_lag`: of all groups, by topic. `open_assets`: subjects with work left, of any kind of
    `subject`. `dead_letters`: all records ever written to that topic. `undecided`: by topic, records that no stage can
    read yet because a transaction is open; only topics that have some.
    """

    at_ms: int
    stages: tuple[StageFlow, ...]
    others: tuple[StageFlow, ...] = ()
    offset_lag: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    open_assets: int = 0
    dead_letters: int = 0
    undecided: Mapping[str, int] = field(default_factory=dict)
    subject: str = ASSET

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
