"""Sending to Kafka: idempotent, acknowledged by all replicas, bounded in memory, never silent."""

import threading
from collections.abc import Mapping
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.broker.contract import record_size
from stream.broker.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_stage_error, make_client
from stream.errors import BadEvent, StageError, Unavailable

FULL_QUEUE_WAIT_S = 1.0
POLL_BYTES = 64 * 1024
"""librdkafka keeps the memory of sent records until it is polled."""


class _Flight:
    """All records sent between two flushes become durable together (ADR 0028)."""

    __slots__ = ("landed",)

    def __init__(self) -> None:
        self.landed = False


class KafkaDelivery:
    """The state of one sent record. It is durable once a `flush` that began after the send has returned, unless the
    broker refused it. `place` is its append time in ms (the broker's clock) and offset, if the producer was made with
    `places`.
    """

    __slots__ = ("_error", "flight", "place", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.place: tuple[int, int] | None = None
        self.flight: _Flight | None = None
        self._error: str | None = None

    def done(self) -> bool:
        return self._error is not None or (self.flight is not None and self.flight.landed)

    def error(self) -> str | None:
        return self._error

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """librdkafka's delivery report, made while some thread sends or flushes."""
        if error is None:
            self.place = message.timestamp()[1], message.offset() or 0
        else:
            self._error = error.str()


class KafkaProducer:
    """Thread-safe. `limits`: topic to the largest record it takes (key, value and headers), as `ensure` declared.
    Raises `Fatal` from every call once it has failed for good.

    With `places`, each delivery knows where its record lies. That costs a report and a copy for every record, instead
    of a report for refused records only.
    """

    def __init__(
        self, settings: KafkaSettings, limits: Mapping[str, int], sizes: "RecordSizes", *, places: bool = False
    ) -> None:
        self._limits = limits
        self._sizes = sizes
        self._names = settings.names
        self._closed = threading.Event()
        self._refusals = settings.refusals
        self._lock = threading.Lock()
        self._flights = [_Flight()]  # the last one is being filled; the others wait for a flush that succeeds
        self._unpolled_bytes = 0
        self._producer = make_client(
            Producer,
            settings,
            **{
                "enable.idempotence": True,
                "acks": "all",
                # Two milliseconds gather small records into one request; a worker sends many at once.
                "linger.ms": 2,
                # Above every topic's own limit, so that `limits` decides and the error names the topic.
                "message.max.bytes": MAX_RECORD_BYTES,
                "queue.buffering.max.kbytes": 128 * 1024,
                "delivery.timeout.ms": 120_000,
                "delivery.report.only.error": not places,
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
        delivery = KafkaDelivery(size)
        fields: list[tuple[str, str | bytes | None]] = list(headers.items())
        there = self._names.of(topic)
        try:
            try:
                self._producer.produce(there, value, key, headers=fields, on_delivery=delivery.on_delivery)
            except BufferError:
                self._queue_late(there, key, value, fields, delivery)
        except KafkaException as failure:
            raise as_stage_error(failure.args[0], f"sending to {topic}") from None
        delivery.flight = self._flights[-1]  # only now: a flush that began before may not have seen the record
        self._sizes.seen(topic, size)
        self._unpolled_bytes += size
        if self._unpolled_bytes >= POLL_BYTES:
            self._unpolled_bytes = 0
            self._poll(0)
        return delivery

    def _poll(self, timeout_s: float) -> None:
        """librdkafka reports only once, to the next caller, that a producer has failed for good."""
        try:
            self._producer.poll(timeout_s)
        except KafkaException as failure:
            raise as_stage_error(failure.args[0], "sending") from None

    def _queue_late(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        fields: list[tuple[str, str | bytes | None]],
        delivery: KafkaDelivery,
    ) -> None:
        """A full queue gets a moment to drain. After that the error makes the stage pause."""
        self._poll(FULL_QUEUE_WAIT_S)
        try:
            self._producer.produce(topic, value, key, headers=fields, on_delivery=delivery.on_delivery)
        except BufferError:
            raise Unavailable("the producer's queue is full: the broker is slow or away", code="broker_slow") from None

    def flush(self, timeout_s: float) -> None:
        # New records go into a new flight: this flush may return before it has seen them.
        with self._lock:
            flights, self._flights = self._flights, [_Flight()]
        if error := self._unflushed(timeout_s):
            with self._lock:
                # A failed flush proves nothing, so its flights wait for the next one.
                self._flights = flights + self._flights
            self._refusals.check()
            raise error
        for flight in flights:
            flight.landed = True

    def _unflushed(self, timeout_s: float) -> StageError | None:
        """The reason why not everything is durable; None if all is."""
        try:
            left = self._producer.flush(timeout_s)
        except KafkaException as failure:
            return as_stage_error(failure.args[0], "flushing")
        if not left:
            return None
        return Unavailable(
            f"{left} records are not durable after {timeout_s:g} s: the broker is slow or away",
            code="broker_unavailable",
        )

    def close(self) -> None:
        """Drops records that are not flushed: their sources are unacknowledged and are delivered again."""
        if not self._closed.is_set():
            self._closed.set()
            with suppress(KafkaException):  # a failed producer raises its one report here if nobody polled since
                self._producer.purge()
                self._producer.flush(0)
            self._producer.close()


class RecordSizes:
    """Mean size of the records that this process sent to or read from each topic lately. Thread-safe."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def seen(self, topic: str, size: int) -> None:
        mean = self._means.get(topic)
        # A moving average over about 64 records.
        self._means[topic] = size if mean is None else mean + (size - mean) / 64

    def mean(self, topic: str) -> float | None:
        return self._means.get(topic)
