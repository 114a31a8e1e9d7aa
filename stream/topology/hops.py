"""The way of what a stage plans through the stages behind it (pure)."""

from collections.abc import Iterable

from stream.events.asset import SegmentFailed
from stream.topology.admission_policy import Hop
from stream.topology.stage import Stage
from stream.topology.topics import PROGRESS, TOPICS


def hops(planner: str, stages: Iterable[Stage]) -> tuple[Hop, ...]:
    """The way through `stages`, in the order of the topology, of what `planner` plans."""
    found: list[Hop] = []
    writers: dict[str, str] = {}
    for stage in stages:
        topic = stage.sources[0]
        reports = PROGRESS.name in stage.targets
        if reports or topic in stage.targets:
            failures = SegmentFailed in TOPICS[topic].payloads
            found.append(Hop(stage.name, topic, writers.get(topic, planner), failures, reports))
        if reports:
            writers |= dict.fromkeys(stage.targets, stage.name)
    return tuple(found)
