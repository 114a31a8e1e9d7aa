"""The stage `gate` on a shared broker: its topics are those of the tenants that are registered at the time."""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

from stream.broker.contract import Broker
from stream.clock import Clock
from stream.observability.metrics import Metrics
from stream.observability.status import WorkerState
from stream.pipelines.stages import GATE
from stream.pipelines.understanding import Understanding
from stream.runtime.startup import retried_until_available
from stream.runtime.threads import StageThreads
from stream.topology.topics import Topic
from stream.topology.topology import Topology
from stream.worker.pace import Pace
from stream.worker.topic_retention import TopicRetention

LOOK_S = 0.2
_log = logging.getLogger(__name__)


class GateProcess:
    """Runs the gate, and begins anew with other topics when a tenant comes or goes. A change of what a tenant may claim
    counts from the next record that is not read yet.
    """

    def __init__(
        self,
        understanding: Understanding,
        broker: Broker,
        partitions_of: Callable[[str], int],
        *,
        clock: Clock,
        metrics: Metrics,
        pace: Pace,
    ) -> None:
        self._understanding = understanding
        self._broker = broker
        self._partitions_of = partitions_of
        self._clock = clock
        self._metrics = metrics
        self._pace = pace
        self._threads: StageThreads | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. Raises what ended the worker."""
        while not stop.is_set():
            topology = self._understanding.topology(gated=True)
            # Those of the topology that runs, so that no change after it was made is missed.
            topics = {name: topic for name, topic in topology.known.items() if topic.owner is not None}
            _log.info("stage %s: %d tenants have topics of their own", GATE, len(topics))
            if not topics:
                self._wait_for_change(topics, stop)
            elif retried_until_available(partial(self._prepare, topology), stop):
                self._work(topology, topics, stop)

    def states(self) -> list[WorkerState]:
        """As `StageThreads.states`; none while no tenant is registered."""
        threads = self._threads
        return [] if threads is None else threads.states()

    def _prepare(self, topology: Topology) -> None:
        stage = topology.stage(GATE)
        self._broker.ensure(topology.topic(name).spec(self._partitions_of(name)) for name in stage.sources)
        for source in stage.sources:
            self._broker.declare(source, stage.name)

    def _work(self, topology: Topology, topics: Mapping[str, Topic], stop: threading.Event) -> None:
        stage, readers = topology.stage(GATE), topology.groups()
        threads = StageThreads(
            [stage],
            self._broker,
            clock=self._clock,
            metrics=self._metrics,
            readers=readers,
            topics=topology.known,
            pace=self._pace,
        )
        threads.beside("janitor", TopicRetention(self._broker, topics.values(), readers).run)
        with threads:
            self._threads = threads
            self._wait_for_change(topics, stop)
        self._threads = None

    def _wait_for_change(self, topics: Mapping[str, Topic], stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            if self._threads is not None:
                self._threads.check()
            if self._understanding.tenants.topics() != topics:
                return
