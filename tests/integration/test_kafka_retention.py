"""What a real broker keeps: everything that a declared group still needs, and little more."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata

from benchmarks.testbed.cluster_changes import delete_below, set_offset
from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Consumer, TopicSpec
from stream.broker.kafka import admin_queries as admin_queries_module
from stream.broker.kafka import broker as broker_module
from stream.broker.kafka import consumer as consumer_module
from stream.broker.kafka.admin_queries import AdminQueries
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.consumer import KafkaConsumer
from stream.broker.kafka.offsets import OffsetAdmin
from stream.broker.kafka.reader import Reader
from stream.clock import SystemClock
from stream.errors import Fatal, Unavailable
from stream.events.asset import AssetDeleted
from stream.topology.topics import WEEK_MS, Topic
from stream.worker.topic_retention import TopicRetention
from tests.support.brokers import kafka_servers

pytestmark = pytest.mark.kafka

WAIT_S = 60.0
RECORDS = 400


def settings() -> KafkaSettings:
    return KafkaSettings(kafka_servers(), commit_interval_s=0.2)


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    cluster = KafkaBroker(settings(), SystemClock())
    yield cluster
    cluster.close()


def kept(broker: KafkaBroker, topic: str) -> int:
    """Records on the broker: what a group that has no place could read."""
    return broker.backlog(topic, "nobody").records


def fill(broker: KafkaBroker, topic: str, count: int, value: bytes = b"v") -> None:
    producer = broker.producer()
    for number in range(count):
        producer.send(topic, b"%d" % number, value, {})
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
    janitor = TopicRetention(broker, [topic], groups)
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
    asked = OffsetAdmin.committed

    def overtaken(groups: OffsetAdmin, name: str, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """The answer, and before it is used all of it is done and trimmed."""
        found = asked(groups, name, partitions)
        monkeypatch.setattr(OffsetAdmin, "committed", asked)
        consumer = broker.consumer([topic], group)
        acknowledge(consumer, 5)
        consumer.close()
        assert broker.trim(topic, [group]) == 5
        return found

    monkeypatch.setattr(OffsetAdmin, "committed", overtaken)
    assert broker.backlog(topic, group).records == 0
    assert OffsetAdmin.committed is asked


def test_a_topic_that_is_kept_otherwise_is_refused_and_left_as_it_is(broker: KafkaBroker) -> None:
    made, wanted = TopicSpec("kept-otherwise", 1), TopicSpec("kept-otherwise", 1, retention_ms=WEEK_MS)
    broker.ensure([made])
    assert broker.differences([wanted]) == {"kept-otherwise": [f"retention.ms is -1, not {WEEK_MS}"]}
    with pytest.raises(Fatal, match=r"retention\.ms is -1") as refused:
        broker.ensure([wanted])
    assert refused.value.code == "topic_mismatch"
    assert broker.differences([made]) == {"kept-otherwise": []}


def test_a_cluster_that_forgets_stopped_groups_too_soon_is_refused(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembers = 365 * 24 * 60  # minutes, as a local node is told
    monkeypatch.setattr(broker_module, "MIN_OFFSETS_RETENTION_MINUTES", remembers)
    broker.check_cluster()
    monkeypatch.setattr(broker_module, "MIN_OFFSETS_RETENTION_MINUTES", remembers + 1)
    with pytest.raises(Fatal, match=f"after {remembers} minutes") as refused:
        broker.ensure([TopicSpec("kept-nowhere", 1)])
    assert refused.value.code == "offsets_retention"
    assert broker.differences([TopicSpec("kept-nowhere", 1)]) == {"kept-nowhere": None}


def test_a_cluster_that_does_not_show_its_settings_is_believed_with_a_warning(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hidden(_queries: AdminQueries, _kind: object, _name: str) -> dict[str, str]:
        raise Fatal("reading settings: not authorized", code="broker_refused")

    monkeypatch.setattr(AdminQueries, "config_of", hidden)
    broker.check_cluster()
    assert "does not show offsets.retention.minutes (reading settings: not authorized)" in caplog.text


def test_a_node_that_does_not_count_itself_yet_is_asked_again(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment after its start a node answers with its topics and with no node."""
    there = broker.nodes()
    whole, answers = AdminClient.list_topics, 0

    def starting(client: AdminClient, *arguments: Any, **options: Any) -> ClusterMetadata:
        nonlocal answers
        answers += 1
        found: ClusterMetadata = whole(client, *arguments, **options)
        if answers == 1:
            found.brokers = {}
        return found

    monkeypatch.setattr(AdminClient, "list_topics", starting)
    broker.check_cluster()
    assert answers == 2
    assert broker.nodes().brokers.keys() == there.brokers.keys()


