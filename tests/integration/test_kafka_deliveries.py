"""What a producer tells of a record's fate, on a real Kafka: durable, refused, or not known."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.producer import KafkaProducer, RecordSizes
from stream.errors import Unavailable
from tests.support.brokers import kafka_servers, shared_cluster

pytestmark = pytest.mark.kafka

WAIT_S = 30.0
NOBODY = "127.0.0.1:1"


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    with shared_cluster() as cluster:
        yield cluster


@pytest.fixture
def topic(broker: KafkaBroker) -> str:
    return _topic(broker)


def _topic(broker: KafkaBroker) -> str:
    """It takes no record of over 2,000 bytes."""
    name = f"small-{uuid4().hex[:8]}"
    broker.ensure([TopicSpec(name, partitions=1, max_message_bytes=2000)])
    return name


def test_a_record_is_durable_once_a_flush_that_began_later_is_over(broker: KafkaBroker, topic: str) -> None:
    producer = broker.producer()
    first = producer.send(topic, b"k", b"v", {})
    assert not first.done()
    producer.flush(WAIT_S)
    second = producer.send(topic, b"k", b"v", {})
    assert first.done()
    assert first.error() is None
    assert not second.done()
    producer.flush(WAIT_S)
    assert second.done()
    producer.close()


def test_a_record_that_the_broker_refuses_is_told_and_no_other_is_blamed(broker: KafkaBroker, topic: str) -> None:
    beside = _topic(broker)  # another batch of the same flush
    producer = KafkaProducer(KafkaSettings(kafka_servers()), limits={}, sizes=RecordSizes())  # knows of no limit
    good = producer.send(beside, b"k", b"v", {})
    refused = producer.send(topic, b"k", b"v" * 100_000, {})
    producer.flush(WAIT_S)
    assert refused.done()
    assert "too large" in (refused.error() or "")
    assert (good.done(), good.error()) == (True, None)
    assert [broker.backlog(each, "nobody").records for each in (beside, topic)] == [1, 0]
    producer.close()


def test_what_no_broker_took_is_not_done() -> None:
    producer = KafkaProducer(KafkaSettings(NOBODY), limits={}, sizes=RecordSizes())
    sent = [producer.send("any", b"k", b"v", {}) for _ in range(2)]
    for _ in range(2):
        with pytest.raises(Unavailable, match="2 records are not durable"):
            producer.flush(0.2)
        assert not any(each.done() for each in sent)
    producer.close()


def test_a_place_is_told_to_whoever_asks(broker: KafkaBroker, topic: str) -> None:
    asking, other = broker.producer(places=True), broker.producer()
    sent = []
    for producer in (asking, other, asking):
        sent.append(producer.send(topic, b"k", b"v", {}))
        producer.flush(WAIT_S)
    places = [each.place for each in sent]
    assert places[1] is None
    assert [place and place[1] for place in places] == [0, None, 2]
    asking.close()
    other.close()
