"""`rushes manifests`: writes what a cluster needs to run the topology into a directory."""

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.context import Context, UsageProblem
from stream.cli.options.bounds import LAST_TIME_MS, YEAR_S
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.roots import require_buckets
from stream.cli.options.shards import ShardCounts
from stream.cli.options.workers import (
    EVERYTHING,
    Captioner,
    Embedder,
    Looks,
    PrivateNetwork,
    RootsOption,
    Schemes,
    Span,
    WorkerOptions,
    readable_roots,
)
from stream.cli.rendering.output import write_file
from stream.cli.rendering.sanitize import shown

if TYPE_CHECKING:
    from sinks.location import Location
    from stream.deployment.job_workers import JobRollout
    from stream.deployment.webhook import Webhook


def manifests(  # one option per thing a deployment decides
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Where they are written; made if it is missing.")],
    image: Annotated[str, typer.Option(help="Container image with rushes installed.")],
    broker: Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")],
    namespace: Annotated[str, typer.Option(help="Kubernetes namespace.")] = "rushes",
    epoch_ms: Annotated[int, typer.Option(min=0, max=LAST_TIME_MS, help="Roll-out time in ms.")] = 0,
    partitions: PartitionCounts = None,
    client_secret: Annotated[str | None, typer.Option(help="Secret that holds client.properties.")] = None,
    prometheus: Annotated[str, typer.Option(help="Prometheus that KEDA asks.")] = "http://prometheus.monitoring:9090",
    monitoring: Annotated[str, typer.Option(help="Namespace that scrapes come from.")] = "monitoring",
    objective: Annotated[
        float, typer.Option(min=1.0, max=YEAR_S, help="Seconds until interactive footage is searchable.")
    ] = 60.0,
    guide: Annotated[str, typer.Option(help="Where the operations guide is, for links.")] = "docs/operations.md",
    gpu: Annotated[bool, typer.Option(help="Models run on NVIDIA GPUs.")] = False,
    models: Looks = EVERYTHING,
    embedder: Embedder = None,
    captioner: Captioner = "template",
    private_network: PrivateNetwork = False,
    span: Span = 120.0,
    scheme: Schemes = None,
    root: RootsOption = None,
    shards: ShardCounts = None,
    bucket: Annotated[
        list[str] | None, typer.Option(help="Run the notifications stage with this rule; may be repeated.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Run the gate, for tenants with a topic of their own.")] = False,
    bucket_secret: Annotated[
        str | None, typer.Option(help="Secret whose keys are the environment of plan and decode: AWS_ACCESS_KEY_ID, …")
    ] = None,
    store_secret: Annotated[
        str | None, typer.Option(help="Secret whose keys are the environment of stages that open stores in buckets.")
    ] = None,
    jobs_objects: Annotated[
        str | None, typer.Option(help="Run the stages of jobs too, whose objects lie there: s3://BUCKET/PREFIX.")
    ] = None,
    jobs_secret: Annotated[
        str | None,
        typer.Option(help="Secret whose keys are the environment of jobs: AWS_ACCESS_KEY_ID, RUSHES_MANIFEST_KEY, …"),
    ] = None,
    deliver_root: Annotated[
        list[str] | None,
        typer.Option(metavar="[TENANT=]PLACE", help="Where finals of jobs may be delivered; repeatable."),
    ] = None,
    jobs_keep_days: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=36_500.0,
            metavar="DAYS",
            help="Results of stages that are older are removed, and no finals. [default: never]",
        ),
    ] = None,
    jobs_keep_parts_days: Annotated[
        float | None,
        typer.Option(min=1.0, max=36_500.0, metavar="DAYS", help="Parts of stages. [default: --jobs-keep-days]"),
    ] = None,
    jobs_webhook: Annotated[str | None, typer.Option(help="http(s) URL that is told of ended jobs.")] = None,
    jobs_webhook_secret: Annotated[
        str | None, typer.Option(help="Secret whose `secret` signs what is posted of jobs; such a webhook needs one.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="http(s) URL that control tells of completed assets.")] = None,
    webhook_secret: Annotated[
        str | None, typer.Option(help="Secret whose `secret` signs what is posted; a webhook needs one.")
    ] = None,
) -> None:
    """Write kubernetes.yaml, keda.yaml, alerts.yaml and dashboard.json. Nothing is applied."""
    from stream.clock import SystemClock
    from stream.deployment.alerts import rules
    from stream.deployment.dashboard import dashboard
    from stream.deployment.keda import scaled_objects
    from stream.deployment.kubernetes import Rollout
    from stream.deployment.kubernetes import manifests as objects
    from stream.operators.notifications import BucketRule
    from stream.pipelines.reference import with_jobs
    from stream.pipelines.settings import Settings
    from stream.pipelines.understanding import Understanding
    from stream.topology.tenants import ANY_TENANT

    shared: Context = context.obj
    counts = Partitions.parse(partitions)
    for option, model in (("--embedder", embedder), ("--captioner", captioner)):
        _require_visible(option, model or "", shared.deployment)
    options = WorkerOptions(
        embedder,
        captioner,
        private_network=private_network,
        span=span,
        scheme=tuple(scheme or ()),
        root=readable_roots(root, bucket),
        shards=tuple(shards or ()),
        models=models,
    )
    _require_prefixes(options)
    buckets = tuple(bucket or ())
    for rule in buckets:
        # Only parsed: a wrong rule should fail here and not in a pod.
        BucketRule.parse(rule)
    if bucket_secret is not None and not buckets:
        raise UsageProblem("--bucket-secret without --bucket: say whose objects the notifications stage publishes")
    jobs = _jobs(
        jobs_objects,
        jobs_secret,
        tuple(deliver_root or ()),
        (jobs_keep_days, jobs_keep_parts_days),
        _webhook(jobs_webhook, jobs_webhook_secret, of="jobs-"),
    )
    webhook_settings = _webhook(webhook, webhook_secret)
    shape = replace(
        # No folder of this machine matters: only the shape of the topology is asked.
        options.applied(Settings(state_dir=Path(), cache_dir=Path())),
        bucket_rules=buckets,
        model_device="cuda" if gpu else "cpu",
    )
    topology = Understanding(shape, SystemClock(), epoch_ms=epoch_ms, tenants=ANY_TENANT).topology(gated=gate)
    if jobs is not None:
        topology = with_jobs(topology, told=jobs.webhook is not None)
    rollout = Rollout(
        image,
        _servers(broker),
        namespace=namespace,
        epoch_ms=epoch_ms,
        partitions=counts.default,
        topic_partitions=counts.topics,
        client_secret=client_secret,
        monitoring=monitoring,
        bucket_secret=bucket_secret,
        webhook=webhook_settings,
        options=tuple(options.words()),
        private_sources=private_network,
        deployment=shared.deployment,
        index=_in_a_bucket("--index", shared.index),
        parquet=_in_a_bucket("--parquet", shared.parquet),
        store_secret=store_secret,
        jobs=jobs,
    )
    if store_secret is not None and not rollout.stores:
        raise UsageProblem("--store-secret without stores in buckets: say `rushes --index s3://… manifests`")
    # Only now: everything is checked before the first file is written.
    _make(directory)
    _write(directory / "kubernetes.yaml", *objects(topology, rollout))
    _write(directory / "keda.yaml", *scaled_objects(topology, rollout, prometheus=prometheus))
    _write(directory / "alerts.yaml", rules(topology, objective_s=objective, guide=guide, deployment=shared.deployment))
    write_file(directory / "dashboard.json", json.dumps(dashboard(topology.units), indent=2) + "\n", "directory")
    shared.console.print(f"Wrote kubernetes.yaml, keda.yaml, alerts.yaml and dashboard.json into {shown(directory)}.")


def _webhook(url: str | None, secret_name: str | None, *, of: str = "") -> "Webhook | None":
    """The webhook, or None. `of`: with what its options begin. Raises `UsageProblem` for a URL without a secret or the
    reverse, `Fatal` for a bad URL.
    """
    from stream.deployment.webhook import Webhook
    from stream.operators.webhook import port_of

    if url is None and secret_name is None:
        return None
    if url is None or secret_name is None:
        names = [option.replace("--", f"--{of}") for option in ("--webhook", "--webhook-secret")]
        given, lacking = names if secret_name is None else reversed(names)
        raise UsageProblem(
            f"{given} without {lacking}: what is posted is signed, and nothing starts otherwise; give them together"
        )
    return Webhook(url, port_of(url), secret_name)


def _jobs(
    objects: str | None,
    secret: str | None,
    deliver_roots: tuple[str, ...],
    keep_days: tuple[float | None, float | None],
    webhook: "Webhook | None",
) -> "JobRollout | None":
    """What the stages of jobs need, or None. Raises `UsageProblem` for options without --jobs-objects, and for a
    directory, which no pod sees.
    """
    from sinks.location import Location
    from sinks.objects.delivery_roots import DeliveryRoot
    from stream.deployment.job_workers import JobRollout
    from stream.errors import Fatal

    kept, kept_parts = keep_days
    if kept is None and kept_parts is not None:
        raise UsageProblem("--jobs-keep-parts-days needs --jobs-keep-days")
    if objects is None:
        options: dict[str, object] = {
            "--jobs-secret": secret,
            "--deliver-root": deliver_roots or None,
            "--jobs-webhook": webhook,
            "--jobs-keep-days": kept,
        }
        if given := next((option for option, value in options.items() if value is not None), None):
            raise UsageProblem(f"{given} without --jobs-objects: say where the objects of jobs lie")
        return None
    try:
        place = _in_a_bucket("--jobs-objects", Location.of(objects))
        for root in deliver_roots:
            DeliveryRoot.parse(root)
    except Fatal as error:
        raise UsageProblem(f"--jobs-objects and --deliver-root: {error.message}") from None
    assert place is not None, "it was given"
    return JobRollout(place, secret, deliver_roots, webhook, kept, kept_parts)


def _in_a_bucket(option: str, place: "Location | None") -> str | None:
    """The place of a store, as pods are told it. Raises `UsageProblem` for a directory, which no pod sees."""
    if place is not None and place.path is not None:
        raise UsageProblem(f"{option} {place} is a directory of this machine: name a place such as s3://bucket/prefix")
    return None if place is None else place.uri


def _require_prefixes(options: WorkerOptions) -> None:
    """Raises `UsageProblem` for a folder, because pods see only the mounted one, and for a store without a bucket."""
    from stream.deployment.kubernetes import MEDIA

    if options.roots.folders:
        raise UsageProblem(f"--root {options.roots.folders[0]}: pods read folders under {MEDIA}; name buckets only")
    require_buckets(options.scheme, options.roots.prefixes)


def _require_visible(option: str, model: str, deployment: str) -> None:
    """Raises `UsageProblem` for a checkpoint outside the volume of weights, because pods read weights only there."""
    from stream.deployment.kubernetes import CACHE

    kind, _, directory = model.partition(":")
    if kind == "hf" and not PurePosixPath(directory).is_relative_to(CACHE):
        raise UsageProblem(
            f"{option} {model!r}: no pod sees this directory; put the checkpoint on the volume"
            f" {deployment}-cache and say"
            f" hf:{CACHE}/DIR"
        )


def _servers(broker: str) -> str:
    scheme, _, servers = broker.partition("://")
    # A port is needed for network policies, so it may not be left out.
    ports = [server.rpartition(":")[2] for server in servers.split(",")]
    if scheme != "kafka" or not all(port.isdigit() for port in ports):
        raise UsageProblem(f"--broker {broker!r}: say kafka://host:port[,host:port…]")
    return servers


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageProblem(f"directory {directory} cannot be made: {why}") from None


def _write(path: Path, *documents: Any) -> None:
    # YAML is imported only by this command.
    import yaml

    # YAML would write equal parts as references; a copy through JSON has no shared parts.
    plain = json.loads(json.dumps(documents))
    write_file(path, yaml.safe_dump_all(plain, sort_keys=False, allow_unicode=True), "directory")
