"""A compacted topic as a table: the latest value of each key, read once from start to end, outside any group."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from stream.broker.kafka.client import (
    CALL_TIMEOUT_S,
    PATIENCE_S,
    SETTLING,
    KafkaSettings,
    as_bytes,
    as_stage_error,
    standalone_consumer,
)
from stream.clock import Clock
from stream.errors import Unavailable

_SILENCE_S = 30.0


def latest_values(settings: KafkaSettings, topic: str, clock: Clock) -> dict[bytes, bytes]:
    """Empty where the topic does not exist. Raises `Unavailable` when the cluster does not answer."""
    deadline_s = clock.monotonic_s() + PATIENCE_S
    reader = standalone_consumer(settings, "rushes-snapshot")
    try:
        settings.await_contact(reader, clock)
        while True:
            try:
                return _read(reader, settings.names.of(topic), clock)
            except KafkaException as failure:
                error = failure.args[0]
                if error.code() not in SETTLING or clock.monotonic_s() > deadline_s:
                    raise as_stage_error(error, f"reading {topic}") from None
            clock.sleep(0.1)
    finally:
        reader.close()


def _read(reader: Consumer, topic: str, clock: Clock) -> dict[bytes, bytes]:
    known = reader.list_topics(timeout=CALL_TIMEOUT_S).topics.get(topic)
    places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in (known.partitions if known else ())]
    ends: dict[int, int] = {}
    for place in places:
        low, high = reader.get_watermark_offsets(place, timeout=CALL_TIMEOUT_S)
        if high > low:
            ends[place.partition] = high
    found: dict[bytes, bytes] = {}
    reader.assign([place for place in places if place.partition in ends])
    received_s = clock.monotonic_s()
    while ends:
        for message in reader.consume(1000, timeout=0.2):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            received_s = clock.monotonic_s()
            key, value = as_bytes(message.key()), message.value()
            if value is None:  # a tombstone
                found.pop(key, None)
            else:
                found[key] = as_bytes(value)
        # The position counts, not the last record: compaction leaves holes before the end.
        for place in reader.position([TopicPartition(topic, partition) for partition in ends]):
            if place.offset >= ends[place.partition]:
                del ends[place.partition]
        if clock.monotonic_s() - received_s > _SILENCE_S:
            raise Unavailable(f"reading {topic}: no records arrived for {_SILENCE_S:.0f} s", code="broker_unavailable")
    return found
