"""Topics as a cluster has them now: the partitions, and the id that tells apart two topics of the same name."""

from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from stream.broker.kafka.client import CALL_TIMEOUT_S

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Sixteen zero bytes: the answer of a cluster that knows no topic ids."""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """`topic_id` belongs to this very topic; a topic created later under the same name has another id. Empty where the
    cluster reports none.
    """

    topic_id: str
    partitions: tuple[int, ...]


def described(
    client: AdminClient, topics: Collection[str], timeout_s: float = CALL_TIMEOUT_S
) -> dict[str, TopicDescription]:
    """By the name on the cluster, without topics that do not exist. Raises `KafkaException`, `TimeoutError`."""
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
