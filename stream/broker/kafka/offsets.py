"""The committed offsets of consumer groups, read and set from outside the groups.

It uses consumers that never join. The admin client's answer to the same question crashes the process when a coordinator
has moved (librdkafka issue 5040: a null consumer group in `rd_kafka_handle_OffsetFetch`).
"""

import threading
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.broker.kafka.client import CALL_TIMEOUT_S, KafkaSettings, standalone_consumer
from stream.broker.names import Names


class OffsetAdmin:
    """Thread-safe. Keeps one idle client for each group it was asked about, until `close`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, Consumer] = {}

    def committed(self, group: str, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Offsets and metadata as committed; a negative offset where nothing is. Raises `KafkaException`."""
        return self._client(group).committed(
            [TopicPartition(each.topic, each.partition) for each in partitions], timeout=CALL_TIMEOUT_S
        )

    def commit(self, group: str, places: Sequence[TopicPartition]) -> None:
        """Raises `KafkaException`: `UNKNOWN_MEMBER_ID` where the group has members, which commit for themselves."""
        self._client(group).commit(offsets=list(places), asynchronous=False)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _client(self, group: str) -> Consumer:
        with self._lock:
            if group not in self._clients:
                self._clients[group] = standalone_consumer(self._settings, group)
            return self._clients[group]


MEMBERS_TIMEOUT_S = 5.0
"""A client from before an outage never answers this question again (ADR 0033), so the wait is short."""


def member_counts(admin: AdminClient, groups: Sequence[str], names: Names) -> dict[str, int]:
    """The number of consumers in each group; 0 for an unknown one. Raises `KafkaException`, `TimeoutError`."""
    found: dict[str, int] = {}
    asked = {names.of(group): group for group in groups}
    for name, future in admin.describe_consumer_groups(list(asked)).items():
        group = asked[name]
        try:
            found[group] = len(future.result(MEMBERS_TIMEOUT_S).members)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
            found[group] = 0
    return found
