"""The topology is data: stages, checked before anything starts, from which texts, diagrams and manifests derive."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from stream.errors import Fatal
from stream.stage import Stage
from stream.topics import DEAD_LETTERS, TOPICS, Topic

# Producers outside the topology write these; every stage may write the dead letters.
ENTRY_TOPICS = frozenset({"assets"})
# Nobody inside the topology has to read these: producers, reducers and people do.
TERMINAL_TOPICS = frozenset({"progress"})


@dataclass(frozen=True, slots=True)
class Topology:
    """A checked tuple of stages. Raises `Fatal` (code `invalid_topology`) listing everything that is wrong."""

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        problems = list(_problems(self.stages))
        if problems:
            raise Fatal("invalid topology: " + "; ".join(problems), code="invalid_topology")

    def stage(self, name: str) -> Stage:
        """The stage of that name; raises `Fatal` naming those there are."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = ", ".join(stage.name for stage in self.stages)
        raise Fatal(f"no stage {name!r}; there are: {known}", code="unknown_stage")

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic in use, in the order in which an asset meets them."""
        used = set(chain.from_iterable((*stage.sources, *stage.targets) for stage in self.stages))
        return tuple(topic for topic in TOPICS.values() if topic.name in used | {DEAD_LETTERS.name})

    def readers(self, topic: str) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if topic in stage.sources)

    def to_text(self) -> str:
        """One aligned line a stage."""
        rows = [("stage", "reads", "writes", "batch", "replicas")]
        for stage in self.stages:
            replicas = "1 (single writer)" if stage.max_replicas == 1 else "any"
            rows.append(
                (stage.name, ", ".join(stage.sources), ", ".join(stage.targets), str(stage.batch.max_records), replicas)
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def to_mermaid(self) -> str:
        """A left-to-right flowchart: topics are rounded, stages are boxes."""
        lines = ["flowchart LR"]
        lines += [f"  {_node(topic.name)}([{topic.name}])" for topic in self.topics]
        for stage in self.stages:
            lines.append(f"  {stage.name}[{stage.name}]")
            lines += [f"  {_node(source)} --> {stage.name}" for source in stage.sources]
            lines += [f"  {stage.name} --> {_node(target)}" for target in stage.targets if target != "progress"]
        lines.append(f"  every[every stage] -.-> {_node('progress')}")
        lines.append(f"  every -.-> {_node(DEAD_LETTERS.name)}")
        return "\n".join(lines)


def _node(topic: str) -> str:
    return "t_" + topic.replace("-", "_")


def _problems(stages: tuple[Stage, ...]) -> Iterator[str]:
    names = [stage.name for stage in stages]
    yield from (f"stage {name!r} stands twice" for name in sorted({name for name in names if names.count(name) > 1}))
    written = ENTRY_TOPICS | {DEAD_LETTERS.name} | {target for stage in stages for target in stage.targets}
    read = TERMINAL_TOPICS | {source for stage in stages for source in stage.sources}
    for stage in stages:
        yield from _stage_problems(stage, written, read)


def _stage_problems(stage: Stage, written: frozenset[str], read: frozenset[str]) -> Iterator[str]:
    where = f"stage {stage.name!r}"
    mentioned = (*stage.sources, *stage.targets, *stage.throttled_by)
    yield from (f"{where}: unknown topic {name!r}" for name in mentioned if name not in TOPICS)
    yield from (f"{where} reads {name!r}, which nothing writes" for name in stage.sources if name not in written)
    yield from (f"{where} writes {name!r}, which nothing reads" for name in stage.targets if name not in read)
    yield from (
        f"{where} is throttled by {name!r}, which it does not write"
        for name in stage.throttled_by
        if name not in stage.targets
    )
    if not stage.sources:
        yield f"{where} reads nothing"
    if stage.concurrency < 1:
        yield f"{where}: concurrency {stage.concurrency} is below 1"
    if stage.max_replicas == 1 and stage.concurrency != 1:
        yield f"{where} is a single writer with concurrency {stage.concurrency}"
