"""What the processes of a topology need to do on a broker with an authorizer, and nothing more (pure)."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

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
    DESCRIBE = "describe"
    DESCRIBE_CONFIGS = "describe_configs"


@dataclass(frozen=True, slots=True, order=True)
class BrokerRight:
    """`name`: of the topic or group, without the deployment's prefix."""

    kind: ResourceKind
    name: str
    operation: RightTo


def rights_of(topology: Topology, stages: Collection[str]) -> tuple[BrokerRight, ...]:
    """Of one process that runs these stages, where topics and the places of groups were made by somebody else. Raises
    `KeyError` for a name that is no stage.
    """
    run = [topology.stage(name) for name in stages]
    # Every process compares the topics with what they should be, and asks where each group is before it trims.
    found = {_topic(topic.name, to) for topic in topology.topics for to in (RightTo.DESCRIBE, RightTo.DESCRIBE_CONFIGS)}
    found |= {_group(stage.name, RightTo.DESCRIBE) for stage in topology.stages}
    for stage in run:
        found.add(_group(stage.name, RightTo.READ))
        # Workers remove what all groups have read (ADR 0017).
        found |= {_topic(name, to) for name in stage.sources for to in (RightTo.READ, RightTo.DELETE)}
        found |= {_topic(name, RightTo.WRITE) for name in (*stage.targets, DEAD_LETTERS.name)}
        # How old the backlog there is, is read from its first record.
        found |= {_topic(name, RightTo.READ) for name in stage.throttled_by}
    return tuple(sorted(found))


def rights_to_write(topic: str) -> tuple[BrokerRight, ...]:
    """Of a producer outside of the topology."""
    return _topic(topic, RightTo.DESCRIBE), _topic(topic, RightTo.WRITE)


def rights_by_resource(rights: Collection[BrokerRight]) -> dict[tuple[ResourceKind, str], list[RightTo]]:
    """In the order of their names."""
    found: dict[tuple[ResourceKind, str], list[RightTo]] = {}
    for right in sorted(rights):
        found.setdefault((right.kind, right.name), []).append(right.operation)
    return found


def _topic(name: str, operation: RightTo) -> BrokerRight:
    return BrokerRight(ResourceKind.TOPIC, name, operation)


def _group(name: str, operation: RightTo) -> BrokerRight:
    return BrokerRight(ResourceKind.GROUP, name, operation)
