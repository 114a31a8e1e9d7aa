"""What a real broker keeps: everything that a declared group still needs, and little more."""

from collections.abc import Iterator

import pytest

from stream.clock import SystemClock
from stream.events.asset import AssetDeleted
from stream.janitor import Janitor
from stream.kafka.broker import KafkaBroker
from stream.kafka.client import KafkaSettings
from stream.records import Consumer, TopicSpec
from stream.topics import WEEK_MS, Topic
from tests.brokers import kafka_servers

WAIT_S = 60.0
RECORDS = 400


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    cluster = KafkaBroker(KafkaSettings(kafka_servers(), commit_interval_s=0.2), SystemClock())
    yield cluster
    cluster.close()


def kept(broker: KafkaBroker, topic: str) -> int:
    """Records on the broker: what a group that has no place could read."""
    return broker.backlog(topic, "nobody").records


def fill(broker: KafkaBroker, topic: str, count: int) -> None:
    producer = broker.producer()
    for number in range(count):
        producer.send(topic, b"%d" % number, b"v", {})
    producer.flush(WAIT_S)
    producer.close()


def acknowledge(consumer: Consumer, count: int) -> None:
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while count > 0:
        assert clock.monotonic_s() < deadline_s
        records = consumer.poll(count, 0.2)
        consumer.ack(records)
        count -= len(records)


def test_a_stopped_group_loses_nothing_and_the_topic_shrinks_when_it_has_acknowledged(broker: KafkaBroker) -> None:
    topic = Topic("kept-frames", (AssetDeleted,))
    groups = {topic.name: ("kept-quick", "kept-stopped")}
    broker.ensure([TopicSpec(topic.name, 2)])
    for group in groups[topic.name]:
        broker.declare(topic.name, group)
    janitor = Janitor(broker, [topic], groups)
    fill(broker, topic.name, RECORDS)
    quick = broker.consumer([topic.name], "kept-quick")
    acknowledge(quick, RECORDS)
    quick.close()
    assert janitor.step() == 0, "one group has read nothing"
    assert kept(broker, topic.name) == broker.backlog(topic.name, "kept-stopped").records == RECORDS

    late = broker.consumer([topic.name], "kept-stopped")
    acknowledge(late, RECORDS // 2)
    late.close()
    assert janitor.step() == RECORDS // 2
    assert kept(broker, topic.name) == broker.backlog(topic.name, "kept-stopped").records == RECORDS // 2

    last = broker.consumer([topic.name], "kept-stopped")
    acknowledge(last, RECORDS // 2)
    last.close()
    janitor.step()
    assert kept(broker, topic.name) == 0


def test_a_group_without_a_place_and_an_age_keep_records(broker: KafkaBroker) -> None:
    topic = Topic("kept-assets", (AssetDeleted,), kept_ms=WEEK_MS)
    broker.ensure([TopicSpec(topic.name, 1)])
    broker.declare(topic.name, "kept-only")
    fill(broker, topic.name, 100)
    only = broker.consumer([topic.name], "kept-only")
    acknowledge(only, 100)
    only.close()
    assert broker.trim(topic.name, ["kept-only"], kept_ms=topic.kept_ms) == 0, "a week is not over"
    assert broker.trim(topic.name, ["kept-only", "kept-never-seen"]) == 0
    assert broker.trim(topic.name, []) == 0, "no group, no acknowledgement"
    assert kept(broker, topic.name) == 100
    assert broker.trim(topic.name, ["kept-only"]) == 100


def test_what_is_trimmed_while_the_backlog_is_asked_for_is_none(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, group = "kept-raced", "kept-racer"
    broker.ensure([TopicSpec(topic, 1)])
    broker.declare(topic, group)
    fill(broker, topic, 5)
    before = broker._left(topic, group)
    consumer = broker.consumer([topic], group)
    acknowledge(consumer, 5)
    consumer.close()
    broker.trim(topic, [group])
    monkeypatch.setattr(broker, "_left", lambda _topic, _group: before)
    assert broker.backlog(topic, group).records == 0
