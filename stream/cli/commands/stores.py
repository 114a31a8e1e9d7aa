"""`rushes stores`: into how many shards the stores are divided, what each holds, and dividing them anew."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from sinks.layout import MAX_SHARDS
from stream.cli.context import Context, UsageProblem
from stream.cli.options.stored_settings import file_settings
from stream.pipelines.stages import INDEX, PARQUET
from stream.runtime.temporary_folders import own_scratch

app = typer.Typer(help="The stores and their shards: show them, divide them anew.", no_args_is_help=True)


@app.command()
def show(
    context: typer.Context, json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False
) -> None:
    """Show where the stores lie, their shards, and what these hold. Nothing is locked."""
    from sinks.maintenance.extent import extents

    shared: Context = context.obj
    settings = file_settings(shared)
    found = {INDEX: extents(settings.index_dir), PARQUET: extents(settings.parquet_dir)}
    if json_output:
        shared.print_json({name: [asdict(shard) for shard in shards] for name, shards in found.items()})
        return
    table = Table(title="Stores", title_justify="left")
    for column in ("store", "shard", "cells", "MiB", "place"):
        table.add_column(column, justify="right" if column in ("cells", "MiB") else "left", overflow="fold")
    for name, shards in found.items():
        for number, shard in enumerate(shards):
            table.add_row(name, f"{number} of {len(shards)}", str(shard.cells), str(shard.bytes >> 20), shard.place)
    shared.console.print(table)


@app.command()
def reshard(
    context: typer.Context,
    shards: Annotated[int, typer.Argument(min=1, max=MAX_SHARDS, help="How many shards there are to be.")],
    index: Annotated[bool, typer.Option("--index", help="The index alone.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="The Delta table alone.")] = False,
) -> None:
    """Divide the stores into another number of shards, while no process writes them. It needs room for a second copy.

    It may be cut off at any time: the old or the new store is whole then, and the same command goes on.
    """
    from stream.sessions.maintenance import reshard as divide

    shared: Context = context.obj
    if not shared.state_dir.is_dir():
        raise UsageProblem(f"{shared.state_dir} does not exist; name another --state")
    names = [name for name, asked in ((INDEX, index), (PARQUET, parquet)) if asked or not (index or parquet)]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with own_scratch(), Progress(*columns, console=shared.errors, transient=True) as bars:
        for name in names:
            changed = divide(file_settings(shared), name, shards, _bar(bars, name))
            said = "is divided into" if changed else "had"
            shared.console.print(f"{name} {said} {shards} shard(s).")


def _bar(bars: Progress, name: str) -> Callable[[int, int], None]:
    """What moves a new bar: it is told the rows that are copied, and of how many."""
    task = bars.add_task(name, total=None)

    def told(done: int, total: int) -> None:
        bars.update(task, completed=done, total=total)

    return told
