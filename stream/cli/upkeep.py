"""`rushes delete` and `rushes compact`: forgetting assets, and leaving no byte of what is gone."""

from collections.abc import Sequence
from typing import Annotated

import typer

from stream.cli.context import Context, UsageProblem
from stream.cli.ingest import file_settings
from stream.cli.uris import expand
from stream.clock import SystemClock


def delete(
    context: typer.Context,
    assets: Annotated[list[str], typer.Argument(help="Files, directories, uris or asset ids, as `rushes status` has.")],
    tenant: Annotated[str, typer.Option(help="Whose footage it is.")] = "default",
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Forget assets for good: moments, thumbnails and dead letters go from both stores, byte by byte.

    The footage itself is not touched. What is left is a tombstone: tenant, project, asset id and time.
    """
    shared: Context = context.obj
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
    return sum(path.stat().st_size for path in shared.state_dir.rglob("*") if path.is_file())
