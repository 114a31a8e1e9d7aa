"""Topics as a cluster has them now: how many partitions, and which topic it is that bears the name."""

from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from stream.broker.kafka.client import CALL_TIMEOUT_S

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Sixteen zero bytes: what a cluster answers that knows no topic ids."""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """`topic_id` belongs to this very topic: one that is made later under the same name has another. Empty where the
    cluster tells none.
    """

    topic_id: str
    partitions: tuple[int, ...]


def described(
    client: AdminClient, topics: Collection[str], timeout_s: float = CALL_TIMEOUT_S
) -> dict[str, TopicDescription]:
    """By the name on the cluster; a topic that does not exist is left out. Raises `KafkaException`, `TimeoutError`."""
    found: dict[str, TopicDescription] = {}
    for name, future in client.describe_topics(TopicCollection(list(topics))).items():
        try:
            there = future.result(timeout_s)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
        else:
            topic_id = str(there.topic_id)
            numbers = tuple(sorted(partition.id for partition in there.partitions))
            found[name] = TopicDescription("" if topic_id == _NO_ID else topic_id, numbers)
    return found
