"""A producer that can send no more, as it lost its place among its own records, ends its process with words."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from stream.broker.kafka.client import KafkaSettings, as_stage_error
from stream.broker.kafka.producer import POLL_BYTES, KafkaProducer, RecordSizes
from stream.errors import Fatal, Unavailable
from tests.support.librdkafka import break_for_good

NOBODY = "127.0.0.1:1"


@pytest.fixture
def producer() -> Iterator[KafkaProducer]:
    made = KafkaProducer(KafkaSettings(NOBODY), limits={}, sizes=RecordSizes())
    yield made
    made.close()


class BreaksBehind:
    """librdkafka's producer, which breaks as soon as it has taken a record."""

    def __init__(self, real: Producer) -> None:
        self.real = real

    def produce(self, *fields: Any, **more: Any) -> None:
        self.real.produce(*fields, **more)
        break_for_good(self.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_waiting_helps_no_broken_producer() -> None:
    code = KafkaError._FATAL
    assert isinstance(as_stage_error(KafkaError(code), "sending"), Fatal)


def test_whoever_sends_or_flushes_through_a_broken_producer_ends(producer: KafkaProducer) -> None:
    sent = producer.send("topic", b"k", b"v", {})
    break_for_good(producer._producer)
    with pytest.raises(Fatal) as refused:
        producer.send("topic", b"k", b"v", {})
    assert refused.value.code == "broker_refused"
    with pytest.raises(Fatal, match="out of order"):  # said once, by whatever serves the producer next
        producer.flush(0.1)
    assert not sent.done()
    with pytest.raises(Fatal):
        producer.send("topic", b"k", b"v", {})


def test_a_producer_that_breaks_behind_a_record_blames_none(producer: KafkaProducer) -> None:
    real = producer._producer
    producer._producer = BreaksBehind(real)  # type: ignore[assignment]
    with pytest.raises(Fatal, match="out of order"):
        producer.send("topic", b"k", b"v" * POLL_BYTES, {})


def test_a_broken_producer_is_closed_without_a_word() -> None:
    producer = KafkaProducer(KafkaSettings(NOBODY), limits={}, sizes=RecordSizes())
    producer.send("topic", b"k", b"v", {})
    break_for_good(producer._producer)
    producer.close()


def test_one_that_only_waits_for_its_broker_goes_on(producer: KafkaProducer) -> None:
    producer.send("topic", b"k", b"v", {})
    with pytest.raises(Unavailable, match="1 records are not durable"):
        producer.flush(0.1)
    producer.send("topic", b"k", b"v" * POLL_BYTES, {})
