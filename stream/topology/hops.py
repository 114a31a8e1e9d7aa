"""The way of planned parts through the later stages. Pure."""

from collections.abc import Iterable, Mapping

from stream.topology.admission_policy import Hop
from stream.topology.stage import Stage
from stream.topology.topics import Topic


def reports(stage: Stage, topics: Mapping[str, Topic]) -> bool:
    """Whether the stage reports progress."""
    return any(target in topics and topics[target].carries_progress for target in stage.targets)


def hops(planner: str, stages: Iterable[Stage], topics: Mapping[str, Topic]) -> tuple[Hop, ...]:
    """The way of the parts that `planner` plans through `stages`, in the order of the topology."""
    found: list[Hop] = []
    writers: dict[str, str] = {}
    for stage in stages:
        topic = stage.sources[0]
        reporting = reports(stage, topics)
        # A stage that neither reports nor writes its own input back cannot delay a part that others wait for.
        if reporting or topic in stage.targets:
            found.append(Hop(stage.name, topic, writers.get(topic, planner), topics[topic].failures, reporting))
        if reporting:
            writers |= dict.fromkeys(stage.targets, stage.name)
    return tuple(found)
