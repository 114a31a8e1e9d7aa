"""The places of consumer groups, asked for and set from outside of them.

Through consumers that never join: the admin client's answer to the same question takes the process down when a
coordinator has moved (librdkafka issue 5040: a null consumer group in `rd_kafka_handle_OffsetFetch`).
"""

import threading
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from stream.kafka.client import CALL_TIMEOUT_S, KafkaSettings


class GroupOffsets:
    """Thread-safe. One idle client for each group that was asked for, until `close`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, Consumer] = {}

    def committed(self, group: str, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """With offset and metadata as committed; a negative offset where nothing is. Raises `KafkaException`."""
        return self._client(group).committed(
            [TopicPartition(each.topic, each.partition) for each in partitions], timeout=CALL_TIMEOUT_S
        )

    def commit(self, group: str, places: Sequence[TopicPartition]) -> None:
        """Raises `KafkaException`: `UNKNOWN_MEMBER_ID` where the group has members, who commit for themselves."""
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
                self._clients[group] = Consumer(
                    self._settings.common()
                    | {"group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False}
                )
            return self._clients[group]