def test_where_no_node_works_it_is_said_in_words(broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = AdminClient.list_topics

    def without(client: AdminClient, *arguments: Any, **options: Any) -> ClusterMetadata:
        found: ClusterMetadata = whole(client, *arguments, **options)
        found.brokers = {}
        return found

    monkeypatch.setattr(AdminClient, "list_topics", without)
    monkeypatch.setattr(admin_queries_module, "PATIENCE_S", 0.1)
    with pytest.raises(Unavailable, match="asking for nodes and topics: Broker: Broker not available"):
        broker.check_cluster()


def stand(broker: KafkaBroker, spec: TopicSpec, offset: int) -> None:
    """A group of the topic's name that stands at `offset` of ten records."""
    broker.ensure([spec])
    fill(broker, spec.name, 10)
    set_offset(settings(), spec.name, spec.name, offset)


def age(topic: str, low: int = 5) -> None:
    """As time does with what was not read."""
    delete_below(settings(), topic, low)


def done_elsewhere(monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """The group stands at `offset`, and the member does not know: as when it stood still while others went on."""
    committed = OffsetAdmin.committed

    def now(groups: OffsetAdmin, group: str, asked: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(it.topic, it.partition, offset) for it in committed(groups, group, asked)]

    monkeypatch.setattr(OffsetAdmin, "committed", now)


def joined(broker: KafkaBroker, topic: str) -> KafkaConsumer:
    """A member that knows where to begin, and has read nothing."""
    member = broker.consumer([topic], topic)
    wait_for(lambda: bool(member.assignment), "the member has its partition")
    return member


def read_all(member: Consumer, last: int) -> list[int]:
    """Offsets of what comes up to the last one, all acknowledged."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    found: list[int] = []
    while last not in found and clock.monotonic_s() < deadline_s:
        records = member.poll(100, 0.2)
        member.ack(records)
        found += [record.offset for record in records]
    member.close()
    return found


@pytest.mark.parametrize("stopped", [True, False])
def test_what_age_took_is_said_and_passed_over(
    broker: KafkaBroker, caplog: pytest.LogCaptureFixture, *, stopped: bool
) -> None:
    topic = f"kept-by-age-{stopped}"
    stand(broker, TopicSpec(topic, 1, retention_ms=WEEK_MS), 2)
    if stopped:
        age(topic)
    member = joined(broker, topic)
    if not stopped:
        age(topic)
    assert read_all(member, 9) == [5, 6, 7, 8, 9]
    (said,) = [each.getMessage() for each in caplog.records if "deleted" in each.getMessage()]
    assert f"3 records of {topic}-0" in said
    assert broker.backlog(topic, topic).records == 0


@pytest.mark.parametrize("stopped", [True, False])
def test_of_what_is_kept_until_it_is_read_nothing_is_passed_over(broker: KafkaBroker, *, stopped: bool) -> None:
    topic = f"kept-until-read-{stopped}"
    stand(broker, TopicSpec(topic, 1), 2)
    if stopped:
        age(topic)
    member = broker.consumer([topic], topic) if stopped else joined(broker, topic)
    if not stopped:
        age(topic)
    with pytest.raises(Fatal) as lost:
        member.poll(1, WAIT_S)
    with suppress(Fatal):  # the group's own client may have met the hole too
        member.close()
    assert lost.value.code == "records_lost"


def test_what_the_group_has_done_meanwhile_is_not_missed(
    broker: KafkaBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that stood still: its records were done by another, and trimmed."""
    topic = "kept-until-done"
    stand(broker, TopicSpec(topic, 1), 2)
    member = joined(broker, topic)
    done_elsewhere(monkeypatch, 7)
    age(topic, 6)
    assert read_all(member, 9) == [7, 8, 9]
    monkeypatch.undo()
    assert not [each for each in caplog.records if "deleted" in each.getMessage()]
    assert broker.backlog(topic, topic).records == 0


def test_what_nobody_did_is_lost_in_words_that_harm_nobody(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = "kept-until-lost"
    stand(broker, TopicSpec(topic, 1), 2)
    member = joined(broker, topic)
    done_elsewhere(monkeypatch, 4)
    age(topic, 6)
    with pytest.raises(Fatal, match=rf"records 4 to 5 of {topic}-0 .* of this partition alone to 6") as lost:
        member.poll(1, WAIT_S)
    with suppress(Fatal):
        member.close()
    assert lost.value.code == "records_lost"


class Together:
    """A member's reader that is outrun once it has some records: it brings the error together with all of them."""

    def __init__(self, reader: Reader, outrun: Callable[[], None]) -> None:
        self._reader = reader
        self._outrun = outrun
        self.fetched = 0

    def read(self, max_messages: int, timeout_s: float) -> list[Message]:
        messages = self._reader.read(max_messages, timeout_s)
        if self.fetched:
            return messages
        while len(messages) < 3:
            messages += self._reader.read(1, 0.1)
        self._outrun()
        while messages[-1].error() is None:
            messages += self._reader.read(1, 0.1)
        self.fetched = len(messages) - 1
        return messages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def test_what_was_fetched_before_age_took_the_rest_is_not_missed(
    broker: KafkaBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, count, low = "kept-outrun", 40, 35
    broker.ensure([TopicSpec(topic, 1, retention_ms=WEEK_MS)])
    fill(broker, topic, count, b"v" * 2**20)  # a reader fetches 16 MiB ahead
    readers: list[Together] = []

    def outrun(client: KafkaSettings, group: str) -> Together:
        readers.append(Together(Reader(client, group), lambda: age(topic, low)))
        return readers[-1]

    monkeypatch.setattr(consumer_module, "Reader", outrun)
    member = joined(broker, topic)
    (reader,) = readers
    assert read_all(member, count - 1) == [*range(reader.fetched), *range(low, count)]
    (said,) = [each.getMessage() for each in caplog.records if "deleted" in each.getMessage()]
    assert f"{low - reader.fetched} records of {topic}-0" in said
