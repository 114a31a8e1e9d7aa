"""A commit that nobody waits for and that fails is said again, even if nothing more happens in its partition."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.commit_metadata import CommitMetadata
from stream.broker.kafka.consumer import KafkaConsumer
from stream.clock import SystemClock
from tests.support.brokers import own_node

TOO_LONG = "x" * 5000  # Kafka takes 4,096 bytes beside an offset


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with own_node(tmp_path_factory.mktemp("kafka")) as servers:
        cluster = KafkaBroker(KafkaSettings(servers, commit_interval_s=0.2), SystemClock())
        yield cluster
        cluster.close()


class RefusedOnce:
    """The group's client, but that the first commit that is not waited for is one that the broker refuses."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.refused = 0

    def commit(self, offsets: Sequence[TopicPartition], *, asynchronous: bool) -> None:
        if asynchronous and not self.refused:
            self.refused += 1
            offsets = [TopicPartition(each.topic, each.partition, each.offset, TOO_LONG) for each in offsets]
        self._client.commit(offsets=offsets, asynchronous=asynchronous)


def test_a_refused_commit_is_repeated(broker: KafkaBroker) -> None:
    broker.ensure([TopicSpec("work", partitions=1)])
    consumer = broker.consumer(["work"], "stage")
    assert isinstance(consumer, KafkaConsumer)
    producer = broker.producer()
    producer.send("work", b"k", b"v", {})
    producer.flush(10)
    (record,) = next(records for _ in range(300) if (records := consumer.poll(1, 0.1)))
    while consumer._commits._held["work", 0].committed is None:  # the first commit is waited for, so none to refuse
        consumer.poll(1, 0.1)
    client = consumer._commits._consumer = RefusedOnce(consumer._commits._consumer)  # type: ignore[assignment]
    consumer.ack([record])
    left = [broker.backlog("work", "stage").records]
    while left[-1] and len(left) < 100:
        consumer.poll(1, 0.1)
        left.append(broker.backlog("work", "stage").records)
    consumer.close()
    producer.close()
    assert client.refused == 1
    assert left[0] == 1
    assert left[-1] == 0


class Overheard:
    """The group's client, and which threads commit and wait."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.threads: list[str] = []

    def commit(self, offsets: Sequence[TopicPartition], *, asynchronous: bool) -> None:
        if not asynchronous:
            self.threads.append(threading.current_thread().name)
        self._client.commit(offsets=offsets, asynchronous=asynchronous)


def test_a_record_is_accused_by_the_thread_that_serves_rebalances(broker: KafkaBroker) -> None:
    broker.ensure([TopicSpec("suspected", partitions=1)])
    consumer = broker.consumer(["suspected"], "judge")
    assert isinstance(consumer, KafkaConsumer)
    producer = broker.producer()
    producer.send("suspected", b"k", b"v", {})
    producer.flush(10)
    (record,) = next(records for _ in range(300) if (records := consumer.poll(1, 0.1)))
    while consumer._commits._held["suspected", 0].committed is None:
        consumer.poll(1, 0.1)
    client = Overheard(consumer._commits._consumer)
    consumer._commits._consumer = client  # type: ignore[assignment]
    consumer.try_alone(record)
    assert client.threads == ["kafka-judge"]
    (held,) = broker._groups.committed("judge", [TopicPartition("suspected", 0)])
    assert CommitMetadata.from_text(held.metadata).trial == record.offset
    consumer.close()
    producer.close()
