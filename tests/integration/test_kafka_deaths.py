"""Workers on a real broker that die without a word: what they held is done again, and a record that kills is found."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.commit_metadata import CommitMetadata
from stream.broker.kafka.offsets import OffsetAdmin
from stream.clock import SystemClock
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import DEAD_LETTERS
from tests.support.brokers import own_node
from tests.support.programs import ROOT, program

pytestmark = pytest.mark.kafka

WAIT_S = 60.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[str]:
    with own_node(tmp_path / "kafka") as address:
        yield address


@pytest.fixture
def broker(servers: str) -> KafkaBroker:
    return KafkaBroker(KafkaSettings(servers), SystemClock())


def send(broker: KafkaBroker, topic: str, names: Sequence[str]) -> None:
    producer = broker.producer()
    for name in names:
        record = encode(Event(AssetDeleted(asset_id=name), "t", "p", name, 1))
        producer.send(topic, record.key, record.value, record.headers)
    producer.flush(WAIT_S)
    producer.close()


def prepare(broker: KafkaBroker, source: str, target: str, group: str) -> None:
    dead_letters = TopicSpec(DEAD_LETTERS.name, 1, DEAD_LETTERS.max_message_bytes)
    broker.ensure([TopicSpec(source, 1), TopicSpec(target, 1), dead_letters])
    broker.declare(source, group)


def read_until(broker: KafkaBroker, topic: str, group: str, count: int) -> list[Record]:
    consumer = broker.consumer([topic], group)
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    records: list[Record] = []
    while len(records) < count and clock.monotonic_s() < deadline_s:
        records += consumer.poll(count, 0.2)
    consumer.close()
    return records


def test_a_record_that_kills_its_worker_is_buried_and_its_neighbours_are_done(
    broker: KafkaBroker, servers: str, tmp_path: Path
) -> None:
    source, target, group = "deadly-in", "deadly-out", "deadly"
    prepare(broker, source, target, group)
    names = [f"good-{number}" for number in range(10)]
    send(broker, source, [*names[:5], "poison", *names[5:]])
    command = program("deadly_worker", servers, source, target, group, tmp_path / "journal")
    deaths = 0
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + 3 * WAIT_S
    while broker.backlog(source, group).records and clock.monotonic_s() < deadline_s:
        worker = subprocess.Popen(command, cwd=ROOT)
        try:
            while broker.backlog(source, group).records and clock.monotonic_s() < deadline_s:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(0.3)
                    break
        finally:
            deaths += worker.poll() == -9
            worker.terminate()
            worker.wait()
    assert deaths == 5  # two that might be accidents, three alone
    done = {json.loads(record.value)["asset_id"] for record in read_until(broker, target, "deadly-reader", 10)}
    assert done == set(names)
    (dead_letter,) = read_until(broker, DEAD_LETTERS.name, "deadly-letters", 1)
    data = EventDecoder([DEAD_LETTERS]).decode(dead_letter).data
    assert isinstance(data, DeadLetter)
    assert (data.code, data.asset_id) == ("worker_killed", "poison")


def test_of_what_was_acknowledged_out_of_order_little_is_done_again(
    broker: KafkaBroker, servers: str, tmp_path: Path
) -> None:
    source, target, group = "killed-in", "killed-out", "killed"
    prepare(broker, source, target, group)
    early, late = [f"early-{number}" for number in range(300)], [f"late-{number}" for number in range(40)]
    stuck = early[::100]  # the first too, so that no offset says what was done
    rest = set(early) - set(stuck)
    send(broker, source, early)
    partition, asked = TopicPartition(source, 0), OffsetAdmin(KafkaSettings(servers))

    def committed() -> set[str]:
        place = asked.committed(group, [partition])[0]
        assert place.offset == 0
        return {early[offset] for offset in CommitMetadata.from_text(place.metadata).acked_offsets(0)}

    def start(name: str, *waiting: str) -> tuple[subprocess.Popen[bytes], Callable[[], list[str]]]:
        journal = tmp_path / name
        command = program("deadly_worker", servers, source, target, group, journal, *waiting)
        return subprocess.Popen(command, cwd=ROOT), lambda: journal.read_text().split() if journal.exists() else []

    first, done = start("first", *stuck)
    try:
        wait_for(lambda: committed() == rest, "all but the stuck ones are acknowledged")
        send(broker, source, late)
        wait_for(lambda: set(late) <= set(done()), "what came late is done")
    finally:
        first.kill()
        first.wait()
    second, again = start("second")
    try:
        wait_for(lambda: not broker.backlog(source, group).records, "nothing is left")
    finally:
        second.terminate()
        second.wait()
    asked.close()
    assert set(stuck) <= set(again()) <= {*stuck, *late}
    assert len(again()) == len(set(again()))
