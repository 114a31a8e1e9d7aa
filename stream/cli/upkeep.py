"""`rushes delete` and `rushes compact`: forgetting assets, and leaving no byte of what is gone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.context import Context, UsageProblem
from stream.cli.ingest import file_settings, ingesting
from stream.cli.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.uris import expand
from stream.clock import SystemClock
from stream.events.asset import AssetDeleted, AssetStatus
from stream.events.base import Event


def delete(
    context: typer.Context,
    assets: Annotated[list[str], typer.Argument(help="Files, directories, uris or asset ids, as `rushes status` has.")],
    tenant: Annotated[str, typer.Option(help="Whose footage it is.")] = "default",
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Forget assets for good: moments, thumbnails and dead letters go from both stores, byte by byte.

    The footage itself is not touched. What is left is a tombstone: tenant, project, asset id and time. With --broker
    the workers delete the rows; their bytes go with the next `rushes compact` over the stores.
    """
    shared: Context = context.obj
    if cluster := Cluster.named(broker, client_properties):
        _delete_there(shared, cluster, tenant, assets, json_output=json_output)
        return
    gone = [(tenant, name) for name in _known(shared, assets, tenant)]
    _compact(shared, gone)
    if json_output:
        shared.print_json([{"tenant": owner, "asset_id": name} for owner, name in gone])
    else:
        shared.console.print(f"Deleted {len(gone)} asset(s); no byte of them is left under {shared.state_dir}.")


def compact(context: typer.Context) -> None:
    """End retentions, join small files, remove what was superseded or deleted. Nobody may be searching meanwhile."""
    shared: Context = context.obj
    if not shared.state_dir.is_dir():
        raise UsageProblem(f"there is nothing under {shared.state_dir}; name another --state")
    before = _size(shared)
    _compact(shared, [])
    shared.console.print(f"{before >> 20} MiB before, {_size(shared) >> 20} MiB now.")


def _delete_there(shared: Context, cluster: Cluster, tenant: str, names: Sequence[str], *, json_output: bool) -> None:
    """Publish the deletions and wait until the index has them. A file is named as it was when it was ingested."""
    clock = SystemClock()
    ids = [path for name in names for path in (expand([name]) if Path(name).exists() else [name])]
    events = [
        Event(AssetDeleted(asset_id=name), tenant, "default", name, clock.now_ms(), source="cli")
        for name in dict.fromkeys(ids)
    ]
    with ingesting(shared, file_settings(shared), clock, len(events), quiet=True, cluster=cluster) as run:
        finished = run(events)
    gone = [item.asset for item in run.progress.changes() if item.status is AssetStatus.DELETED]
    if json_output:
        shared.print_json([{"tenant": ref.tenant, "asset_id": ref.asset_id} for ref in gone])
    else:
        shared.console.print(f"Deleted {len(gone)} asset(s); `rushes compact` over the stores removes their bytes.")
    if not finished:
        shared.errors.print(f"Interrupted. {run.session.farewell}", soft_wrap=True)
        raise typer.Exit(130)


def _compact(shared: Context, deletions: Sequence[tuple[str, str]]) -> None:
    from stream.pipelines.upkeep import compact as compact_stores

    compact_stores(file_settings(shared), SystemClock(), deletions=deletions)


def _known(shared: Context, names: Sequence[str], tenant: str) -> list[str]:
    """Asset ids that the index or the dead letters know, each argument as it stands or as a path."""
    from sinks.catalogue import Catalogue
    from sinks.dead_letters import DeadLetters, LetterFilter

    directory = file_settings(shared).index_dir
    letters = DeadLetters(directory).listed(LetterFilter(tenant=tenant, states=()))
    known = {view.asset_id for view in Catalogue(directory).assets(tenant)} | {item.letter.asset_id for item in letters}
    found: list[str] = []
    for name in names:
        meant = [name] if name in known else [path for path in expand([name]) if path in known]
        if not meant:
            raise UsageProblem(f"no asset {name!r} of tenant {tenant!r}; `rushes status` lists what there is")
        found += meant
    return list(dict.fromkeys(found))


def _size(shared: Context) -> int:
    """Of both stores; a local Kafka may lie beside them."""
    settings = file_settings(shared)
    stores = (settings.index_dir, settings.parquet_dir)
    return sum(path.stat().st_size for store in stores for path in store.rglob("*") if path.is_file())
