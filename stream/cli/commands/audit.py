"""`rushes audit`: make a trail, prove that nothing in it was changed, read it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context, UsageProblem
from stream.cli.options.sessions import ClientProperties, Cluster
from stream.cli.options.times import moment_ms
from stream.cli.rendering.audit_events import TABLE_COLUMNS, events_lines, events_table
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.files import read_small
from stream.sessions.audit_topic import KEPT_DAYS

if TYPE_CHECKING:
    from stream.audit.verification import Verified

app = typer.Typer(help="The audit trail: make one, prove that nothing was changed, read it.", no_args_is_help=True)
MAX_ROWS = 1_000


@app.command()
def init(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Whose trail it is, such as example.com/audit.")] = "rushes/audit",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the key that is there, if there is one.")] = False,
) -> None:
    """Make the key of a trail, and print what it is verified with: give that line to who audits, now."""
    from stream.audit.checkpoint import is_name
    from stream.audit.keys import make_key, read_key

    shared: Context = context.obj
    _directory(shared)
    if not is_name(name):
        raise UsageProblem(f"--name {name!r}: printable characters without blanks and +")
    try:
        key = make_key(shared.audit_key, name)
    except FileExistsError:
        # Never made anew: only the old key verifies what it signed.
        if not keep:
            raise UsageProblem(
                f"{shared.audit_key} exists: the trail has been made; `rushes audit key` prints what it is verified"
                " with"
            ) from None
        key = read_key(shared.audit_key)
    shared.errors.print(f"The key is {shared.audit_key}. Who verifies the trail needs this line:", soft_wrap=True)
    shared.write(f"{key.verifier}\n")


@app.command()
def verify(
    context: typer.Context,
    key: Annotated[str | None, typer.Option(help="The line that `rushes audit key` prints, or a file with it.")] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A checkpoint that was kept elsewhere; repeatable."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="kafka://host:port[,host:port…]: also by the checkpoints on its topic `audit`.")
    ] = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Find events that were changed, removed, put elsewhere or cut off. Exit code 1 where something was found.

    A trail that was written anew as a whole is found only with a checkpoint that was kept elsewhere. With --broker all
    count that this key signed and that the topic `audit` has.
    """
    from stream.audit.verification import verify as verified

    shared: Context = context.obj
    directory = _directory(shared)
    if not directory.is_dir():
        raise UsageProblem(f"{directory} does not exist: there is no trail to verify")
    verifier = _verifier(shared, key)
    known = [(path, _read(Path(path))) for path in checkpoint or ()]
    if broker is not None:
        known += _anchored(Cluster(broker, client_properties, shared.deployment), verifier)
    found = verified(directory, verifier, known)
    if json_output:
        shared.print_json(asdict(found) | {"root": found.root.hex(), "holds": found.holds})
    else:
        for item in found.findings:
            place = f"{shown(item.file)}:{item.line}" if item.line else shown(item.file)
            shared.console.print(f"[red]{place}[/] {shown(item.text)}", soft_wrap=True)
        if found.unfinished:
            shared.console.print("The last line is half written: its writer was killed, or is writing.", style="dim")
        if found.holds:
            _say_what_holds(shared, found, compared=bool(known))
    if not found.holds:
        raise typer.Exit(1)


def _say_what_holds(shared: Context, found: "Verified", *, compared: bool) -> None:
    since = f" from event {found.first} on" if found.first else ""
    shared.console.print(
        f"{found.events} events{since}, {found.checkpoints} checkpoints: nothing was changed.", style="green"
    )
    # No green word may stand for what nothing here proves.
    if young := found.size - found.signed:
        shared.console.print(
            f"No checkpoint covers the newest {young} yet: that some of them are missing would not show.",
            style="dim",
            soft_wrap=True,
        )
    if not compared:
        shared.console.print(
            "Without a checkpoint that was kept elsewhere (--checkpoint, or --broker) two things do not show: an end"
            " that was cut off with its checkpoints, and a trail that was written anew with its key.",
            style="dim",
            soft_wrap=True,
        )


@app.command()
def checkpoint(context: typer.Context) -> None:
    """Print the newest checkpoint. Keep it where who writes the trail cannot change it."""
    from stream.audit.files import CHECKPOINTS, notes_of

    shared: Context = context.obj
    notes = notes_of(_directory(shared) / CHECKPOINTS)
    if not notes:
        raise UsageProblem(f"{_directory(shared)} has no checkpoint yet: it comes with the first access")
    shared.write(notes[-1].decode())


