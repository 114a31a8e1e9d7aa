"""`rushes dead-letters`: lists records that could not be processed, explains them, and sends them again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from stream.cli.commands.ingest import ingesting, refuse_what_workers_decide, report
from stream.cli.context import Context, DeploymentCommand, UsageProblem
from stream.cli.options.bounds import MAX_ROWS
from stream.cli.options.chosen_models import remembered_models
from stream.cli.options.roots import Roots, remembered_roots, require_buckets
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.times import moment_ms
from stream.cli.options.workers import PrivateNetwork, RootsOption, Schemes, WorkerOptions
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.error_codes.table import advice_for
from stream.events.dead_letter import REPLAY_HEADER
from stream.topology.first_append import APPENDED_HEADER

if TYPE_CHECKING:
    from sinks.dead_letters import DeadLetterFilter, StoredDeadLetter

app = typer.Typer(help="What could not be processed: list, show (metadata only), replay.", no_args_is_help=True)

Stage = Annotated[str | None, typer.Option(help="Only from this stage.")]
Code = Annotated[str | None, typer.Option(help="Only with this error code.")]
Tenant = Annotated[str | None, typer.Option(help="Only of this tenant.")]
Since = Annotated[
    str | None, typer.Option(help="Failed at or after: 2026-01-31, 2026-01-31T08:30 (UTC), or 90m, 24h, 7d ago.")
]
Until = Annotated[str | None, typer.Option(help="Failed before; said like --since.")]


@app.command("list")
def list_(
    context: typer.Context,
    stage: Stage = None,
    code: Code = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
    parked: Annotated[bool, typer.Option("--parked", help="Those that failed after several replays.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_ROWS, help="How many rows of the table at most; --json has all.")
    ] = 200,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Open dead letters, newest first. Parked ones are listed apart."""
    from sinks.dead_letters import DeadLetterState

    shared: Context = context.obj
    store = _store(shared)
    wanted = _filter(stage, code, tenant, since, until, parked=parked)
    # JSON has all; a table of thousands of rows helps nobody.
    found = store.listed(wanted, None if json_output else limit)
    if json_output:
        shared.print_json([metadata(item) for item in found])
        return
    shared.console.print(
        _table(found, "Parked dead letters" if parked else "Dead letters") if found else "No dead letters."
    )
    # Counted apart, because the table may be cut.
    if (total := store.count(wanted)) > len(found):
        shared.console.print(f"{len(found)} of {total}; narrow them down, or --limit {total}")
    if not parked and (aside := store.count(replace(wanted, states=(DeadLetterState.PARKED,)))):
        shared.console.print(f"{aside} more are parked: they failed after every replay. --parked lists them.")


