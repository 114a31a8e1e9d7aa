"""What a member reads with, on a real Kafka, while partitions come and go and what was acknowledged is deleted."""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message

from benchmarks.testbed.cluster_changes import set_offset
from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.reader import Reader
from stream.clock import SystemClock
from tests.support.brokers import kafka_servers, shared_cluster

pytestmark = pytest.mark.kafka

WAIT_S = 60.0
QUIET_READS = 10


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    with shared_cluster() as cluster:
        yield cluster


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader(KafkaSettings(kafka_servers()), "read-group")
    yield made
    made.close()


def fill(broker: KafkaBroker, topic: str, count: int) -> None:
    producer = broker.producer()
    for _ in range(count):
        producer.send(topic, b"k", b"v", {})
    producer.flush(WAIT_S)
    producer.close()


def ends(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's name


def seen(reader: Reader, count: int) -> list[tuple[str, int]]:
    """Topic and offset of the next `count` records, and of those that follow at once. Fails for an error."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    found: list[tuple[str, int]] = []
    quiet = 0
    while len(found) < count or quiet < QUIET_READS:
        assert clock.monotonic_s() < deadline_s
        messages = [message for message in reader.read(100, 0.1) if not ends(message)]
        assert [str(error) for message in messages if (error := message.error()) is not None] == []
        found += [(message.topic() or "", message.offset() or 0) for message in messages]
        quiet = 0 if messages else quiet + 1
    return found


def test_a_partition_that_is_set_aside_again_and_again_goes_on_where_it_was(
    broker: KafkaBroker, reader: Reader
) -> None:
    broker.ensure(TopicSpec(f"read-{name}") for name in "abc")
    for name in "abc":
        fill(broker, f"read-{name}", 5)
    broker.declare("read-a", "read-all")
    reader.begin({("read-a", 0): (1, 0)})
    assert seen(reader, 5) == [("read-a", offset) for offset in range(5)]
    set_offset(KafkaSettings(kafka_servers()), "read-all", "read-a", 5)
    assert broker.trim("read-a", ["read-all"]) == 5
    reader.begin({("read-b", 0): (2, 0)})
    assert seen(reader, 5) == [("read-b", offset) for offset in range(5)]
    reader.begin({("read-c", 0): (3, 0)})
    assert seen(reader, 5) == [("read-c", offset) for offset in range(5)]
    fill(broker, "read-a", 1)
    assert seen(reader, 1) == [("read-a", 5)]
