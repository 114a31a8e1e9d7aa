"""Reads a topic outside its groups: for those who follow it, never for work."""

import logging
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, Message, TopicPartition

from stream.broker.contract import Record
from stream.broker.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_stage_error, record_of, standalone_consumer
from stream.broker.kafka.described import TopicDescription

_log = logging.getLogger(__name__)


class KafkaTail:
    """Records from `starts` on; nothing is committed. Used from one thread. With `quiet` it raises no errors of the
    broker, for records that may be missed.

    `now` returns the topic's latest description. Added partitions, and a topic that was created again, are read from
    their beginning. Records that retention deletes before they are read are skipped.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        starts: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        now: Callable[[], TopicDescription],
        *,
        quiet: bool = False,
    ) -> None:
        self._name = next(each.topic for each in starts)
        self._next = {each.partition: at for each, at in starts.items()}
        self._ends = {each.partition: end for each, end in ends.items()}
        self._now = now
        self._topic_id = now().topic_id
        self._quiet = quiet
        self._settings = settings
        self._consumer = standalone_consumer(
            settings,
            "rushes-tail",
            **{
                "fetch.message.max.bytes": MAX_RECORD_BYTES,
                "queued.max.messages.kbytes": 8 * 1024,
                # A record ends the wait at once. Only a partition that is added waits for it.
                "fetch.wait.max.ms": 250,
                "fetch.error.backoff.ms": 100,
                "enable.partition.eof": True,
            },
        )
        self._assign(self._next)

    @property
    def behind(self) -> int:
        """How many of the records that existed when reading began have not been read yet."""
        return sum(max(0, end - self._next[partition]) for partition, end in self._ends.items())

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        """Up to `max_records`, as soon as there is one. Raises `Fatal` or `Unavailable` for errors that do not pass,
        unless it is quiet.
        """
        self._keep_up()
        messages = self._consumer.consume(1, timeout_s)
        if messages and max_records > 1:
            messages += self._consumer.consume(max_records - 1, 0.0)
        records = []
        for message in messages:
            error, partition = message.error(), message.partition() or 0
            if error is None:
                record = record_of(message, self._settings)
                self._next[partition] = record.offset + 1
                records.append(record)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
                # Offsets behind the last record may never be delivered: transaction markers, holes of compaction.
                self._next[partition] = max(self._next.get(partition, 0), message.offset() or 0)
            elif not self._quiet:
                self._complain(message, error)
        return records

    def close(self) -> None:
        self._consumer.close()

    def _keep_up(self) -> None:
        now = self._now()
        if now.topic_id != self._topic_id:
            _log.warning("topic %s was deleted and created again: following it from its beginning", self._name)
            self._consumer.unassign()
            self._topic_id, self._next, self._ends = now.topic_id, {}, {}
        if added := {number: 0 for number in now.partitions if number not in self._next}:
            self._next |= added
            self._assign(added)

    def _assign(self, offsets: Mapping[int, int]) -> None:
        self._consumer.incremental_assign([TopicPartition(self._name, each, at) for each, at in offsets.items()])

    def _complain(self, message: Message, error: KafkaError) -> None:
        """Nodes learn of an added partition or a recreated topic at different times, so these errors pass."""
        if error.code() not in _PASSING and (error.fatal() or not error.retriable()):
            raise as_stage_error(error, f"following {message.topic()}")


_PASSING = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - librdkafka's name for its own code
        KafkaError.UNKNOWN_TOPIC_ID,
    }
)
