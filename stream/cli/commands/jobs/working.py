"""`rushes jobs run`: the stages of jobs as one process of many on a shared broker."""

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context, UsageProblem
from stream.cli.options.job_keys import (
    KEY_VARIABLE,
    C2paCertificates,
    C2paKey,
    C2paKeyText,
    ManifestKey,
    ManifestKeyText,
    credential_settings,
    signing_key,
)
from stream.cli.options.jobs import ClientProperties, Cluster, ObjectsOption, PricesOption, job_settings
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.webhooks import (
    JobWebhook,
    WebhookNetwork,
    WebhookSecret,
    WebhookSecretFile,
    webhook_settings,
)
from stream.clock import SystemClock
from stream.errors import Fatal
from stream.jobs.prices import GIB

if TYPE_CHECKING:
    from stream.sessions.job_retention import KeptFor


def run(
    context: typer.Context,
    stages: Annotated[
        list[str], typer.Argument(help="`coordinate`, of which one works, `render`, and with --webhook `notify`.")
    ],
    broker: Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")],
    client_properties: ClientProperties = None,
    objects: ObjectsOption = None,
    prices: PricesOption = None,
    renderers: Annotated[int, typer.Option(min=1, max=64, help="Tasks that this process does at a time.")] = 2,
    slots: Annotated[
        int, typer.Option(min=1, max=100_000, help="Tasks that are asked for at a time, for the coordinator.")
    ] = 8,
    intermediates_gib: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=1e6,
            help="For the coordinator: while variants in work have written so many GiB, it begins no other one of the"
            " batch lane.",
        ),
    ] = 100.0,
    keep_days: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=36_500.0,
            metavar="DAYS",
            help="The coordinator removes results of stages that are older, every hour. [default: never]",
        ),
    ] = None,
    keep_parts_days: Annotated[
        float | None,
        typer.Option(
            min=1.0, max=36_500.0, metavar="DAYS", help="Parts of stages, which few need again. [default: --keep-days]"
        ),
    ] = None,
    keep_finals_days: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=36_500.0,
            metavar="DAYS",
            help="Finals of jobs that ended so long ago; what was delivered elsewhere, and content credentials, stay."
            " [default: for ever]",
        ),
    ] = None,
    deliver_root: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TENANT=]PLACE",
            help="Where finals may be delivered: a folder or s3://BUCKET/PREFIX, in which each tenant has the folder"
            " of its name, or TENANT=PLACE for one tenant alone; repeatable.",
        ),
    ] = None,
    manifest_key: ManifestKey = None,
    manifest_key_text: ManifestKeyText = None,
    c2pa_certificates: C2paCertificates = None,
    c2pa_key: C2paKey = None,
    c2pa_key_text: C2paKeyText = None,
    webhook: JobWebhook = None,
    webhook_secret_file: WebhookSecretFile = None,
    webhook_secret: WebhookSecret = None,
    private_network: WebhookNetwork = False,
    image_digest: Annotated[
        str | None,
        typer.Option(
            metavar="sha256:…",
            envvar="RUSHES_IMAGE_DIGEST",
            help="The digest of the container image that this process runs in; manifests name it.",
        ),
    ] = None,
    partitions: PartitionCounts = None,
    host: Annotated[str, typer.Option(help="Where /metrics, /healthz and /readyz are served.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 0,
) -> None:
    """Run stages of jobs on Kafka until SIGTERM, then finish the parts in work. Start any number of `render`."""
    from stream.cli.auditing import work_auditor
    from stream.pipelines.jobs import NOTIFY, RENDER, JobPipeline
    from stream.sessions.jobs_embedded import scratch_within
    from stream.sessions.jobs_process import run_jobs
    from stream.sessions.stage_process import Deployment
    from stream.topology.topology import UnknownStage

    shared: Context = context.obj
    clock, stop = SystemClock(), threading.Event()
    # Not one that is made here: every machine would sign with another one.
    key = signing_key(manifest_key, manifest_key_text)
    if NOTIFY in stages and webhook is None:
        raise UsageProblem("the stage `notify` needs --webhook")
    if key is None and RENDER in stages:
        shared.errors.print(f"manifests are not signed: name a key with --manifest-key or {KEY_VARIABLE}", markup=False)
    keep = _kept(keep_days, keep_parts_days, keep_finals_days)
    settings = replace(
        job_settings(shared, objects, renderers, prices),
        slots=slots,
        most_bytes=intermediates_gib * GIB,
        audited=work_auditor(shared),
        deliver_roots=_roots(deliver_root),
        key=key,
        image=_image(image_digest),
        credentials=credential_settings(c2pa_certificates, c2pa_key, c2pa_key_text),
        webhook=webhook_settings(webhook, webhook_secret_file, webhook_secret, private_network=private_network),
    )
    counts = Partitions.parse(partitions)
    deployment = Deployment(0, counts.default, host, port, counts.topics)
    there = Cluster(broker, client_properties, shared.deployment)
    try:
        with (
            scratch_within(settings) as held,
            there.connected(clock) as cluster,
            stop_on_signals(stop),
        ):
            jobs = JobPipeline(held, clock, afresh=False)
            if RENDER in stages:
                _ = jobs.credentials  # what is wrong with them is said at start
            run_jobs(jobs, stages, cluster, deployment, stop, clock=clock, name=shared.deployment, keep=keep)
    except UnknownStage as unknown:
        raise UsageProblem(str(unknown.args[0])) from None


def _kept(days: float | None, parts_days: float | None, finals_days: float | None) -> "KeptFor | None":
    from stream.sessions.job_retention import KeptFor

    if days is None:
        if parts_days is not None or finals_days is not None:
            raise UsageProblem("--keep-parts-days and --keep-finals-days need --keep-days")
        return None
    return KeptFor(days, days if parts_days is None else parts_days, finals_days)


def _roots(given: list[str] | None) -> tuple[str, ...]:
    from sinks.objects.delivery_roots import DeliveryRoot

    for text in given or ():
        try:
            DeliveryRoot.parse(text)
        except Fatal as error:
            raise UsageProblem(f"--deliver-root: {error.message}") from None
    return tuple(given or ())


def _image(text: str | None) -> str | None:
    from stream.events.objects import is_digest

    if text is not None and not is_digest(text):
        raise UsageProblem("--image-digest is sha256: and 64 hexadecimal digits, as the registry names the image")
    return text
