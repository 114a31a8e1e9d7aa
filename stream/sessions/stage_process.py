"""Stages of the understanding topology as one process of many on a shared broker."""

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from sinks.maintenance.marker import identified
from sinks.query.recall import RecallSampler
from stream.broker.contract import Broker
from stream.clock import Clock
from stream.events.deployment import StoresClaimed
from stream.observability.http_endpoints import Answer, all_ready, served
from stream.observability.labels import labelled
from stream.observability.metrics import Metrics
from stream.operators.content_metrics import StoreSizes, watch_scores
from stream.operators.recall_metric import IndexRecall, Sample
from stream.pipelines.settings import Settings
from stream.pipelines.stages import GATE, INDEX
from stream.pipelines.understanding import Understanding
from stream.runtime.startup import retried_until_available
from stream.runtime.threads import StageThreads
from stream.sessions.deployment_register import DeploymentMember, Register
from stream.sessions.gate_process import GateProcess
from stream.sessions.tenant_register import TenantRegister
from stream.topology.stage import Stage
from stream.topology.topics import DEPLOYMENTS, TENANTS, Topic
from stream.topology.topology import Topology
from stream.worker.pace import Pace
from stream.worker.topic_retention import TopicRetention


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every process of a roll-out shares. `epoch_ms` is the roll-out's time: of two results for one segment that
    of the later roll-out stays.
    """

    epoch_ms: int
    partitions: int = 8
    host: str = "127.0.0.1"
    port: int = 0
    topic_partitions: Mapping[str, int] = field(default_factory=dict)

    def partitions_of(self, topic: str) -> int:
        """Of a topic that is created; those that are there are taken as they are."""
        return self.topic_partitions.get(topic, self.partitions)


def prepare(
    broker: Broker, topology: Topology, deployment: Deployment, *, beside: Iterable[Topic] = (DEPLOYMENTS, TENANTS)
) -> None:
    """Create or check the topics, and give every group its place, so that nothing sent before it starts is lost.
    `beside`: topics that no stage reads.

    What is not kept by age is kept until it is acknowledged, when the `TopicRetention` deletes it.
    """
    # Topics before groups: a group cannot be declared on a topic that does not exist.
    topics = (*topology.topics, *beside)
    broker.ensure(topic.spec(deployment.partitions_of(topic.name)) for topic in topics)
    for stage in topology.stages:
        for topic in stage.sources:
            broker.declare(topic, stage.name)


def run_deployed(
    settings: Settings,
    names: Sequence[str],
    broker: Broker,
    deployment: Deployment,
    stop: threading.Event,
    *,
    clock: Clock,
) -> None:
    """Run the named stages until `stop`, then drain. Raises `UnknownStage` for a name that is none, and what ended a
    worker.
    """
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    understanding = Understanding(settings, clock, epoch_ms=deployment.epoch_ms, watch=partial(watch_scores, metrics))
    topology = understanding.topology()
    # A stage that is named twice still runs once. The gate's topics are known only later.
    stages = [topology.stage(name) for name in dict.fromkeys(names) if name != GATE]
    sizes = StoreSizes(metrics, understanding.stores, stages, clock)
    recall = IndexRecall(metrics, partial(recall_samples, RecallSampler(settings.index_dir)), clock)
    # A shared broker is asked less often than one in memory: each question is a request.
    pace = Pace(drain_s=settings.drain_timeout_s, throttle_interval_s=0.25)
    pulse = StagesHealth()
    shown = labelled(registry, settings.deployment)
    # Probes answer before anything else: an orchestrator must see a process that waits for its broker.
    probes = served(shown, healthy=pulse.healthy, ready=pulse.ready, host=deployment.host, port=deployment.port)
    with closing(understanding), probes, ExitStack() as held:
        entrance = Entrance(broker, understanding, stages, deployment, clock)
        held.callback(entrance.close)
        # The broker may start later than its workers. That is no fault.
        if not retried_until_available(partial(entrance.enter, topology), stop, pulse.wait):
            return
        pulse.wait("starting")
        gate = GateProcess(understanding, broker, deployment.partitions_of, clock=clock, metrics=metrics, pace=pace)
        # Only topics that are read here: others are trimmed by their own readers (ADR 0017).
        read = {source for stage in stages for source in stage.sources}
        janitor = TopicRetention(broker, (topic for topic in topology.topics if topic.name in read), topology.groups())
        threads = StageThreads(
            stages,
            broker,
            clock=clock,
            metrics=metrics,
            readers=topology.groups(),
            pace=pace,
        )
        threads.beside("janitor", janitor.run)
        threads.beside("register", entrance.watch)
        # Stages that read footage need to know what a tenant may name, the gate which tenants there are.
        if GATE in names or any("media" in stage.launch.volumes for stage in stages):
            threads.beside("tenants", entrance.watch_tenants)
        if GATE in names:
            threads.beside(GATE, gate.run)
        threads.beside("store sizes", sizes.run)
        # By who has the index open: its files are in this machine's memory.
        if any(stage.name == INDEX for stage in stages):
            threads.beside("recall", recall.run)
        pulse.begin(threads, gate)
        with threads:
            threads.run(stop)


def recall_samples(sampler: RecallSampler) -> Iterator[Sample]:
    """As the metric takes them."""
    return ((item.space, item.column, item.share) for item in sampler.samples())


class Entrance:
    """What a process does before it works: the topics are there, and it belongs to those who work on them."""

    def __init__(
        self,
        broker: Broker,
        understanding: Understanding,
        stages: Sequence[Stage],
        deployment: Deployment,
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._understanding = understanding
        self._launches = [stage.launch for stage in stages]
        self._deployment = deployment
        self._clock = clock
        self._register: Register | None = None
        self._tenants: TenantRegister | None = None

    def enter(self, topology: Topology) -> None:
        """May be tried again. Raises `Fatal` where it does not belong."""
        prepare(self._broker, topology, self._deployment)
        # A second attempt begins anew: the follower of the first may be broken.
        self.close()
        self._register = Register(self._broker, self._member())
        self._register.enter(self._clock.now_ms())
        self._tenants = TenantRegister(self._broker, self._understanding.tenants)
        self._tenants.read()

    def watch(self, stop: threading.Event) -> None:
        assert self._register is not None, "entered before"
        self._register.watch(stop)

    def watch_tenants(self, stop: threading.Event) -> None:
        assert self._tenants is not None, "entered before"
        self._tenants.watch(stop)

    def close(self) -> None:
        held = (self._register, self._tenants)
        self._register = self._tenants = None
        for each in held:
            if each is not None:
                each.close()

    def _member(self) -> DeploymentMember:
        settings = self._understanding.settings
        name = settings.deployment
        # A process that runs no models may belong to any roll-out.
        aim = self._understanding.aim if any(each.same_models for each in self._launches) else None
        if not any("state" in each.volumes for each in self._launches):
            return DeploymentMember(name, aim=aim)
        mark = identified(settings.state_dir, settings.stores, name, self._broker.cluster())
        return DeploymentMember(name, StoresClaimed(stores=mark.stores, place=place_of(settings.state_dir)), aim)


def place_of(state: Path) -> str:
    """Where stores are, for a person."""
    return f"{socket.gethostname()}:{state}"


class StagesHealth:
    """How the stages are, for probes; before the broker has answered there are none, and that is no illness."""

    def __init__(self) -> None:
        self._threads: StageThreads | None = None
        self._gate: GateProcess | None = None
        self._waits = "starting"

    def wait(self, words: str) -> None:
        self._waits = words

    def begin(self, threads: StageThreads, gate: GateProcess | None = None) -> None:
        self._threads, self._gate = threads, gate

    def healthy(self) -> Answer:
        # No wait: a probe asks, and must be answered at once.
        ended = self._threads is not None and self._threads.wait(0.0)
        return not ended, "a worker has ended" if ended else "ok"

    def ready(self) -> Answer:
        if self._threads is None:
            return False, self._waits
        return all_ready([*self._threads.states(), *(self._gate.states() if self._gate is not None else ())])