@app.command()
def export(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            help="ndjson:PATH, parquet:PATH, kafka://HOST:PORT, syslog+tls://HOST:PORT, splunk+https://HOST:PORT or"
            " https://HOST/PATH."
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Go on as events come, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3_600.0, help="Seconds between two looks for new events.")
    ] = 1.0,
    client_properties: ClientProperties = None,
    keep_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="How long the topic `audit` keeps an event, where it is made.")
    ] = KEPT_DAYS,
    host: Annotated[
        str, typer.Option(help="With --port: where /metrics, /healthz and /readyz are served.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve metrics there while it runs; 0 takes a free one.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Deliver the trail to what a SIEM reads, each event at least once. Each target has a place of its own and is tried
    again while it is away. Without --follow it ends with exit code 1 where a target did not take everything.

    With kafka:// events and checkpoints go to the topic `audit` of the deployment, to which a SIEM subscribes. Other
    secrets come from the environment: RUSHES_SPLUNK_TOKEN for Splunk, RUSHES_SIEM_AUTHORIZATION for https.
    """
    from prometheus_client import CollectorRegistry

    from stream.observability.metrics import AuditMetrics
    from stream.sessions.audit_delivery import AuditFeeds

    shared: Context = context.obj
    directory, registry, stop = _directory(shared), CollectorRegistry(), threading.Event()
    with ExitStack() as held:
        kafka = partial(Cluster, properties=client_properties, deployment=shared.deployment)
        # Each once: two feeds of one target would share its place.
        named = {name: held.enter_context(_target(name, kafka, keep_days)) for name in dict.fromkeys(targets)}
        feeds = AuditFeeds(directory, named, SystemClock(), AuditMetrics(registry))
        if port is not None:
            _serve_metrics(shared, held, registry, (host, port))
        held.enter_context(stop_on_signals(stop))
        feeds.run(stop, interval if follow else None)
    ends = feeds.ends()
    if json_output:
        shared.print_json([asdict(end) for end in ends])
    else:
        for end in ends:
            trouble = f": {shown(end.trouble)}" if end.trouble else ""
            style = "red" if end.trouble or end.waiting else "green"
            line = f"{shown(end.target)} has {end.delivered} more events, {end.waiting} wait{trouble}"
            shared.console.print(line, style=style, soft_wrap=True)
    # With --follow events may come after the last look: that some wait is no failure.
    if any(end.trouble or (end.waiting and not follow) for end in ends):
        raise typer.Exit(1)


@app.command()
def key(context: typer.Context) -> None:
    """Print the line that a trail is verified with, also that of a service: `rushes --audit STATE/audit-service audit
    key`. It is no secret.
    """
    from stream.audit.keys import read_key

    shared: Context = context.obj
    _directory(shared)
    shared.write(f"{read_key(shared.audit_key).verifier}\n")


@app.command()
def show(
    context: typer.Context,
    about: Annotated[
        str | None,
        typer.Option(help="Only of this asset, moment, dead letter, key or holder of a role, or of these words."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant's footage and rights.")] = None,
    who: Annotated[
        str | None, typer.Option(help="Only what they did: service:acme/newsroom, or the id of a key or a session.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From then on (UTC): 2026-01-31, 2026-01-31T08:30, or 7d for seven days ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then, written as --since is.")] = None,
    last: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="How many events at most.")] = 50,
    json_output: Annotated[bool, typer.Option("--json", help="The events as they are, in OCSF.")] = False,
) -> None:
    """Show the newest events, oldest first. It verifies nothing.

    The trail has words, and names with a slash, as digests only: with --about its key finds those of the same text.
    """
    from stream.audit.files import latest_events
    from stream.audit.keys import read_key, secret_of
    from stream.audit.wanted import WantedEvents

    shared: Context = context.obj
    directory, now_ms = _directory(shared), SystemClock().now_ms()
    # Only where something is looked for: who reads a trail need not have its key.
    secret = secret_of(read_key(shared.audit_key)) if about is not None else b""
    bounds = [None if text is None else moment_ms(text, now_ms) for text in (since, until)]
    wanted = WantedEvents(secret, about, tenant, who, *bounds)
    found = latest_events(directory, wanted, last, since_ms=bounds[0])
    events = found.events[::-1]
    if json_output:
        shared.print_json(events)
        return
    if not events:
        shared.console.print("There is no such event.")
    elif shared.console.width < TABLE_COLUMNS:
        shared.console.print(events_lines(events), soft_wrap=True, markup=False, highlight=False)
    else:
        shared.console.print(events_table(events))
    if not found.complete:
        shared.errors.print(f"These are the newest {last}; --last shows more.")


@contextmanager
def _target(uri: str, kafka: Callable[[str], Cluster], keep_days: int) -> Iterator[Any]:
    from sinks.siem.target import target_at
    from stream.sessions.audit_topic import AuditTopic, audit_topic

    if uri.startswith("kafka://"):
        with (
            kafka(uri).connected(SystemClock()) as broker,
            closing(AuditTopic(broker, audit_topic(1, keep_days))) as it,
        ):
            yield it
        return
    with closing(target_at(uri)) as target:
        yield target


def _serve_metrics(shared: Context, held: ExitStack, registry: Any, at: tuple[str, int]) -> None:
    from stream.observability.http_endpoints import served
    from stream.observability.labels import labelled

    # A target that is away is told of by the lag: a restart would not bring it back.
    shown_metrics = labelled(registry, shared.deployment)
    well = (True, "ok")
    bound = held.enter_context(served(shown_metrics, healthy=lambda: well, ready=lambda: well, host=at[0], port=at[1]))
    shared.errors.print(f"Metrics are at http://{at[0]}:{bound}/metrics.", soft_wrap=True)


def _directory(shared: Context) -> Path:
    if shared.audit is None:
        raise UsageProblem("say which trail: `rushes --audit PATH audit …`, or set RUSHES_AUDIT")
    return shared.audit.path()


def _verifier(shared: Context, given: str | None) -> Any:
    from stream.audit.checkpoint import VerifierKey
    from stream.audit.keys import read_key

    if given is None:
        return read_key(shared.audit_key).verifier
    path = Path(given)
    return VerifierKey.parse(_read(path).decode("utf-8", "replace") if path.is_file() else given)


def _anchored(cluster: Cluster, verifier: Any) -> list[tuple[str, bytes]]:
    from stream.errors import BadRequest
    from stream.sessions.audit_topic import anchored

    found = []
    with cluster.connected(SystemClock()) as broker:
        for place, note in anchored(broker):
            # Other trails have keys of their own; anybody may have written what nobody signed.
            with suppress(BadRequest):
                verifier.opened(note)
                found.append((place, note))
    return found


def _read(path: Path) -> bytes:
    try:
        return read_small(path)
    except OSError as error:
        raise UsageProblem(f"{path} cannot be read: {error.strerror}") from None
