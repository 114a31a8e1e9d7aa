"""Reading a topic from a place of one's own, without a group: what is missed is missed."""

from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from stream.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_bytes
from stream.records import Record


class KafkaFollower:
    """Made by `KafkaBroker.follow`. Never joins a group, never commits; errors of the broker are silence."""

    def __init__(self, settings: KafkaSettings, places: Sequence[TopicPartition], *, behind: int) -> None:
        self.behind = behind
        self._consumer = Consumer(
            settings.common()
            | {
                "group.id": "rushes-follower",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # what a janitor deleted is old news
                "fetch.message.max.bytes": MAX_RECORD_BYTES,
                "queued.max.messages.kbytes": 8 * 1024,
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 100,
            }
        )
        self._consumer.assign(list(places))

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        found: list[Record] = []
        for message in self._consumer.consume(max_records, timeout_s):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if message.error() is not None or topic is None or partition is None or offset is None:
                continue
            headers = {pair[0]: as_bytes(pair[1]) for pair in message.headers() or []}
            found.append(
                Record(
                    topic,
                    partition,
                    offset,
                    as_bytes(message.key()),
                    as_bytes(message.value()),
                    headers,
                    message.timestamp()[1],
                )
            )
        self.behind = max(0, self.behind - len(found))
        return found

    def close(self) -> None:
        self._consumer.close()
