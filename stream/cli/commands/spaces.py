"""`rushes spaces`: the embedding spaces in the index, and which one search uses."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from stream.cli.context import Context, UsageProblem
from stream.cli.options.stored_settings import file_settings
from stream.events.annotations import Space

if TYPE_CHECKING:
    from sinks.query.holdings import Holding
    from stream.search.spaces import Spaces

app = typer.Typer(help="Embedding spaces: list them, choose the one that search uses, drop one.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context, json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False
) -> None:
    """List the registered models by family, and the spaces of the index."""
    from models import REGISTRY

    shared: Context = context.obj
    spaces = spaces_of(shared)
    found, held = spaces.listed(), spaces.holdings()
    # An empty index has no space to mark, and that is no error in a list.
    used = chosen_space(shared).key if found else None
    if json_output:
        families = {family: sorted(entries) for family, entries in REGISTRY.items()}
        rows = [
            space.model_dump() | {"key": space.key, "used": space.key == used} | asdict(held[space.key])
            for space in found
        ]
        shared.print_json({"families": families, "spaces": rows})
        return
    table = Table(title="Models by family", title_justify="left")
    table.add_column("family")
    table.add_column("names")
    for family, entries in REGISTRY.items():
        table.add_row(family, ", ".join(f"{name}:DIR" if name == "hf" else name for name in sorted(entries)))
    shared.console.print(table)
    shared.console.print(_space_table(found, used, held))


def _space_table(found: list[Space], used: str | None, held: "Mapping[str, Holding]") -> Table:
    table = Table(title="Spaces in the index", title_justify="left")
    for column in ("space", "embedder", "dimensions", "assets", "search"):
        table.add_column(column)
    for space in found:
        whole = str(held[space.key].whole)
        table.add_row(space.key, space.spec, str(space.dimensions), whole, "used" if space.key == used else "")
    return table


@app.command()
def use(context: typer.Context, space: Annotated[str, typer.Argument(help="Key or beginning of it.")]) -> None:
    """Make search use this space."""
    shared: Context = context.obj
    with as_usage(shared):
        wanted = spaces_of(shared).use(space)
    shared.console.print(f"search now uses {wanted.key} ({wanted.spec})")


@app.command()
def drop(context: typer.Context, space: Annotated[str, typer.Argument(help="Key or beginning of it.")]) -> None:
    """Remove a space and its rows from both stores. Footage and other spaces stay."""
    from stream.search.spaces import matching
    from stream.sessions.maintenance import drop_space

    shared: Context = context.obj
    with as_usage(shared):
        # The name is resolved before the lock is taken, so that a slip is told at once.
        wanted = matching(spaces_of(shared).listed(), space)
    drop_space(file_settings(shared), wanted.key)
    shared.console.print(f"dropped {wanted.key}")


def spaces_of(shared: Context) -> "Spaces":
    from stream.search.spaces import Spaces

    return Spaces(file_settings(shared))


def chosen_space(shared: Context, wanted: str | None = None) -> Space:
    """Like `Spaces.chosen`; warns if the saved choice cannot be read. Raises `UsageProblem`."""
    with as_usage(shared):
        chosen = spaces_of(shared).chosen(wanted)
    if chosen.choice_unreadable:
        say_unreadable_choice(shared)
    return chosen.space


def say_unreadable_choice(shared: Context) -> None:
    from stream.search.spaces import CHOICE_FILE

    advice = "search uses the default space; `rushes spaces use SPACE` chooses again"
    words = f"{shared.state_dir / CHOICE_FILE} cannot be read: {advice}"
    shared.errors.print(words, soft_wrap=True, markup=False)


@contextmanager
def as_usage(shared: Context) -> Iterator[None]:
    """Turns a `BadRequest` into a `UsageProblem`."""
    from stream.errors import BadRequest
    from stream.search.spaces import EMPTY_INDEX

    try:
        yield
    except BadRequest as refused:
        # The application names no command in its messages, because a service uses them too.
        if refused.code == EMPTY_INDEX:
            words = f"the index under {shared.state_dir} is empty; run `rushes ingest PATH` first"
            raise UsageProblem(words) from None
        raise UsageProblem(refused.message) from None
