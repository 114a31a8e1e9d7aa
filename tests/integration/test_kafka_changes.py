"""A cluster is not what it was: brokers restart, other producers use transactions, partitions are added, topics are
deleted and made again. Observers, followers and members go on and tell the truth.
"""

import logging
import zlib
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.testbed.cluster_changes import Transactions, add_partitions, delivered, make_again, set_offset
from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka import topics_now
from stream.broker.kafka.admin_queries import AdminQueries
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.consumer import KafkaConsumer
from stream.broker.kafka.snapshot import latest_values
from stream.broker.kafka.tail import KafkaTail
from stream.broker.kafka.watch import KafkaWatch
from stream.broker.names import Names
from stream.broker.node.local import LocalNode, free_port
from stream.clock import SystemClock
from stream.control.state import CHANGELOG
from stream.errors import Fatal, Unavailable
from stream.events.ids import AssetVersion
from stream.freshness.autoscaler import ScalingPolicy
from stream.freshness.observer import Observer
from stream.freshness.snapshot import StageFlow
from stream.freshness.supervised_observer import SupervisedObserver
from stream.pipelines.control import shared_partitions
from stream.pipelines.understanding import reference_topology
from stream.sessions.stage_process import Deployment, prepare
from stream.topology.topics import ASSETS, PROGRESS
from tests.support.brokers import kafka_jars, up

pytestmark = pytest.mark.kafka

TOPOLOGY = reference_topology()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """Of our own, as it is restarted."""
    made = LocalNode(tmp_path_factory.mktemp("kafka"), SystemClock(), port=free_port())
    up(made)
    yield made
    made.down()


class Cluster:
    """A deployment of its own for one test."""

    def __init__(self, node: LocalNode, name: str) -> None:
        self.settings = KafkaSettings(node.servers, commit_interval_s=0.1, names=Names(name))
        self.broker = KafkaBroker(self.settings, SystemClock())
        self._watch = KafkaWatch(self.settings, SystemClock(), {it.name: it.sources for it in TOPOLOGY.stages})
        self.observer = SupervisedObserver(
            Observer(self._watch, TOPOLOGY, SystemClock(), ScalingPolicy()), SystemClock()
        )

    def prepare(self) -> None:
        prepare(self.broker, TOPOLOGY, Deployment(0, partitions=2))

    def name(self, topic: str) -> str:
        return self.settings.names.of(topic)

    def plan(self) -> StageFlow:
        return self.observer.now().snapshot.stage("plan")

    def close(self) -> None:
        self._watch.close()
        self.broker.close()


