"""`rushes control` runs the control plane on Kafka; `rushes usage` and `rushes progress` read its table."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context, UsageProblem
from stream.cli.options.bounds import MAX_ROWS
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.sessions import Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.webhooks import WebhookNetwork, WebhookSecret, WebhookSecretFile, webhook_settings
from stream.cli.rendering.live import STYLES
from stream.cli.rendering.sanitize import shown
from stream.cli.rendering.tables import plain_table, utc
from stream.cli.rendering.usage import usage_rows, usage_table
from stream.clock import SystemClock
from stream.events.ids import clip_name

if TYPE_CHECKING:
    from stream.control.view import ControlView, TrackedSubject

BrokerUri = Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")]
ClientProperties = Annotated[
    Path | None, typer.Option(help="librdkafka properties, key=value a line: security settings and secrets.")
]
OfTenant = Annotated[str | None, typer.Option(help="Only this tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


def control(
    context: typer.Context,
    broker: BrokerUri,
    client_properties: ClientProperties = None,
    partitions: PartitionCounts = None,
    webhook: Annotated[str | None, typer.Option(help="http(s) URL that gets a POST for every completed asset.")] = None,
    webhook_secret_file: WebhookSecretFile = None,
    webhook_secret: WebhookSecret = None,
    private_network: WebhookNetwork = False,
    host: Annotated[str, typer.Option(help="Where /metrics, /healthz and /readyz are served.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 0,
) -> None:
    """Fold progress, keep usage, publish completions. The table is in Kafka: the state directory may be lost."""
    # Imported here, so that other commands start without the control plane's libraries.
    from stream.pipelines.control import Served, run_control

    shared: Context = context.obj
    counts = Partitions.parse(partitions)
    settings = webhook_settings(webhook, webhook_secret_file, webhook_secret, private_network=private_network)
    kafka = Cluster(broker, client_properties, shared.deployment).settings()

    def announce(bound: int) -> None:
        shared.console.print(f"Metrics are at http://{host}:{bound}/metrics.", soft_wrap=True)
        # Flushed, because a program that starts this one waits for the line.
        shared.console.file.flush()

    stop = threading.Event()
    beside = Served(settings, host, port)
    with stop_on_signals(stop):
        run_control(kafka, shared.state_dir, counts.of, beside, stop, clock=SystemClock(), announce=announce)


def usage(
    context: typer.Context,
    broker: Annotated[
        str | None, typer.Option(help="kafka://host:port[,host:port…]; without it, what runs over --state used.")
    ] = None,
    client_properties: ClientProperties = None,
    window: Annotated[str, typer.Option(help="hour or day, of publication (UTC).")] = "day",
    tenant: OfTenant = None,
    json_output: AsJson = False,
) -> None:
    """What each tenant used, by stage and window: work in its unit, CPU and device seconds, bytes read."""
    from stream.control.view import Window

    shared: Context = context.obj
    if window not in get_args(Window):
        raise UsageProblem(f"--window {window!r}: choose hour or day")
    cluster = Cluster.named(broker, client_properties, shared.deployment)
    view = _own_view(shared) if cluster is None else _view(cluster)
    found = view.usage("hour" if window == "hour" else "day", tenant)
    if json_output:
        shared.print_json(usage_rows(found))
        return
    shared.console.print(usage_table(found) if found else "No usage yet.")


def progress(
    context: typer.Context,
    broker: BrokerUri,
    client_properties: ClientProperties = None,
    tenant: OfTenant = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_ROWS, help="How many rows of the table at most; --json has all.")
    ] = 50,
    json_output: AsJson = False,
) -> None:
    """Show how far each asset is in each stage, newest first."""
    shared: Context = context.obj
    views = _view(Cluster(broker, client_properties, shared.deployment)).subjects(tenant)
    if json_output:
        shared.print_json([_asset_json(view) for view in views])
        return
    stages = list(dict.fromkeys(name for view in views for name in sorted(view.done)))
    table = plain_table("Progress", ("tenant", "asset", "status"), ("cells", *stages))
    for view in views[:limit]:
        change = view.head.change
        status = f"[{STYLES[change.status]}]{change.status}[/]" if change else "-"
        asset = view.head.asset
        done = (str(view.done.get(name, 0)) for name in stages)
        # A deleted asset has no name any more (ADR 0023).
        name = clip_name(view.name.asset_id) if view.name.asset_id else "(deleted)"
        table.add_row(shown(asset.tenant), shown(name), status, str(_cells(view)), *done)
    shared.console.print(table if views else "Nothing yet: is `rushes control` running?")
    if len(views) > limit:
        shared.console.print(f"{limit} of {len(views)}; --limit {len(views)} shows all")


def _view(cluster: Cluster) -> "ControlView":
    from stream.broker.kafka.snapshot import latest_values
    from stream.control.state import CHANGELOG
    from stream.control.view import ControlView

    return ControlView(latest_values(cluster.settings(), CHANGELOG, SystemClock()))


def _own_view(shared: Context) -> "ControlView":
    from stream.control.journal import UsageJournal
    from stream.control.view import ControlView

    return ControlView(UsageJournal(file_settings(shared).usage_file).read())


def _cells(view: "TrackedSubject") -> int:
    change = view.head.change
    # Head and status may come from different reports, and either may be missing.
    return max(view.head.segment_count, change.segment_count if change else 0)


def _asset_json(view: "TrackedSubject") -> dict[str, Any]:
    head = view.head
    return {
        "tenant": head.asset.tenant,
        "project": view.name.project or None,
        "asset_id": view.name.asset_id or None,
        "version": list(head.asset.version),
        "published": utc(head.asset.version.append_ms),
        "segments": _cells(view),
        "status": head.change.status if head.change else None,
        "code": head.change.code if head.change else None,
        "segments_done": dict(view.done),
    }
