"""Reading a topic beside its groups: for those who follow, never for work."""

from collections.abc import Mapping

from confluent_kafka import TopicPartition

from stream.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_stage_error, outsider, record_of
from stream.records import Record


class KafkaTail:
    """Records from `starts` on; nothing is committed. Used from one thread. A `quiet` one says nothing of errors, for
    news that may be missed.

    Records that retention deletes before they are read are passed over.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        starts: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        *,
        quiet: bool = False,
    ) -> None:
        self._next = {each.partition: at for each, at in starts.items()}
        self._ends = {each.partition: end for each, end in ends.items()}
        self._quiet = quiet
        self._settings = settings
        self._consumer = outsider(
            settings,
            "rushes-tail",
            **{
                "fetch.message.max.bytes": MAX_RECORD_BYTES,
                "queued.max.messages.kbytes": 8 * 1024,
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 100,
            },
        )
        self._consumer.assign([TopicPartition(each.topic, each.partition, at) for each, at in starts.items()])

    @property
    def behind(self) -> int:
        """How much of what was there when the reading began has not been read."""
        return sum(max(0, end - self._next[partition]) for partition, end in self._ends.items())

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        """Up to `max_records`, as soon as there is one. Raises `Fatal` or `Unavailable` for what will not pass, unless
        it is quiet.
        """
        messages = self._consumer.consume(1, timeout_s)
        if messages and max_records > 1:
            messages += self._consumer.consume(max_records - 1, 0.0)
        records = []
        for message in messages:
            if (error := message.error()) is not None:
                if not self._quiet and (error.fatal() or not error.retriable()):
                    raise as_stage_error(error, "following")
                continue
            record = record_of(message, self._settings)
            self._next[record.partition] = record.offset + 1
            records.append(record)
        return records

    def close(self) -> None:
        self._consumer.close()
