"""`rushes run`: runs stages of the topology as one process on a shared broker."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context, UsageProblem
from stream.cli.options.bounds import LAST_TIME_MS, MAX_ROWS, YEAR_S
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.roots import require_buckets
from stream.cli.options.sessions import ClientProperties, Cluster
from stream.cli.options.shards import ShardCounts
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.workers import (
    EVERYTHING,
    Captioner,
    Embedder,
    Light,
    Looks,
    PrivateNetwork,
    RootsOption,
    Schemes,
    Span,
    WhereModelsRun,
    WorkerOptions,
    readable_roots,
)
from stream.clock import SystemClock
from stream.pipelines.settings import PARTITION_ASSETS, PARTITION_CREDIT_S, Settings
from stream.pipelines.stages import CAPTION
from stream.runtime import priority
from stream.runtime.temporary_folders import own_scratch
from stream.topology.topics import NOTIFICATIONS, SPANS


def run(  # one option per thing a deployment decides
    context: typer.Context,
    stages: Annotated[list[str], typer.Argument(help="Stages, as `rushes topology` lists them.")],
    broker: Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")],
    client_properties: ClientProperties = None,
    root: RootsOption = None,
    epoch_ms: Annotated[
        int,
        typer.Option(min=0, max=LAST_TIME_MS, help="Roll-out time in ms, the same for every process of a roll-out."),
    ] = 0,
    partitions: PartitionCounts = None,
    bucket: Annotated[
        list[str] | None,
        typer.Option(
            help="BUCKET/PREFIX=TENANT/PROJECT, or with {tenant} and {project} in the prefix: whose objects the stage"
            " `notifications` publishes; repeatable."
        ),
    ] = None,
    scheme: Schemes = None,
    models: Looks = EVERYTHING,
    embedder: Embedder = None,
    captioner: Captioner = "template",
    device: WhereModelsRun = "auto",
    private_network: PrivateNetwork = False,
    span: Span = 120.0,
    light: Light = False,
    shards: ShardCounts = None,
    tenant_credit: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=YEAR_S,
            help="Seconds of footage one tenant may have at work."
            f" [default: {PARTITION_CREDIT_S:g} for each partition]",
        ),
    ] = None,
    tenant_assets: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_ROWS,
            help=f"Assets one tenant may have at work. [default: {PARTITION_ASSETS} for each partition]",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where /metrics, /healthz and /readyz are served.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 0,
    give_way: Annotated[
        bool,
        typer.Option(
            "--give-way",
            help="Let what else runs on this machine go first (nice 19), such as a service that people search.",
        ),
    ] = False,
) -> None:
    """Run stages on Kafka until SIGTERM, then finish the work in flight. Start any number of processes, anywhere.

    Give options that decide results (models, span, schemes) to every process of a roll-out, including sinks.
    """
    # Before anything that starts threads.
    if give_way:
        priority.give_way()
    from stream.pipelines.understanding import needing
    from stream.sessions.stage_process import Deployment, run_deployed
    from stream.topology.topology import UnknownStage

    shared: Context = context.obj
    clock = SystemClock()
    counts = Partitions.parse(partitions)
    options = WorkerOptions(
        *(embedder, captioner, light, device, private_network, span, tuple(scheme or ())),
        readable_roots(root, bucket),
        tuple(shards or ()),
        models,
    )
    settings = replace(
        options.applied(file_settings(shared)),
        bucket_rules=tuple(bucket or ()),
        tenant_credit_s=tenant_credit or PARTITION_CREDIT_S * counts.of(SPANS.name),
        tenant_assets=tenant_assets or PARTITION_ASSETS * counts.of(SPANS.name),
    )
    # Only stages that read footage need to know what may be read.
    if not needing("media").isdisjoint(stages):
        require_buckets(settings.schemes, settings.prefixes)
    deployment = Deployment(epoch_ms, counts.default, host, port, counts.topics)
    stop, there = threading.Event(), Cluster(broker, client_properties, shared.deployment)
    try:
        # The folder comes first and goes last: stages use it until they have drained.
        with own_scratch(), there.connected(clock) as cluster, stop_on_signals(stop):
            run_deployed(settings, stages, cluster, deployment, stop, clock=clock)
    # `run_deployed` knows the stages. An unknown one may need an option, which the hint names.
    except UnknownStage as unknown:
        raise UsageProblem(f"{unknown.args[0]}{_missing_options(stages, settings)}") from None


def _missing_options(stages: Sequence[str], settings: Settings) -> str:
    """A hint: the options that add the requested stages to the topology."""
    optional = (
        (CAPTION, settings.models.captioned, "--captioner hf:DIR"),
        (NOTIFICATIONS.name, bool(settings.bucket_rules), "--bucket RULE"),
    )
    return "".join(f"; {name!r} needs {option}" for name, there, option in optional if name in stages and not there)