@pytest.fixture
def cluster(node: LocalNode, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    made = Cluster(node, f"n{zlib.crc32(request.node.name.encode())}")
    made.prepare()
    yield made
    made.close()


def take(consumer: KafkaConsumer | KafkaTail, count: int) -> list[Record]:
    """The next records, acknowledged."""
    found: list[Record] = []

    def enough() -> bool:
        records = consumer.poll(100, 0.1)
        if isinstance(consumer, KafkaConsumer):
            consumer.ack(records)
        found.extend(records)
        return len(found) >= count

    wait_for(enough, f"{count} records came")
    return found


def test_what_a_transaction_leaves_is_neither_waited_for_nor_counted(cluster: Cluster) -> None:
    assets = cluster.name(ASSETS.name)
    producer = Transactions(cluster.settings, f"{assets}-producer")
    producer.run(assets, [b"1", b"2"], commit=True)
    producer.run(assets, [b"void"] * 3, commit=False)
    assert cluster.plan().lane("interactive").waiting == 0  # no footage: bad events
    member = cluster.broker.consumer([ASSETS.name], "plan")
    assert [record.value for record in take(member, 2)] == [b"1", b"2"]
    wait_for(lambda: not take(member, 0) and cluster.plan().offset_lag == {"assets": 0}, "plan has nothing left")
    assert cluster.broker.backlog(ASSETS.name, "plan").records == 0
    member.close()
    assert cluster.plan().offset_lag == {"assets": 0}


AWAY = "unavailable: the broker does not answer"


def test_a_member_says_that_its_broker_is_away_until_it_works_again(node: LocalNode, cluster: Cluster) -> None:
    """An idle one too: nobody asks it for anything meanwhile. And one that is not in its group yet, also where the
    broker was away from the start, or where there is no partition for it.
    """
    plan, *idle = (cluster.broker.consumer([ASSETS.name], group) for group in ("plan", "idle", "idle", "idle"))
    wait_for(lambda: all(it.trouble is None for it in (plan, *idle)), "all have joined their groups")
    wait_for(lambda: sorted(len(it.assignment) for it in idle) == [0, 1, 1], "one of three has no partition")
    assert take(plan, 0) == take(idle[0], 0) == []
    assert [it.trouble for it in (plan, *idle)] == [None] * 4
    node.down()
    late = cluster.broker.consumer([ASSETS.name], "late")
    assert late.trouble is not None
    members = (plan, *idle, late)
    wait_for(lambda: all(it.trouble == AWAY for it in members), "all say it")
    node.up(kafka_jars())
    wait_for(lambda: not take(plan, 0) and all(it.trouble is None for it in members), "all are well again")
    delivered(cluster.settings, cluster.name(ASSETS.name), 0, [b"1"])
    assert [record.value for record in take(plan, 1)] == [b"1"]
    for member in members:
        member.close()


def test_records_behind_an_open_transaction_are_told_of_and_are_no_work_yet(cluster: Cluster) -> None:
    assets = cluster.name(ASSETS.name)
    producer = Transactions(cluster.settings, f"{assets}-producer")
    producer.begin(assets, [b"1"])
    delivered(cluster.settings, assets, 0, [b"2", b"3"])
    found = cluster.observer.now().snapshot
    assert found.undecided == {"assets": 3}
    assert found.stage("plan").offset_lag == {"assets": 0}
    assert cluster.broker.backlog(ASSETS.name, "plan").records == 0
    producer.end(commit=True)
    found = cluster.observer.now().snapshot
    assert found.undecided == {}
    assert found.stage("plan").offset_lag["assets"] >= 3


def test_followers_and_tables_come_to_the_end_of_a_topic_that_ends_with_a_mark(cluster: Cluster) -> None:
    cluster.broker.ensure([TopicSpec("table")])
    table = cluster.name("table")
    producer = Transactions(cluster.settings, f"{table}-producer")
    producer.run(table, [b"1"], commit=True)
    producer.run(table, [b"void"], commit=False)
    tail = cluster.broker.tail("table", from_start=True)
    assert tail.behind > 0
    assert [record.value for record in take(tail, 1)] == [b"1"]
    wait_for(lambda: not take(tail, 0) and tail.behind == 0, "the follower is at the end")
    tail.close()
    assert latest_values(cluster.settings, "table", SystemClock()) == {b"key": b"1"}


def test_partitions_that_are_added_are_seen_and_read_from_their_beginning(cluster: Cluster) -> None:
    assets, progress = cluster.name(ASSETS.name), cluster.name(PROGRESS.name)
    member, tail = cluster.broker.consumer([ASSETS.name], "plan"), cluster.broker.tail(PROGRESS.name)
    assert cluster.plan().offset_lag == {"assets": 0}
    for topic in (assets, progress):
        add_partitions(cluster.settings, topic, 4)
    for partition in range(4):
        delivered(cluster.settings, assets, partition, [b"a%d" % partition])
        delivered(cluster.settings, progress, partition, [b"p%d" % partition])
    assert cluster.plan().offset_lag == {"assets": 4}
    assert {record.value for record in take(member, 4)} == {b"a0", b"a1", b"a2", b"a3"}
    assert {record.value for record in take(tail, 4)} == {b"p0", b"p1", b"p2", b"p3"}
    wait_for(lambda: not take(member, 0) and cluster.plan().offset_lag == {"assets": 0}, "plan has nothing left")
    member.close()
    tail.close()


def test_another_number_of_partitions_stops_nobody_but_who_depends_on_it(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    add_partitions(cluster.settings, cluster.name(ASSETS.name), 3)
    cluster.prepare()
    assert "topic assets has 3 partitions, not 2" in caplog.text
    assert shared_partitions(cluster.broker) == 2
    cluster.broker.ensure([TopicSpec(CHANGELOG, 2)])
    assert shared_partitions(cluster.broker) == 2
    add_partitions(cluster.settings, cluster.name(PROGRESS.name), 3)
    with pytest.raises(Fatal, match="progress has 3 partitions and the control plane's table has 2") as refused:
        shared_partitions(cluster.broker)
    assert f"Delete the topic {cluster.name(CHANGELOG)}" in refused.value.message


def test_a_topic_made_again_is_read_from_its_beginning_whatever_was_committed(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """By a member that lived through it, by an observer and by a follower, with more records than there were before."""
    assets = cluster.name(ASSETS.name)
    delivered(cluster.settings, assets, 0, [b"old"] * 3)
    member = cluster.broker.consumer([ASSETS.name], "plan")
    tail = cluster.broker.tail(ASSETS.name, from_start=True)
    take(member, 3)
    take(tail, 3)
    wait_for(lambda: cluster.plan().offset_lag == {"assets": 0}, "plan has nothing left")
    make_again(cluster.broker, cluster.settings, ASSETS.spec(2))
    new = [b"new%d" % number for number in range(8)]
    delivered(cluster.settings, assets, 0, new)
    with pytest.raises(Unavailable) as ended:
        wait_for(lambda: member.poll(1, 0.1) is None, "the member hears of it")
    assert ended.value.code == "topic_created_again"
    assert cluster.plan().offset_lag == {"assets": 8}
    assert cluster.broker.backlog(ASSETS.name, "plan").records == 8
    member.close()  # commits what it knows of the old one
    assert cluster.plan().offset_lag == {"assets": 8}
    assert cluster.broker.trim(ASSETS.name, ["plan"]) == 0
    member = cluster.broker.consumer([ASSETS.name], "plan")
    assert [record.value for record in take(member, 8)] == new
    assert "deleted and created again" in caplog.text
    wait_for(lambda: not take(member, 0) and cluster.plan().offset_lag == {"assets": 0}, "plan has nothing left")
    member.close()
    assert [record.value for record in take(tail, 8)] == new
    tail.close()


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics are asked for by nobody but who needs to know."""
    monkeypatch.setattr(topics_now, "REFRESH_S", 3600.0)


@pytest.mark.usefixtures("unasked")
def test_a_topic_made_again_is_no_loss_whoever_sees_it_first(cluster: Cluster) -> None:
    """The broker has fewer records than were read, which looks as if they had grown too old."""
    assets = cluster.name(ASSETS.name)
    delivered(cluster.settings, assets, 0, [b"old"] * 3)
    member = cluster.broker.consumer([ASSETS.name], "plan")
    take(member, 3)
    make_again(cluster.broker, cluster.settings, ASSETS.spec(2))
    delivered(cluster.settings, assets, 0, [b"new"])
    with pytest.raises(Unavailable) as ended:
        wait_for(lambda: member.poll(1, 0.1) is None, "the member hears of it")
    assert ended.value.code == "topic_created_again"
    member.close()
    member = cluster.broker.consumer([ASSETS.name], "plan")
    assert [record.value for record in take(member, 1)] == [b"new"]
    member.close()


def test_a_commit_beyond_the_end_that_names_no_topic_is_void(cluster: Cluster) -> None:
    """As an older version left it, or a tool."""
    assets = cluster.name(ASSETS.name)
    delivered(cluster.settings, assets, 0, [b"1", b"2"])
    set_offset(cluster.settings, "plan", ASSETS.name, 50)
    assert cluster.plan().offset_lag == {"assets": 2}
    member = cluster.broker.consumer([ASSETS.name], "plan")
    assert [record.value for record in take(member, 2)] == [b"1", b"2"]
    member.close()


def test_an_observer_says_that_it_is_blind_and_sees_again_once_the_broker_is_back(
    cluster: Cluster, node: LocalNode
) -> None:
    before = cluster.observer.now()
    cluster.broker.members(["plan"])
    node.down()
    assert not cluster.observer.observe()
    blind = cluster.observer.blind
    assert blind is not None
    assert blind.code == "broker_unavailable"
    assert blind.since_ms == before.snapshot.at_ms
    assert cluster.observer.last is before
    node.up(kafka_jars())
    wait_for(cluster.observer.observe, "it sees again")
    assert cluster.observer.blind is None
    delivered(cluster.settings, cluster.name(ASSETS.name), 0, [b"1"])
    wait_for(lambda: cluster.plan().offset_lag == {"assets": 1}, "it tells what came after")
    assert cluster.broker.members(["plan"]) == {"plan": 0}  # a client from before the outage never answers that again


def test_an_order_of_versions_needs_no_partition() -> None:
    """Events of one asset on both sides of an increase: the later append time wins, whatever the offsets are."""
    assert AssetVersion(2000, 0) > AssetVersion(1000, 99)


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH])
def test_a_query_is_asked_again_while_a_node_lags_behind_its_controller(cluster: Cluster, code: int) -> None:
    answers = iter([KafkaException(KafkaError(code)), None])

    def ask(client: AdminClient) -> bool:
        if (failure := next(answers)) is not None:
            raise failure
        return bool(client.list_topics(timeout=10).brokers)

    queries = AdminQueries(cluster.settings, SystemClock())
    assert queries.with_retries("asking", ask)
    queries.close()
