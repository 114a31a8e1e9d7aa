"""`rushes dead-letters`: what could not be processed, why, and sending it again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from decoders.source import local_path
from stream.cli.chosen_models import remembered_models
from stream.cli.context import Context, UsageProblem
from stream.cli.ingest import PrivateNetwork, file_settings, ingesting, report
from stream.cli.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.shown import shown
from stream.cli.uris import roots_of
from stream.clock import SystemClock
from stream.errors import BadMedia

if TYPE_CHECKING:
    from sinks.dead_letters import LetterFilter, StoredLetter

app = typer.Typer(help="What could not be processed: list, show (metadata only), replay.", no_args_is_help=True)

Stage = Annotated[str | None, typer.Option(help="Only from this stage.")]
Code = Annotated[str | None, typer.Option(help="Only with this error code.")]
Tenant = Annotated[str | None, typer.Option(help="Only of this tenant.")]


@app.command("list")
def list_(
    context: typer.Context,
    stage: Stage = None,
    code: Code = None,
    tenant: Tenant = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Newest last."""
    shared: Context = context.obj
    found = _store(shared).listed(_filter(stage, code, tenant))
    if json_output:
        shared.print_json([metadata(item) for item in found])
        return
    table = Table(title="Dead letters", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("id", "stage", "code", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("message", overflow="fold", ratio=1)
    for item in found:
        letter = item.letter
        row = (letter.letter_id[:10], letter.stage, letter.code, item.state, letter.message)
        table.add_row(*(shown(cell) for cell in row))
    shared.console.print(table if found else "No dead letters.")


@app.command()
def show(context: typer.Context, letter_id: Annotated[str, typer.Argument(help="Id or beginning of it.")]) -> None:
    """Everything but the content."""
    shared: Context = context.obj
    shared.print_json(metadata(_one(shared, letter_id)))


@app.command()
def replay(
    context: typer.Context,
    letter_id: Annotated[str | None, typer.Argument(help="Id or beginning of it; without one, by filter.")] = None,
    stage: Stage = None,
    code: Code = None,
    tenant: Tenant = None,
    private_network: PrivateNetwork = False,
    everything: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Send the records again and work until their assets are final."""
    from sinks.dead_letters import LetterState
    from stream.pipelines.session import RawRecord

    shared: Context = context.obj
    store = _store(shared)
    if letter_id is not None:
        chosen = [_one(shared, letter_id)]
    elif everything or stage or code or tenant:
        listed = store.listed(_filter(stage, code, tenant))
        chosen = [_one(shared, item.letter.letter_id) for item in listed if item.state is LetterState.OPEN]
    else:
        raise UsageProblem("say which: an id, --stage, --code, --tenant or --all")
    if not chosen:
        shared.console.print("Nothing to replay.")
        return
    settings = replace(
        file_settings(shared, roots_of(_path(item) for item in chosen)),
        models=remembered_models(shared.state_dir),
        allow_private_addresses=private_network,
    )
    cluster = Cluster.named(broker, client_properties)
    with ingesting(shared, settings, SystemClock(), len(chosen), quiet=json_output, cluster=cluster) as run:
        run.session.send(
            RawRecord(item.letter.topic, item.letter.key, item.letter.value, item.replay_headers()) for item in chosen
        )
        if finished := run():
            store.mark_replayed([item.letter.letter_id for item in chosen])
    report(shared, run, finished=finished, json_output=json_output)
    if not any(run.progress.changes()):
        shared.errors.print(
            "No asset changed: what failed again is in `rushes dead-letters list`;"
            " footage that is not what it was must be ingested again."
        )
        raise typer.Exit(1)


def metadata(item: "StoredLetter") -> dict[str, Any]:
    """What may be shown: never key, value or the values of headers. A list does not load those, so it says nothing
    of their size and names.
    """
    letter = item.letter
    loaded = {"value_bytes": len(letter.value), "header_names": sorted(letter.headers)} if letter.value else {}
    return {
        "letter_id": letter.letter_id,
        "state": item.state,
        "replays": item.replays,
        "stage": letter.stage,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "append_time_ms": letter.append_time_ms,
        "failed_at_ms": letter.failed_at_ms,
        "attempts": letter.attempts,
        "code": letter.code,
        "message": letter.message,
        "tenant": letter.tenant,
        "asset_id": letter.asset_id,
        "event_type": letter.event_type,
        **loaded,
    }


def _store(shared: Context) -> Any:
    from sinks.dead_letters import DeadLetters

    return DeadLetters(file_settings(shared).index_dir)


def _one(shared: Context, letter_id: str) -> "StoredLetter":
    found: StoredLetter | None = _store(shared).show(letter_id)
    if found is None:
        raise UsageProblem(f"no single dead letter {letter_id!r}; see `rushes dead-letters list`")
    return found


def _filter(stage: str | None, code: str | None, tenant: str | None) -> "LetterFilter":
    from sinks.dead_letters import LetterFilter

    return LetterFilter(stage=stage, code=code, tenant=tenant)


def _path(item: "StoredLetter") -> Path | None:
    """The file a replayed record will read: whoever may replay here may read it, unless the roots forbade it before."""
    try:
        body = json.loads(item.letter.value)
    except ValueError:
        return None
    data = body.get("data", body) if isinstance(body, dict) else {}
    uri = data.get("uri") if isinstance(data, dict) else None
    if not isinstance(uri, str) or item.letter.code == "outside_roots":
        return None
    try:
        return local_path(uri) if "://" not in uri or uri.lower().startswith("file://") else None
    except BadMedia:
        return None
