"""A topology that has nothing to do with footage: scripts of some takes, counted in frames, drawn and bound."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from stream.errors import StageError
from stream.events.asset import Json, Priority
from stream.events.base import Event
from stream.events.ids import digest
from stream.events.progress import PartProgressed, Subject
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.stage import Launch, Operator, Role, Scaling, Stage
from stream.topology.topics import DEAD_LETTERS, PROGRESS, Topic
from stream.topology.topology import Topology
from stream.topology.unit import Unit

FRAMES = Unit("frames", "frames", part=100.0)


class ScriptSubmitted(Json):
    """A producer's event: draw this script."""

    type: ClassVar[str] = "rushes.script.submitted.v1"
    script: str
    takes: tuple[int, ...]
    priority: Priority = "interactive"

    def identity(self) -> str:
        return self.script

    def partition_key(self) -> bytes:
        return self.script.encode()


class TakeAsked(Json):
    """One take of so many frames."""

    type: ClassVar[str] = "rushes.take.asked.v1"
    subject: Subject
    take: int
    takes: int
    frames: int

    def partition_key(self) -> bytes:
        return self.subject.id.encode()


class TakeDrawn(TakeAsked):
    """The take is there."""

    type: ClassVar[str] = "rushes.take.drawn.v1"


def _named(subject: Subject) -> tuple[object, ...]:
    return subject.tenant, subject.id, *subject.version


def progressed(event: Event, stage: str, asked: TakeAsked, priority: Priority | None = None, cpu_us: int = 0) -> Event:
    report = PartProgressed(
        subject=asked.subject,
        stage=stage,
        part=asked.take,
        parts=asked.takes,
        quantity=asked.frames,
        unit=FRAMES.counts,
        priority=priority,
        cpu_us=cpu_us,
    )
    return event.derive(report, id=digest(stage, *_named(asked.subject), asked.take))


class _Silent:
    """An operator without a life of its own."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        return ()


class Outline(_Silent):
    """Plans the takes of a script."""

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            data = event.data
            if not isinstance(data, ScriptSubmitted):
                continue
            subject = Subject(
                kind="script", tenant=event.tenant, project=event.project, id=event.subject, version=event.version
            )
            for take, frames in enumerate(data.takes):
                asked = TakeAsked(subject=subject, take=take, takes=len(data.takes), frames=frames)
                yield event.derive(asked, id=digest("take", *_named(subject), take))
                yield progressed(event, "outline", asked, data.priority)


class Draw(_Silent):
    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            data = event.data
            if isinstance(data, TakeAsked):
                drawn = TakeDrawn(**data.model_dump())
                yield event.derive(drawn, id=digest("drawn", *_named(data.subject), data.take))
                yield progressed(event, "draw", data, cpu_us=1000 * data.frames)


class Bind(_Silent):
    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            if isinstance(event.data, TakeDrawn):
                yield progressed(event, "bind", event.data)


SCRIPTS = Topic("scripts", (ScriptSubmitted,), entry=True)
TAKES = Topic("takes", (TakeAsked,))
REELS = Topic("reels", (TakeDrawn,))
TOPICS = {topic.name: topic for topic in (SCRIPTS, TAKES, REELS, PROGRESS, DEAD_LETTERS)}


def scripts_topology() -> Topology:
    def stage(name: str, source: Topic, targets: tuple[Topic, ...], operator: type[Operator], role: Role) -> Stage:
        return Stage(
            name, (source.name,), tuple(it.name for it in (*targets, PROGRESS)), operator, role=role, unit=FRAMES
        )

    outline = replace(
        stage("outline", SCRIPTS, (TAKES,), Outline, Role.CONTROL),
        admission=AdmissionPolicy(tenant_credit=300, credit=1000, record_cost=1),
        scaling=Scaling(prior_rate=1000.0, share=0.2),
    )
    draw = replace(
        stage("draw", TAKES, (REELS,), Draw, Role.MODEL),
        scaling=Scaling(prior_rate=10.0),
        launch=Launch(frozenset({"cache"})),
    )
    bind = replace(
        stage("bind", REELS, (), Bind, Role.SINK),
        settles=True,
        max_replicas=1,
        launch=Launch(frozenset({"state"})),
    )
    return Topology((outline, draw, bind), topics=TOPICS, subject="script")
