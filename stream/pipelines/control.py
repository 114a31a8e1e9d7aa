"""The control plane as a process: the Faust app, and the webhook stage on its own thread."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import Clock
from stream.control.app import Hosting, serve
from stream.control.state import APP, CHANGELOG
from stream.errors import Fatal
from stream.observability.http_endpoints import Answer, all_ready, served
from stream.observability.labels import labelled
from stream.observability.metrics import Metrics, StageMetrics
from stream.observability.status import Status
from stream.operators.webhook import WebhookSettings, webhook_stage
from stream.runtime.startup import retried_until_available
from stream.runtime.threads import StageThreads
from stream.topology.topics import COMPLETIONS, DEAD_LETTERS, PROGRESS
from stream.topology.topology import Topology
from stream.worker.pace import Pace

SILENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """What the process serves beside the app. `host` and `port` are those of `/metrics`, `/healthz` and `/readyz`."""

    webhook: WebhookSettings | None = None
    host: str = "127.0.0.1"
    port: int = 0


def run_control(
    kafka: KafkaSettings,
    directory: Path,
    partitions: Callable[[str], int],
    beside: Served,
    stop: threading.Event,
    *,
    clock: Clock,
    announce: Callable[[int], None] = lambda _port: None,
) -> None:
    """Works until `stop`. `announce` gets the port; `partitions` gives the count for topics that are created. Raises
    the error that ended it. It may be restarted immediately, also after kill -9.
    """
    broker = KafkaBroker(kafka, clock)
    metrics = Metrics(CollectorRegistry())
    status = Status(APP, StageMetrics(metrics, APP))
    with ExitStack() as held:
        held.callback(broker.close)
        pulse = ControlHealth(status, clock)
        shown = labelled(metrics.registry, kafka.names.deployment)
        asked = served(shown, healthy=pulse.healthy, ready=pulse.ready, host=beside.host, port=beside.port)
        announce(held.enter_context(asked))
        if not retried_until_available(partial(_prepare, broker, partitions), stop, status.paused):
            return
        status.paused(None)
        if beside.webhook is not None:
            pulse.threads = held.enter_context(_webhook(beside.webhook, broker, metrics, clock))
        serve(Hosting(kafka, directory / "control", shared_partitions(broker)), stop, status, check=pulse.check)


class ControlHealth:
    """Health of the app and the webhook, for probes. The app's loop calls `check`; a loop that
    does not call it hangs.
    """

    def __init__(self, status: Status, clock: Clock) -> None:
        self._status = status
        self._clock = clock
        self.threads: StageThreads | None = None  # the webhook's
        self._beat_s: float | None = None  # None while the app reads its table, which may take long

    def check(self) -> None:
        """Notes that the loop is alive. Raises the error that ended the webhook."""
        self._beat_s = self._clock.monotonic_s()
        if self.threads is not None:
            self.threads.check()

    def healthy(self) -> Answer:
        silent_s = 0.0 if self._beat_s is None else self._clock.monotonic_s() - self._beat_s
        return silent_s < SILENCE_S, "ok" if silent_s < SILENCE_S else f"the app is silent for {silent_s:.0f} s"

    def ready(self) -> Answer:
        return all_ready([self._status.snapshot(delayed=0), *(self.threads.states() if self.threads else ())])


def shared_partitions(broker: KafkaBroker) -> int:
    """The number of partitions of `progress`. Raises `Fatal` (`table_partitions`) where the table has another number:
    the state of an asset is in the partition that its events had before, and they now come through another one.
    """
    counts = broker.partition_counts((PROGRESS.name, CHANGELOG))
    count, held = counts[PROGRESS.name], counts.get(CHANGELOG)
    if held not in {None, count}:
        raise Fatal(
            f"topic {PROGRESS.name} has {count} partitions and the control plane's table has {held}; both need the same"
            f" number. Delete the topic {broker.name_of(CHANGELOG)}, set the group {broker.name_of(APP)} to the"
            " earliest offsets and start again: the table is rebuilt from the retained week of progress, and older"
            " usage is lost",
            code="table_partitions",
        )
    return count


def _prepare(broker: KafkaBroker, partitions: Callable[[str], int]) -> None:
    broker.ensure(topics(partitions))
    broker.declare(PROGRESS.name, APP)


def topics(partitions: Callable[[str], int]) -> list[TopicSpec]:
    """The topics that the control plane reads and writes, as the understanding topology defines them."""
    return [topic.spec(partitions(topic.name)) for topic in (PROGRESS, COMPLETIONS, DEAD_LETTERS)]


def _webhook(settings: WebhookSettings, broker: KafkaBroker, metrics: Metrics, clock: Clock) -> StageThreads:
    topology = Topology([webhook_stage(settings, clock)], entry=(COMPLETIONS.name,))
    return StageThreads(
        topology.stages,
        broker,
        clock=clock,
        metrics=metrics,
        readers=topology.groups(),
        pace=Pace(drain_s=settings.timeout_s),
    )
