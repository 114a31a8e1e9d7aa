"""Stages as one checked whole, and its diagrams. Pure; nothing is started here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from stream.events.progress import ASSET
from stream.topology.hops import hops, reports
from stream.topology.routing import routes
from stream.topology.stage import Role, Stage
from stream.topology.topics import DEAD_LETTERS, TOPICS, Topic
from stream.topology.unit import Unit


class InvalidTopology(ValueError):
    """The stages do not fit together. The message lists every problem, one per line."""


class UnknownStage(KeyError):
    """There is no stage of this name."""


class Topology:
    """Stages that fit together; raises `InvalidTopology` otherwise.

    `subject` is the kind of subject that it works on. `entry` topics have outside producers and `terminal` ones may
    have no reader here, in addition to topics that declare this themselves. `dead-letters` is both, as every stage
    writes it. Cycles are allowed (captions are revised annotations).

    A stage with admission gets its way and its settling stages from the topology.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        *,
        entry: Iterable[str] = (),
        terminal: Iterable[str] = (),
        topics: Mapping[str, Topic] = TOPICS,
        subject: str = ASSET,
    ) -> None:
        self.stages = tuple(stages)
        self.subject = subject
        self._known = topics
        self._entry = {DEAD_LETTERS.name, *entry, *(name for name, topic in topics.items() if topic.entry)}
        self._terminal = {DEAD_LETTERS.name, *terminal, *(name for name, topic in topics.items() if topic.followed)}
        if problems := list(self._problems()):
            raise InvalidTopology("\n".join(problems))
        self.stages = tuple(map(self._informed, self.stages))

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics that stages read and write, and dead letters, in the order of declaration."""
        used = {DEAD_LETTERS.name}.union(*(stage.sources + stage.targets for stage in self.stages))
        return tuple(topic for topic in self._known.values() if topic.name in used)

    @property
    def entries(self) -> tuple[Topic, ...]:
        """The topics that outside producers write."""
        return tuple(topic for topic in self.topics if topic.name in self._entry - {DEAD_LETTERS.name})

    @property
    def planner(self) -> Stage | None:
        """The stage that decides which parts a subject has: the first that reports progress and reads an entry."""
        found = (stage for stage in self.stages if self.reports(stage) and stage.sources[0] in self._entry)
        return next(found, None)

    @property
    def progress(self) -> Topic | None:
        """The topic that carries progress reports."""
        return next((topic for topic in self.topics if topic.carries_progress), None)

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units of the stages, each once, in their order."""
        return tuple(dict.fromkeys(stage.unit for stage in self.stages))

    @property
    def settling(self) -> tuple[str, ...]:
        """The stages whose report ends the work of a part."""
        return tuple(stage.name for stage in self.stages if stage.settles)

    def reports(self, stage: Stage) -> bool:
        """Whether the stage reports progress."""
        return reports(stage, self._known)

    def of_role(self, *roles: Role) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if stage.role in roles)

    @property
    def known(self) -> Mapping[str, Topic]:
        """All topics that its stages may name."""
        return self._known

    def topic(self, name: str) -> Topic:
        return self._known[name]

    def stage(self, name: str) -> Stage:
        """Raises `UnknownStage` with the known names."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise UnknownStage(f"no stage {name!r}; there are {', '.join(stage.name for stage in self.stages)}")

    def readers(self, topic: str) -> tuple[Stage, ...]:
        """The stages that consume `topic`; their names are its consumer groups."""
        return tuple(stage for stage in self.stages if topic in stage.sources)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Topic to consumer groups, for throttling and retention."""
        return {topic.name: tuple(stage.name for stage in self.readers(topic.name)) for topic in self.topics}

    def to_text(self) -> str:
        """An aligned table, one stage per line."""
        head = ("stage", "reads", "writes", "workers", "replicas", "waits for")
        rows = [head, *(_row(stage) for stage in self.stages)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)

    def to_mermaid(self) -> str:
        """A Mermaid flowchart: stages are boxes, topics are rounded, dead letters come from any stage."""
        lines = ["flowchart LR"]
        lines += [f"  {_topic_id(topic.name)}([{topic.name}])" for topic in self.topics]
        lines += [f"  {_stage_id(stage.name)}[{stage.name}]" for stage in self.stages]
        for stage in self.stages:
            lines += [f"  {_topic_id(source)} --> {_stage_id(stage.name)}" for source in stage.sources]
            lines += [f"  {_stage_id(stage.name)} --> {_topic_id(target)}" for target in stage.targets]
        lines += ["  any[any stage] -.-> " + _topic_id(DEAD_LETTERS.name)]
        return "\n".join(lines)

    def _informed(self, stage: Stage) -> Stage:
        """The stage with the values that its admission takes from the topology."""
        if stage.admission is None:
            return stage
        way = hops(stage.name, (other for other in self.stages if other.name != stage.name), self._known)
        return replace(stage, admission=replace(stage.admission, way=way, settled_by=self.settling))

    def _problems(self) -> Iterator[str]:
        for name, count in Counter(stage.name for stage in self.stages).items():
            if count > 1:
                yield f"{count} stages are named {name!r}"
        for stage in self.stages:
            problems = (
                self._edge_problems(stage),
                self._throttle_problems(stage),
                self._admission_problems(stage),
                _worker_problems(stage),
            )
            yield from (f"stage {stage.name!r} {problem}" for problem in chain(*problems))
            try:
                routes(stage, self._known)
            except ValueError as error:
                yield str(error)

    def _edge_problems(self, stage: Stage) -> Iterator[str]:
        written = self._entry.union(*(other.targets for other in self.stages))
        read = self._terminal.union(*(other.sources for other in self.stages))
        if not stage.sources:
            yield "reads nothing"
        if strange := set(stage.urgent_sources) - set(stage.sources):
            yield f"serves {', '.join(sorted(strange))} first, which it does not read"
        if stage.urgent_sources and stage.admission is not None:
            yield "admits, so turns decide the order and not its sources"
        if stage.in_turn and (stage.urgent_sources or stage.admission is not None or stage.batch.min_interval_s):
            yield "takes its records in turn: neither by admission nor by source, and without a pace"
        for source in stage.sources:
            if source not in self._known:
                yield f"reads the unknown topic {source!r}"
            elif source not in written:
                yield f"reads {source!r}, which nothing writes"
        for target in stage.targets:
            if target not in read:
                yield f"writes {target!r}, which nothing reads"

    def _throttle_problems(self, stage: Stage) -> Iterator[str]:
        for topic in stage.throttled_by:
            if topic in stage.sources:
                yield f"is throttled by {topic!r}, which it reads itself: it would never resume"
            elif not self.readers(topic):
                yield f"is throttled by {topic!r}, which nothing reads"

    def _admission_problems(self, stage: Stage) -> Iterator[str]:
        if stage.admission is not None and not self.reports(stage):
            yield "admits, but none of its targets carries progress: nobody's credit would ever be used"
        if stage.admission is not None and not self.settling:
            yield "admits, but no stage settles what it admits: credit would come back after its lease only"


def _worker_problems(stage: Stage) -> Iterator[str]:
    if stage.concurrency < 1 or (stage.max_replicas is not None and stage.max_replicas < 1):
        yield "has no worker"
    # Each member of a group writes, also within one process.
    if stage.max_replicas == 1 and stage.concurrency != 1:
        yield f"is a single writer (max_replicas 1) but has concurrency {stage.concurrency}"


def _row(stage: Stage) -> tuple[str, ...]:
    return (
        stage.name,
        ", ".join(stage.sources),
        ", ".join(stage.targets) or "-",
        str(stage.concurrency),
        "any" if stage.max_replicas is None else f"at most {stage.max_replicas}",
        ", ".join(stage.throttled_by) or "-",
    )


def _topic_id(name: str) -> str:
    return "topic_" + name.replace("-", "_").replace(".", "_")


def _stage_id(name: str) -> str:
    return "stage_" + name.replace("-", "_")
