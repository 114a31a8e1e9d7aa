"""Who processes what the service is sent: a process beside it, or the workers of a cluster."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from stream.cli.context import Context
from stream.cli.options.sessions import Cluster
from stream.cli.options.workers import WorkerOptions
from stream.clock import SystemClock
from stream.pipelines.settings import Settings
from stream.pipelines.source_policies import KnownTenants
from stream.sessions.background import BackgroundWork
from stream.sessions.background_process import BackgroundProcess


@contextmanager
def background_of(
    context: Context,
    settings: Settings,
    reading: WorkerOptions,
    tenants: KnownTenants,
    broker: str | None,
    client_properties: Path | None,
) -> Iterator[BackgroundWork]:
    """For the block. `reading`: what may be read by a process of this machine."""
    cluster = Cluster.named(broker, client_properties, context.deployment)
    if cluster is None:
        with process_beside(context, reading.words()) as beside:
            yield beside
        return
    from sinks.dead_letters import DeadLetters
    from stream.sessions.background_cluster import BackgroundCluster
    from stream.sessions.events_before import EventsBeforeIndex

    clock = SystemClock()
    before = EventsBeforeIndex(cluster.settings(), tenants, clock)
    with (
        cluster.connected(clock) as there,
        closing(BackgroundCluster(there, DeadLetters(settings.index_dir), tenants, before)) as sent,
    ):
        yield sent


@contextmanager
def process_beside(context: Context, reading: Sequence[str]) -> Iterator[BackgroundProcess]:
    """One of this machine, for the block. `reading`: the options that say what it may read."""
    command = [sys.executable, "-m", "stream.cli.app", *context.words(), "service-work", *reading]
    with closing(BackgroundProcess(command)) as beside:
        yield beside
