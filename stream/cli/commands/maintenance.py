"""`rushes delete` and `rushes compact`: delete assets, and remove every byte of deleted data (ADR 0013)."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from stream.cli.commands.ingest import ingesting
from stream.cli.context import Context, UsageProblem
from stream.cli.options.roots import forget_roots
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.uris import asset_ids, lies_under, spelled
from stream.clock import SystemClock
from stream.errors import BadMedia
from stream.events.asset import UNKNOWN_ASSET, AssetDeleted, AssetStatus
from stream.events.base import Event
from stream.runtime.temporary_folders import own_scratch


def delete(
    context: typer.Context,
    assets: Annotated[list[str], typer.Argument(help="Files, directories, uris or asset ids, as `rushes status` has.")],
    tenant: Annotated[str, typer.Option(help="Whose footage it is.")] = "default",
    ids: Annotated[bool, typer.Option("--ids", help="The arguments are asset ids as they stand.")] = False,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Delete assets for good: both stores lose their moments, thumbnails and dead letters, to the last byte.

    The footage itself stays. A tombstone is left: tenant, project, asset id and time. With --broker the workers delete
    the rows, and the next `rushes compact` over the stores removes their bytes. Name files and URIs as at the ingest.
    """
    shared: Context = context.obj
    if cluster := Cluster.named(broker, client_properties, shared.deployment):
        # Events are checked before anything is published.
        _delete_on_cluster(shared, cluster, _deletions(assets, tenant, ids=ids), json_output=json_output)
        return
    gone = [(tenant, name) for name in _known(shared, assets, tenant, ids=ids)]
    _compact(shared, gone)
    if json_output:
        shared.print_json([{"tenant": owner, "asset_id": name} for owner, name in gone])
    else:
        shared.console.print(f"Deleted {len(gone)} asset(s); no byte of them is left under {shared.state_dir}.")


def compact(context: typer.Context) -> None:
    """End retentions, join small files, remove superseded and deleted data. Do not search meanwhile."""
    shared: Context = context.obj
    if not shared.state_dir.is_dir():
        raise UsageProblem(f"{shared.state_dir} does not exist; name another --state")
    before = _size(shared)
    _compact(shared, [])
    shared.console.print(f"{before >> 20} MiB before, {_size(shared) >> 20} MiB now.")


def _delete_on_cluster(shared: Context, cluster: Cluster, events: Sequence[Event], *, json_output: bool) -> None:
    """Publishes the deletions and waits until the index reports each. Exit code 1 if it did not know one of them."""
    settings, clock = file_settings(shared), SystemClock()
    with ingesting(shared, settings, clock, len(events), quiet=True, cluster=cluster) as run:
        finished = run(events)
    reported = [item for item in run.progress.changes() if item.status is AssetStatus.DELETED]
    gone = [item.asset for item in reported if item.code != UNKNOWN_ASSET]
    if json_output:
        shared.print_json([{"tenant": ref.tenant, "asset_id": ref.asset_id} for ref in gone])
    else:
        shared.console.print(f"Deleted {len(gone)} asset(s); `rushes compact` over the stores removes their bytes.")
    # Interrupted means unknown: the deletion may still come.
    if not finished:
        shared.errors.print(f"Interrupted. {run.session.farewell}", soft_wrap=True)
        raise typer.Exit(130)
    if len(gone) < len(reported):
        names = ", ".join(repr(item.asset.asset_id) for item in reported if item.code == UNKNOWN_ASSET)
        hint = f"`rushes status --broker {cluster.uri}` lists those of the last week"
        words = f"The index knew no asset {names} of tenant {reported[0].asset.tenant!r}; {hint}."
        # Ids come from producers, so their brackets are no markup.
        shared.errors.print(words, markup=False, soft_wrap=True)
        raise typer.Exit(1)


def _deletions(names: Sequence[str], tenant: str, *, ids: bool) -> list[Event]:
    """The deletions for the arguments. An argument that is not a file may be an id. Raises `UsageProblem` for an
    impossible name.
    """
    found = [name for typed in names for name in (asset_ids(typed) if not ids and _names_footage(typed) else [typed])]
    try:
        payloads = [AssetDeleted(asset_id=name) for name in dict.fromkeys(found)]
    except ValidationError as error:
        raise UsageProblem(f"an asset id is {error.errors()[0]['msg']}; `rushes status` lists what there is") from None
    now_ms = SystemClock().now_ms()
    return [Event(data, tenant, "default", data.asset_id, now_ms, source="cli") for data in payloads]


def _names_footage(argument: str) -> bool:
    # Typed like a place: a file that is gone already still names its asset.
    if "://" in argument or argument.startswith(("/", "./", "../", "~")):
        return True
    try:
        return Path(argument).exists()
    except OSError:  # longer than a file name can be
        return False


def _compact(shared: Context, deletions: Sequence[tuple[str, str]]) -> None:
    from stream.sessions.maintenance import compact as compact_stores
    from stream.sessions.state_lock import state_lock

    # Rewriting needs temporary room, which a killed run must not leave behind.
    with own_scratch():
        if deletions:
            # The names of what is deleted go first: after a kill in between, a repeat still finds the asset.
            with state_lock(shared.state_dir):
                forget_roots(shared.state_dir, [asset_id for _, asset_id in deletions])
        compact_stores(file_settings(shared), SystemClock(), deletions=deletions)


def _known(shared: Context, names: Sequence[str], tenant: str, *, ids: bool) -> list[str]:
    """The asset ids of the arguments that the index or the dead letters know: given as an id, or as named at ingest."""
    from sinks.dead_letters import DeadLetterFilter, DeadLetters
    from sinks.query.catalogue import Catalogue

    directory = file_settings(shared).index_dir
    dead_letters = DeadLetters(directory).listed(DeadLetterFilter(tenant=tenant, states=()))
    known = {view.asset_id for view in Catalogue(directory).assets(tenant)} | {
        item.dead_letter.asset_id for item in dead_letters
    }
    found: list[str] = []
    for name in names:
        # An id as it stands comes first: it may look like a path.
        meant = [name] if name in known or ids else _meant(name, known)
        if not meant:
            raise UsageProblem(f"no asset {name!r} of tenant {tenant!r}; `rushes status` lists what there is")
        found += meant
    return list(dict.fromkeys(found))


def _meant(typed: str, known: Collection[str]) -> list[str]:
    """The known ids that `ingest` gave to the argument, including files that are no longer in a folder."""
    found = {} if (local := _local(typed)) is None else dict.fromkeys(each for each in known if lies_under(each, local))
    with suppress(BadMedia):
        found |= dict.fromkeys(each for each in asset_ids(typed) if each in known)
    return list(found)


def _local(typed: str) -> str | None:
    try:
        return spelled(typed) if "://" not in typed or typed.lower().startswith("file://") else None
    except BadMedia:
        return None


def _size(shared: Context) -> int:
    """Bytes of both stores. Other folders of the state directory, such as a local Kafka, do not count."""
    from sinks.store_size import StoreSize

    index, parquet = file_settings(shared).stores
    return StoreSize(index, "the index").stored_bytes() + StoreSize(parquet, "the Delta table").stored_bytes()