def _table(found: Sequence["StoredDeadLetter"], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("id", "failed (UTC)", "stage, code", "replays"):  # two short lines each, beside a long message
        table.add_column(column, no_wrap=True)
    table.add_column("message", overflow="fold", ratio=1)
    for item in found:
        dead_letter = item.dead_letter
        failed = datetime.fromtimestamp(dead_letter.failed_at_ms / 1000, UTC).strftime("%Y-%m-%d\n%H:%M:%S")
        place = f"{shown(dead_letter.stage)}\n{shown(dead_letter.code)}"
        table.add_row(shown(dead_letter.letter_id[:10]), failed, place, str(item.replays), shown(dead_letter.message))
    return table


@app.command()
def show(context: typer.Context, letter_id: Annotated[str, typer.Argument(help="Id or beginning of it.")]) -> None:
    """One dead letter: everything except the content of its record, and what to do about its error code."""
    shared: Context = context.obj
    found = _one(shared, letter_id)
    shared.print_json(metadata(found) | {"what_to_do": advice_for(found.dead_letter.code)})


@app.command(cls=DeploymentCommand)
def replay(
    context: typer.Context,
    letter_id: Annotated[str | None, typer.Argument(help="Id or beginning of it; without one, by filter.")] = None,
    stage: Stage = None,
    code: Code = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
    private_network: PrivateNetwork = False,
    scheme: Schemes = None,
    root: RootsOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open dead letter.")] = False,
    parked: Annotated[bool, typer.Option("--parked", help="Parked dead letters instead of open ones.")] = False,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Send the records again, oldest first, and work until their assets are final. A record that fails again has a new
    dead letter, which counts the replays, and is parked after the third. A replay may read what was ingested with this
    state directory, and what --root allows.
    """
    from stream.sessions.replay import Feed, Replay

    shared: Context = context.obj
    # On a cluster the workers decide what may be read, so these options would do nothing.
    if broker is not None:
        refuse_what_workers_decide(context)
    store = _store(shared)
    if letter_id is not None:
        chosen = Replay(store, [_one(shared, letter_id)])
    elif everything or stage or code or tenant or since or until or parked:
        chosen = Replay.of(store, _filter(stage, code, tenant, since, until, parked=parked))
    else:
        # Nothing means a slip and not everything: a replay may cost hours.
        raise UsageProblem("say which: an id, --stage, --code, --tenant, --since, --until, --parked or --all")
    total = len(chosen.chosen)
    if not total:
        shared.console.print("Nothing to replay.")
        if json_output:
            shared.print_json({"finished": True, "decoded_s": 0.0, "assets": []})
        return
    options = WorkerOptions(private_network=private_network, scheme=tuple(scheme or ()), root=tuple(root or ()))
    # What an ingest named before may be read again. No letter adds to it (ADR 0036).
    allowed = Roots() if broker else remembered_roots(shared.state_dir)
    # The models of the ingest: others would put the cells into another space.
    settings = replace(options.applied(file_settings(shared), allowed), models=remembered_models(shared.state_dir))
    require_buckets(options.scheme, settings.prefixes)
    cluster = Cluster.named(broker, client_properties, shared.deployment)
    with ingesting(shared, settings, SystemClock(), chosen.assets, quiet=json_output, cluster=cluster) as run:
        feed = Feed(chosen, run.session.send)

        def more() -> bool:
            found = feed()
            run.live.replayed(feed.done, total)
            return found

        finished = run(more=more)
    report(shared, run, finished=finished, json_output=json_output)
    # Everything failed again, or the footage is not there: an exit code of 0 would hide that.
    if not any(run.progress.changes()):
        shared.errors.print(
            "No asset changed: what failed again is in `rushes dead-letters list`;"
            " footage that is not what it was, or lies where no ingest over this state and no --root named it, must be"
            " ingested again."
        )
        raise typer.Exit(1)


_KNOWN_HEADERS = frozenset(
    {
        *("content-type", "ce_id", "ce_source", "ce_specversion", "ce_type", "ce_subject", "ce_time", "ce_dataschema"),
        *("ce_tenant", "ce_project", "ce_region", "ce_eventtime", "ce_traceparent", REPLAY_HEADER),
        APPENDED_HEADER,
    }
)


def metadata(item: "StoredDeadLetter") -> dict[str, Any]:
    """The fields that may be shown: never the key, the value or the values of headers. Only well-known header names are
    shown, because a producer may put anything into others.
    """
    dead_letter = item.dead_letter
    loaded: dict[str, Any] = {}
    if dead_letter.headers:
        # Names in any case: Kafka's headers have no rule for it.
        known = sorted(name for name in dead_letter.headers if name.lower() in _KNOWN_HEADERS)
        loaded = {"header_names": known, "other_headers": len(dead_letter.headers) - len(known)}
    return {
        "letter_id": dead_letter.letter_id,
        "state": item.state,
        "replays": item.replays,
        "stage": dead_letter.stage,
        "topic": dead_letter.topic,
        "partition": dead_letter.partition,
        "offset": dead_letter.offset,
        "append_time_ms": dead_letter.append_time_ms,
        "failed_at_ms": dead_letter.failed_at_ms,
        "attempts": dead_letter.attempts,
        "code": dead_letter.code,
        "message": dead_letter.message,
        "tenant": dead_letter.tenant,
        "asset_id": dead_letter.asset_id,
        "event_type": dead_letter.event_type,
        "value_bytes": item.value_bytes,
        **loaded,
    }


def _store(shared: Context) -> Any:
    from sinks.dead_letters import DeadLetters

    return DeadLetters(file_settings(shared).index_dir)


def _one(shared: Context, letter_id: str) -> "StoredDeadLetter":
    found: StoredDeadLetter | None = _store(shared).show(letter_id)
    # A beginning that fits two letters is as wrong as none.
    if found is None:
        raise UsageProblem(f"no single dead letter {letter_id!r}; see `rushes dead-letters list`")
    return found


def _filter(
    stage: str | None, code: str | None, tenant: str | None, since: str | None, until: str | None, *, parked: bool
) -> "DeadLetterFilter":
    from sinks.dead_letters import DeadLetterFilter, DeadLetterState

    now_ms = SystemClock().now_ms()
    return DeadLetterFilter(
        stage=stage,
        code=code,
        tenant=tenant,
        since_ms=None if since is None else moment_ms(since, now_ms),
        until_ms=None if until is None else moment_ms(until, now_ms),
        states=(DeadLetterState.PARKED if parked else DeadLetterState.OPEN,),
    )
