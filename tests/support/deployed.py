"""Stages of a deployment as threads of a test, on a cluster that other tests share under other names."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.testbed.waiting import wait_for
from stream.broker.kafka.admin_queries import END, AdminQueries
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.names import Names
from stream.clock import SystemClock
from stream.events.asset import AssetStatus
from stream.events.base import Event
from stream.pipelines.settings import Settings
from stream.pipelines.understanding import Understanding
from stream.sessions.cluster import ClusterSession
from stream.sessions.stage_process import Deployment, run_deployed
from stream.topology.topology import Topology
from tests.support.brokers import kafka_servers

WAIT_S = 60.0
CLOCK = SystemClock()


class Site:
    """One deployment: its broker, what its processes are told, and a person's commands."""

    def __init__(self, name: str, settings: Settings, *, epoch_ms: int = 0) -> None:
        self.names = Names(name)
        self.settings = settings
        self.deployment = Deployment(epoch_ms, partitions=1)
        self.topology: Topology = Understanding(settings, CLOCK, epoch_ms=epoch_ms).topology()
        self.broker = self.connect()

    def connect(self) -> KafkaBroker:
        return KafkaBroker(KafkaSettings(kafka_servers(), commit_interval_s=0.2, names=self.names), CLOCK)

    @contextmanager
    def running(self, *stages: str, settings: Settings | None = None, epoch_ms: int | None = None) -> Iterator[None]:
        """Until the block ends, when they drain. Raises what ended them."""
        deployment = self.deployment if epoch_ms is None else Deployment(epoch_ms, partitions=1)
        with ExitStack() as held:
            broker = self.connect()
            held.callback(broker.close)
            before = self._members(stages)
            run = _Run(settings or self.settings, stages, broker, deployment)
            held.callback(run.end)
            wait_for(
                lambda: all(count > before.get(stage, 0) for stage, count in self._members(stages).items()),
                f"{stages} joined",
                meanwhile=run.check,
            )
            yield
            run.check()

    def publish(self, *events: Event) -> None:
        """Without waiting for what becomes of them."""
        with self._session() as session:
            session.publish(events)

    def ingest(self, *events: Event) -> dict[str, AssetStatus]:
        """Publish and wait until each is final; the statuses by asset id."""
        stop = threading.Event()
        timer = threading.Timer(WAIT_S, stop.set)
        timer.start()
        with self._session() as session:
            session.publish(events)
            finished = session.run(stop, lambda *_: None)
            timer.cancel()
            assert finished, "not final in time"
            return {change.asset.asset_id: change.status for change in session.progress.changes()}

    def skip(self, topic: str, *groups: str) -> int:
        """What an operator does with Kafka's own tools: the groups stand at the end of the topic. How many records they
        will never see.
        """
        skipped = sum(self.broker.backlog(topic, group).records for group in groups)
        name, count = self.names.of(topic), self.broker.partition_counts([topic])[topic]
        queries = AdminQueries(KafkaSettings(kafka_servers()), CLOCK)
        ends = queries.offsets([TopicPartition(name, number) for number in range(count)], END)
        places = [TopicPartition(it.topic, it.partition, end) for it, end in ends.items()]
        tool = AdminClient({"bootstrap.servers": kafka_servers()})
        for group in groups:
            asked = ConsumerGroupTopicPartitions(self.names.of(group), places)
            # Refused as long as the group has a member: one that ended while it was joining stays for its session.
            wait_for(partial(_altered, tool, asked), f"the offsets of {group} are altered", within_s=WAIT_S)
        return skipped

    def wait_for_backlog(self, topic: str, group: str, *, stage: str) -> None:
        """Until something waits for the group, and nothing for `stage`, which makes it."""
        source = self.topology.stage(stage).sources[0]
        wait_for(
            lambda: not self.broker.backlog(source, stage).records and self.broker.backlog(topic, group).records > 0,
            f"something came to {topic}",
        )

    def settle(self) -> None:
        """Until every group has acknowledged everything."""
        read = [(topic, stage.name) for stage in self.topology.stages for topic in stage.sources]
        wait_for(lambda: not any(self.broker.backlog(*each).records for each in read), "nothing is left")

    def _session(self) -> ClusterSession:
        return ClusterSession(self.broker, self.topology, CLOCK, address="kafka://test")

    def _members(self, stages: Sequence[str]) -> Mapping[str, int]:
        return self.broker.members(stages)


def _altered(tool: AdminClient, asked: ConsumerGroupTopicPartitions) -> bool:
    done = [future.result(WAIT_S) for future in tool.alter_consumer_group_offsets([asked]).values()]
    return not any(place.error for group in done for place in group.topic_partitions)


class _Run:
    """`run_deployed` on a thread."""

    def __init__(self, settings: Settings, stages: Sequence[str], broker: KafkaBroker, deployment: Deployment) -> None:
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(settings, stages, broker, deployment), daemon=True)
        self._thread.start()

    def _work(self, settings: Settings, stages: Sequence[str], broker: KafkaBroker, deployment: Deployment) -> None:
        try:
            run_deployed(settings, stages, broker, deployment, self._stop, clock=CLOCK)
        except BaseException as error:  # noqa: BLE001 - the test's to judge
            self._error = error

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
