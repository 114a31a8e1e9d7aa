"""The control plane as a process: the Faust app, and the webhook stage beside it on a thread of its own."""

import threading
from contextlib import ExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry

from stream.clock import Clock
from stream.control.app import Hosting, serve
from stream.control.state import APP
from stream.kafka.broker import KafkaBroker
from stream.kafka.client import KafkaSettings
from stream.metrics import Metrics
from stream.pipelines.webhook import WebhookSettings, webhook_stage
from stream.process import StageThreads
from stream.records import TopicSpec
from stream.topics import COMPLETIONS, DEAD_LETTERS, PROGRESS
from stream.topology import Topology
from stream.worker import Pace


def run_control(
    kafka: KafkaSettings,
    directory: Path,
    partitions: int,
    webhook: WebhookSettings | None,
    stop: threading.Event,
    *,
    clock: Clock,
) -> None:
    """Work until `stop`. Raises what ended it; it may be started again at once, also after kill -9."""
    broker = KafkaBroker(kafka, clock)
    with ExitStack() as held:
        held.callback(broker.close)
        broker.ensure(topics(partitions))
        broker.declare(PROGRESS.name, APP)
        threads = None if webhook is None else held.enter_context(_webhook(webhook, broker, clock))
        hosting = Hosting(kafka, directory / "control", partitions)
        serve(hosting, stop, check=(lambda: None) if threads is None else threads.check)


def topics(partitions: int) -> list[TopicSpec]:
    """What the control plane reads and writes, as the understanding topology has it."""
    return [topic.spec(partitions) for topic in (PROGRESS, COMPLETIONS, DEAD_LETTERS)]


def _webhook(settings: WebhookSettings, broker: KafkaBroker, clock: Clock) -> StageThreads:
    topology = Topology([webhook_stage(settings, clock)], entry=(COMPLETIONS.name,))
    return StageThreads(
        topology.stages,
        broker,
        clock=clock,
        metrics=Metrics(CollectorRegistry()),
        readers=topology.groups(),
        pace=Pace(drain_s=settings.timeout_s),
    )
