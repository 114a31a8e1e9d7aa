"""Reading a topic beside its groups: for people who follow, never for work."""

from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from stream.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_bytes, as_stage_error
from stream.records import Record


class KafkaTail:
    """Records from `starts` on; nothing is committed. Made by `KafkaBroker.tail`; used from one thread.

    Records that retention deletes before they are read are passed over.
    """

    def __init__(
        self, settings: KafkaSettings, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> None:
        self._left = {each.partition: end for each, end in ends.items() if end > starts[each]}
        self._consumer = Consumer(
            settings.common()
            | {
                "group.id": "rushes-tail",  # never joined, never committed
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
                "fetch.message.max.bytes": MAX_RECORD_BYTES,
                "fetch.wait.max.ms": 100,
            }
        )
        self._consumer.assign([TopicPartition(each.topic, each.partition, at) for each, at in starts.items()])

    @property
    def caught_up(self) -> bool:
        """Whether all that was there when the reading began has been read."""
        return not self._left

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        """Up to `max_records`, as soon as there is one. Raises `Fatal` or `Unavailable` for what will not pass."""
        messages = self._consumer.consume(1, timeout_s)
        if messages and max_records > 1:
            messages += self._consumer.consume(max_records - 1, 0.0)
        records = []
        for message in messages:
            error = message.error()
            if error is not None:
                if error.fatal() or not error.retriable():
                    raise as_stage_error(error, "following")
                continue
            record = Record(
                topic=message.topic() or "",
                partition=message.partition() or 0,
                offset=message.offset() or 0,
                key=as_bytes(message.key()),
                value=as_bytes(message.value()),
                headers={pair[0]: as_bytes(pair[1]) for pair in message.headers() or []},
                append_time_ms=message.timestamp()[1],
            )
            records.append(record)
            if record.offset + 1 >= self._left.get(record.partition, 0):
                self._left.pop(record.partition, None)
        return records

    def close(self) -> None:
        self._consumer.close()
