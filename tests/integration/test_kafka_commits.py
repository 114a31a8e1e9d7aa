"""A commit that nobody waits for and that fails is said again, even if nothing more happens in its partition."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka import consumer as consumer_module
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings, make_client
from stream.broker.kafka.commit_metadata import CommitMetadata
from stream.broker.kafka.consumer import KafkaConsumer
from stream.broker.kafka.offsets import OffsetAdmin
from stream.clock import SystemClock
from tests.support.brokers import own_node

pytestmark = pytest.mark.kafka

TOO_LONG = "x" * 5000  # Kafka takes 4,096 bytes beside an offset


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    with own_node(tmp_path_factory.mktemp("kafka")) as servers:
        yield KafkaSettings(servers, commit_interval_s=0.2)


@pytest.fixture
def broker(settings: KafkaSettings) -> Iterator[KafkaBroker]:
    cluster = KafkaBroker(settings, SystemClock())
    yield cluster
    cluster.close()


class GroupClient:
    """A group's client that notes who commits and waits. `refuse`: the next commit that nobody waits for is one that
    the broker refuses.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.threads: list[str] = []
        self.refuse = False
        self.refused = 0

    def commit(self, offsets: Sequence[TopicPartition], *, asynchronous: bool) -> None:
        if asynchronous and self.refuse:
            self.refuse = False
            self.refused += 1
            offsets = [TopicPartition(each.topic, each.partition, each.offset, TOO_LONG) for each in offsets]
        self._client.commit(offsets=offsets, asynchronous=asynchronous)
        if not asynchronous:
            self.threads.append(threading.current_thread().name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[GroupClient]:
    """Those of the members that are made from now on."""
    found: list[GroupClient] = []

    def noted(kind: Any, settings: KafkaSettings, **options: object) -> GroupClient:
        found.append(GroupClient(make_client(kind, settings, **options)))
        return found[-1]

    monkeypatch.setattr(consumer_module, "make_client", noted)
    return found


def with_a_record(broker: KafkaBroker, topic: str, group: str) -> KafkaConsumer:
    """A member of the group of a new topic, in which one record lies."""
    broker.ensure([TopicSpec(topic, partitions=1)])
    consumer = broker.consumer([topic], group)
    producer = broker.producer()
    producer.send(topic, b"k", b"v", {})
    producer.flush(10)
    producer.close()
    return consumer


def first_record(consumer: KafkaConsumer, client: GroupClient) -> Record:
    """Once the member's first commit is through, which is waited for."""
    found: list[Record] = []

    def begun() -> bool:
        found.extend(consumer.poll(1, 0.1))
        return bool(found and client.threads)

    wait_for(begun, "a record came and its partition is committed", every_s=0.0)
    return found[0]


def test_a_refused_commit_is_repeated(broker: KafkaBroker, clients: list[GroupClient]) -> None:
    consumer = with_a_record(broker, "work", "stage")
    (client,) = clients
    record = first_record(consumer, client)
    client.refuse = True
    consumer.ack([record])
    left = [broker.backlog("work", "stage").records]
    while left[-1] and len(left) < 100:
        consumer.poll(1, 0.1)
        left.append(broker.backlog("work", "stage").records)
    consumer.close()
    assert client.refused == 1
    assert left[0] == 1
    assert left[-1] == 0


def test_a_record_is_accused_by_the_thread_that_serves_rebalances(
    broker: KafkaBroker, settings: KafkaSettings, clients: list[GroupClient]
) -> None:
    consumer = with_a_record(broker, "suspected", "judge")
    (client,) = clients
    record = first_record(consumer, client)
    client.threads.clear()
    consumer.try_alone(record)
    assert client.threads == ["kafka-judge"]
    asked = OffsetAdmin(settings)
    (held,) = asked.committed("judge", [TopicPartition("suspected", 0)])
    asked.close()
    assert CommitMetadata.from_text(held.metadata).trial == record.offset
    consumer.close()
