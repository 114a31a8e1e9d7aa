"""`rushes verify`: checks that the index and the Delta table hold the same rows."""

from typing import Annotated, Literal

import typer
from rich.table import Table

from stream.cli.context import Context, UsageProblem
from stream.cli.options.stored_settings import file_settings
from stream.runtime.temporary_folders import own_scratch


def verify(
    context: typer.Context,
    repair: Annotated[str | None, typer.Option(help="Rebuild this store (lance or delta) from the other.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Compare both stores row by row. The exit code is 1 if they differ."""
    from sinks.maintenance.verify import verify as compare
    from sinks.storage.files import files_at

    shared: Context = context.obj
    settings = file_settings(shared)
    if all(files_at(place).empty() for place in settings.stores):
        raise UsageProblem(f"there is no store at {settings.index_dir}: name the --state or --index of an ingest")
    # Repaired first, so that the report and the exit code tell of the state afterwards.
    if repair is not None:
        _repair(shared, repair)
    found = compare(settings.index_dir, settings.parquet_dir)
    if json_output:
        rows = [
            {
                "space": item.space,
                "moments": item.moments,
                "missing_in_delta": item.missing_in_delta,
                "missing_in_lance": item.missing_in_lance,
                "different": item.different,
                "examples": item.examples,
            }
            for item in found.spaces
        ]
        shared.print_json({"agrees": found.agrees, "spaces": rows})
    else:
        table = Table(title="LanceDB and Delta", title_justify="left")
        for column in ("space", "moments", "missing in Delta", "missing in LanceDB", "different"):
            table.add_column(column, justify="left" if column == "space" else "right")
        for item in found.spaces:
            figures = (item.moments, item.missing_in_delta, item.missing_in_lance, item.different)
            table.add_row(item.space, *map(str, figures))
        shared.console.print(table)
        shared.console.print(
            "[green]They agree.[/]" if found.agrees else "[red]They differ[/]: `rushes verify --repair lance|delta`"
        )
    if not found.agrees:
        raise typer.Exit(1)


def _repair(shared: Context, name: str) -> None:
    from sinks.maintenance.repair import repair
    from stream.sessions.state_lock import state_lock

    targets: dict[str, Literal["lance", "delta"]] = {"lance": "lance", "delta": "delta"}
    if name not in targets:
        raise UsageProblem(f"--repair {name!r}: name the store to rebuild, lance or delta")
    settings = file_settings(shared)
    # The lock of the state directory: an ingest must not write meanwhile.
    with state_lock(shared.state_dir), own_scratch():
        cells = repair(settings.index_dir, settings.parquet_dir, targets[name])
    shared.errors.print(f"rewrote {cells} cell(s) of {name}")
