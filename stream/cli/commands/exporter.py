"""`rushes exporter`: freshness, backlog and desired replicas for Prometheus, measured outside
the workers (ADR 0019).
"""

import threading
from typing import Annotated

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context
from stream.cli.options.observer import (
    BatchDrain,
    Broker,
    Captions,
    ClientProperties,
    Interval,
    Jobs,
    MaxReplicas,
    Notifications,
    Notify,
    Objective,
    Prior,
    Watched,
    deployed,
    observing,
    scaling_policy,
)
from stream.cli.options.sessions import Cluster
from stream.cli.options.shards import ShardCounts
from stream.clock import SystemClock


def exporter(  # one option per thing a deployment decides
    context: typer.Context,
    broker: Broker,
    client_properties: ClientProperties = None,
    host: Annotated[str, typer.Option(help="Where /metrics, /healthz and /readyz are served.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 9108,
    interval: Interval = 5.0,
    objective: Objective = 60.0,
    batch_drain: BatchDrain = 3600.0,
    max_replicas: MaxReplicas = 32,
    prior: Prior = None,
    captions: Captions = False,
    notifications: Notifications = False,
    jobs: Jobs = False,
    notify: Notify = False,
    shards: ShardCounts = None,
) -> None:
    """Observe the topology until SIGTERM. It reads only small records, and works without running workers."""
    from stream.freshness.exporter import run_exporter

    shared: Context = context.obj

    def announce(bound: int) -> None:
        shared.console.print(f"Metrics are at http://{host}:{bound}/metrics.", soft_wrap=True)
        # Flushed, because a program that starts this one waits for the line.
        shared.console.file.flush()

    policy = scaling_policy(objective, batch_drain, max_replicas, prior)
    cluster = Cluster(broker, client_properties, shared.deployment)
    topology = deployed(captions=captions, notifications=notifications, jobs=jobs, notify=notify, shards=shards)
    stop = threading.Event()
    with (
        observing(Watched(cluster, topology, policy, remembers=True)) as sight,
        stop_on_signals(stop),
    ):
        run_exporter(
            sight,
            stop,
            announce,
            clock=SystemClock(),
            interval_s=interval,
            host=host,
            port=port,
            deployment=shared.deployment,
        )
