"""What the processes of a topology need to do on a broker with an authorizer, and nothing more (pure)."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from stream.topology.ownership import TENANT_TOPICS
from stream.topology.stage import Stage
from stream.topology.topics import DEAD_LETTERS
from stream.topology.topology import Topology


class ResourceKind(StrEnum):
    TOPIC = "topic"
    GROUP = "group"


class RightTo(StrEnum):
    """Kafka's operations."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    CREATE = "create"
    DESCRIBE = "describe"
    DESCRIBE_CONFIGS = "describe_configs"


@dataclass(frozen=True, slots=True, order=True)
class BrokerRight:
    """`name`: of the topic or group, without the deployment's prefix. `prefixed`: it is what the names of all topics
    begin with that are meant.
    """

    kind: ResourceKind
    name: str
    operation: RightTo
    prefixed: bool = False


def rights_of(topology: Topology, stages: Collection[str]) -> tuple[BrokerRight, ...]:
    """Of one process that runs these stages, where topics and the places of groups were made by somebody else. Raises
    `UnknownStage` for a name that is none.
    """
    run = [topology.stage(name) for name in stages]
    # Every process compares the topics with what they should be, and asks where each group is before it trims.
    own = {source for stage in run for source in stage.sources}
    seen = [topic.name for topic in topology.topics if topic.owner is None or topic.name in own]
    found = {right for name in seen for right in rights_to_describe(name)}
    found |= {_group(stage.name, RightTo.DESCRIBE) for stage in topology.stages}
    for stage in run:
        found |= {*rights_to_work(stage), *_questions(topology, stage)}
        # Workers remove what all groups have read (ADR 0017).
        found |= {_topic(name, RightTo.DELETE) for name in stage.sources}
    return tuple(sorted(found))


def _questions(topology: Topology, stage: Stage) -> set[BrokerRight]:
    """How old a backlog is, is read from its first record. Who admits follows what has come of it, too."""
    asked = {*stage.throttled_by}
    if stage.admission is not None:
        asked |= {hop.topic for hop in stage.admission.way}
        asked |= {name for name in stage.targets if topology.topic(name).carries_progress}
    return {_topic(name, RightTo.READ) for name in asked}


def rights_to_work(stage: Stage) -> set[BrokerRight]:
    """What is done with its records, without looking at anything else."""
    read = {_topic(name, RightTo.READ) for name in stage.sources}
    written = {_topic(name, RightTo.WRITE) for name in (*stage.targets, DEAD_LETTERS.name)}
    return {_group(stage.name, RightTo.DESCRIBE), _group(stage.name, RightTo.READ), *read, *written}


def rights_to_write(topic: str) -> tuple[BrokerRight, ...]:
    """Of a producer outside of the topology."""
    return _topic(topic, RightTo.DESCRIBE), _topic(topic, RightTo.WRITE)


def rights_to_describe(topic: str) -> tuple[BrokerRight, ...]:
    """With its settings."""
    return _topic(topic, RightTo.DESCRIBE), _topic(topic, RightTo.DESCRIBE_CONFIGS)


def rights_to_follow(topic: str) -> tuple[BrokerRight, ...]:
    """Of a reader outside of the groups."""
    return _topic(topic, RightTo.DESCRIBE), _topic(topic, RightTo.READ)


def rights_by_resource(rights: Collection[BrokerRight]) -> dict[tuple[ResourceKind, str, bool], list[RightTo]]:
    """By kind, name and whether the name is a prefix, in their order."""
    found: dict[tuple[ResourceKind, str, bool], list[RightTo]] = {}
    for right in sorted(rights):
        found.setdefault((right.kind, right.name, right.prefixed), []).append(right.operation)
    return found


def _topic(name: str, operation: RightTo) -> BrokerRight:
    """Who reads the topic of one tenant reads those of all, also of those that come later."""
    if name.startswith(TENANT_TOPICS):
        return BrokerRight(ResourceKind.TOPIC, TENANT_TOPICS, operation, prefixed=True)
    return BrokerRight(ResourceKind.TOPIC, name, operation)


def _group(name: str, operation: RightTo) -> BrokerRight:
    return BrokerRight(ResourceKind.GROUP, name, operation)
