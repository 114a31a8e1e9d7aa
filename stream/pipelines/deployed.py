"""Stages of the understanding topology as one process of many on a shared broker."""

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from stream.clock import Clock
from stream.health import Answer, all_ready, served
from stream.janitor import Janitor
from stream.metrics import Metrics
from stream.pipelines.content_metrics import StoreSizes, watch_scores
from stream.pipelines.patience import came_through
from stream.pipelines.understanding import Understanding
from stream.process import StageThreads
from stream.records import Broker
from stream.settings import Settings
from stream.topology import Topology
from stream.worker import Pace


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every process of a roll-out shares. `epoch_ms` is the roll-out's time: of two results for one segment that
    of the later roll-out stays.
    """

    epoch_ms: int
    partitions: int = 8
    host: str = "127.0.0.1"
    port: int = 0


def prepare(broker: Broker, topology: Topology, deployment: Deployment) -> None:
    """Create or check the topics, and give every group its place, so that nothing sent before it starts is lost.

    What is not kept by age is kept until it is acknowledged, when the `Janitor` deletes it.
    """
    broker.ensure(topic.spec(deployment.partitions) for topic in topology.topics)
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
    """Run the named stages until `stop`, then drain. Raises `KeyError` for a name that is no stage, and what ended a
    worker.
    """
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    understanding = Understanding(settings, clock, epoch_ms=deployment.epoch_ms, watch=partial(watch_scores, metrics))
    topology = understanding.topology()
    stages = [topology.stage(name) for name in dict.fromkeys(names)]
    sizes = StoreSizes(metrics, {"index": settings.index_dir, "parquet": settings.parquet_dir}, stages, clock)
    pace = Pace(drain_s=settings.drain_timeout_s, throttle_interval_s=0.25)
    pulse = Pulse()
    probes = served(registry, healthy=pulse.healthy, ready=pulse.ready, host=deployment.host, port=deployment.port)
    with closing(understanding), probes:
        if not came_through(partial(prepare, broker, topology, deployment), stop, pulse.wait):
            return
        pulse.wait("starting")
        read = {source for stage in stages for source in stage.sources}
        janitor = Janitor(broker, (topic for topic in topology.topics if topic.name in read), topology.groups())
        threads = StageThreads(
            stages,
            broker,
            clock=clock,
            metrics=metrics,
            readers=topology.groups(),
            pace=pace,
        )
        threads.beside("janitor", janitor.run)
        threads.beside("store sizes", sizes.run)
        pulse.begin(threads)
        with threads:
            threads.run(stop)


class Pulse:
    """How the stages are, for probes; before the broker has answered there are none, and that is no illness."""

    def __init__(self) -> None:
        self._threads: StageThreads | None = None
        self._waits = "starting"

    def wait(self, words: str) -> None:
        self._waits = words

    def begin(self, threads: StageThreads) -> None:
        self._threads = threads

    def healthy(self) -> Answer:
        ended = self._threads is not None and self._threads.wait(0.0)
        return not ended, "a worker has ended" if ended else "ok"

    def ready(self) -> Answer:
        if self._threads is None:
            return False, self._waits
        return all_ready(self._threads.states())
