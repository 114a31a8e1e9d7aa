"""Dead letters of a store, sent again to a real cluster: whole, counted, and marked part by part."""

import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sinks.dead_letters import DeadLetterFilter, DeadLetters, DeadLetterSink, DeadLetterState
from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import ManualClock, SystemClock
from stream.events.dead_letter import REPLAY_HEADER
from stream.sessions.background_cluster import BackgroundCluster
from stream.sessions.events_before import EventsBeforeIndex
from stream.sessions.replay import Feed, Replay
from stream.sessions.session import RawRecord
from stream.topology.tenants import Tenants
from tests.integration.test_sinks_dead_letters import LETTER
from tests.support.annotations import events
from tests.support.brokers import kafka_servers

pytestmark = pytest.mark.kafka


def by_command(broker: KafkaBroker, store: DeadLetters) -> None:
    producer = broker.producer()

    def send(records: Iterable[RawRecord]) -> None:
        for item in records:
            producer.send(item.topic, item.key, item.value, item.headers)
        producer.flush(30.0)

    feed = Feed(Replay.of(store, DeadLetterFilter(stage="decode")), send)
    while feed():
        pass
    producer.close()


def by_service(broker: KafkaBroker, store: DeadLetters) -> None:
    before = EventsBeforeIndex(KafkaSettings(kafka_servers()), Tenants(), SystemClock())
    with closing(BackgroundCluster(broker, store, Tenants(), before)) as background:
        background.replay(["id0", "id2", "id1", "gone"])


@pytest.mark.parametrize("replay", [by_command, by_service])
def test_a_replay_reaches_the_topic_whole_and_counted(
    tmp_path: Path, replay: Callable[[KafkaBroker, DeadLetters], None]
) -> None:
    topic = f"spans-{uuid.uuid4().hex}"
    sink = DeadLetterSink(tmp_path, ManualClock())
    sink.open()
    list(sink.process(events(*(replace(LETTER, letter_id=f"id{at}", topic=topic, offset=9 - at) for at in range(3)))))
    sink.close()
    dead_letters = DeadLetters(tmp_path)
    broker = KafkaBroker(KafkaSettings(kafka_servers()), SystemClock())
    broker.ensure([TopicSpec(topic)])
    replay(broker, dead_letters)
    reader = broker.consumer([topic], "test")
    found: list[Record] = []
    while len(found) < 3:
        found += reader.poll(10, 1.0)
    reader.close()
    broker.close()
    assert [record.value for record in found] == [LETTER.value] * 3
    assert [record.headers for record in found] == [
        {**LETTER.headers, REPLAY_HEADER: name} for name in (b"id2", b"id1", b"id0")
    ]
    assert {(item.state, item.replays) for item in dead_letters.listed(DeadLetterFilter(states=()))} == {
        (DeadLetterState.REPLAYED, 1)
    }
