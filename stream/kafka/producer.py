"""Sending to Kafka: idempotent, acknowledged by all replicas, bounded in memory, never silent."""

import threading
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.errors import BadEvent, Unavailable
from stream.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_stage_error, made
from stream.records import record_size

FULL_QUEUE_WAIT_S = 1.0


class KafkaDelivery:
    """The fate of one record; written by librdkafka's callback during `flush` or a later `send`. `offset` and
    `append_ms` (the broker's time) say where it lies once it is durable.
    """

    __slots__ = ("_error", "_settled", "append_ms", "offset")

    def __init__(self) -> None:
        self.offset = self.append_ms = -1
        self._settled = False
        self._error: str | None = None

    def done(self) -> bool:
        return self._settled

    def error(self) -> str | None:
        return self._error

    def settle(self, error: KafkaError | None, message: Message) -> None:
        self._error = None if error is None else error.str()
        if error is None:
            self.offset, self.append_ms = message.offset() or 0, message.timestamp()[1]
        self._settled = True


class KafkaProducer:
    """Thread-safe. `limits`: topic to the largest record it takes (key, value and headers), as `ensure` declared."""

    def __init__(self, settings: KafkaSettings, limits: Mapping[str, int], sizes: "RecordSizes") -> None:
        self._limits = limits
        self._sizes = sizes
        self._closed = threading.Event()
        self._refusals = settings.refusals
        self._producer = made(
            Producer,
            settings,
            **{
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                "message.max.bytes": MAX_RECORD_BYTES,
                "queue.buffering.max.kbytes": 128 * 1024,
                "delivery.timeout.ms": 120_000,
                # One record must not be spread over the partitions at random when its key is empty.
                "partitioner": "murmur2",
            },
        )

    def send(self, topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> KafkaDelivery:
        size = record_size(key, value, headers)
        limit = self._limits.get(topic, MAX_RECORD_BYTES)
        if size > limit:
            raise BadEvent(
                f"a record of {size} bytes is over the {limit} bytes of topic {topic!r}", code="record_too_large"
            )
        delivery = KafkaDelivery()
        try:
            self._queue(topic, key, value, headers, delivery)
        except KafkaException as failure:
            raise as_stage_error(failure.args[0], f"sending to {topic}") from None
        self._sizes.seen(topic, size)
        self._producer.poll(0)
        return delivery

    def _queue(
        self, topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes], delivery: KafkaDelivery
    ) -> None:
        """A full queue gets a moment to drain, then the stage pauses."""
        for wait_s in (FULL_QUEUE_WAIT_S, 0.0):
            try:
                self._producer.produce(topic, value, key, headers=list(headers.items()), on_delivery=delivery.settle)
            except BufferError:
                self._producer.poll(wait_s)
            else:
                return
        raise Unavailable("the producer's queue is full: the broker is slow or away", code="broker_slow")

    def flush(self, timeout_s: float) -> None:
        if left := self._producer.flush(timeout_s):
            self._refusals.check()
            raise Unavailable(
                f"{left} records are not durable after {timeout_s:g} s: the broker is slow or away",
                code="broker_unavailable",
            )

    def close(self) -> None:
        """What is not flushed is given up: its sources are unacknowledged and come again."""
        if not self._closed.is_set():
            self._closed.set()
            self._producer.purge()
            self._producer.flush(0)
            self._producer.close()


class RecordSizes:
    """Mean size of the records this process sent to or read from each topic lately. Thread-safe."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def seen(self, topic: str, size: int) -> None:
        mean = self._means.get(topic)
        self._means[topic] = size if mean is None else mean + (size - mean) / 64

    def mean(self, topic: str) -> float | None:
        return self._means.get(topic)
