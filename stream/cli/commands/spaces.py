"""`rushes models`: the embedding spaces in the index, and which one search uses."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from stream.cli.commands.ingest import file_settings
from stream.cli.context import Context, UsageProblem
from stream.events.annotations import Space
from stream.files import read_small, replace_file

if TYPE_CHECKING:
    from sinks.query.holdings import Holding

app = typer.Typer(help="Embedding spaces: list them, choose the one that search uses, drop one.", no_args_is_help=True)
CHOICE_FILE = "search-space.json"


@app.command("list")
def list_(
    context: typer.Context, json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False
) -> None:
    """Registered models by family, and the spaces that the index holds."""
    from models import REGISTRY

    shared: Context = context.obj
    found = spaces_in(shared)
    used = chosen_space(shared, found).key if found else None
    held = holdings_in(shared)
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
    """Let search use this space."""
    shared: Context = context.obj
    wanted = matching(spaces_in(shared), space)
    choice = shared.state_dir / CHOICE_FILE
    try:
        replace_file(choice, json.dumps({"space": wanted.key}) + "\n")
    except OSError as error:
        raise UsageProblem(f"{choice} cannot be written ({error.strerror}): search uses what it used before") from None
    shared.console.print(f"search now uses {wanted.key} ({wanted.spec})")


@app.command()
def drop(context: typer.Context, space: Annotated[str, typer.Argument(help="Key or beginning of it.")]) -> None:
    """Remove a space and its rows from both stores; the footage and other spaces stay."""
    from sinks.maintenance.drop_space import drop_space
    from stream.sessions.embedded import state_lock

    shared: Context = context.obj
    wanted = matching(spaces_in(shared), space)
    with state_lock(shared.state_dir):
        settings = file_settings(shared)
        drop_space(settings.index_dir, settings.parquet_dir, wanted.key)
    shared.console.print(f"dropped {wanted.key}")


def spaces_in(shared: Context) -> list[Space]:
    from sinks.query.search import MomentIndex

    return MomentIndex(file_settings(shared).index_dir).spaces()


def chosen_space(shared: Context, found: list[Space], wanted: str | None = None) -> Space:
    """The named space, else the one of `models use`, else the one that the latest roll-out filled, where assets are
    ready. Raises `UsageProblem`.
    """
    if not found:
        raise UsageProblem(f"the index under {shared.state_dir} is empty; run `rushes ingest PATH` first")
    if wanted:
        return matching(found, wanted)
    key = _choice(shared.state_dir / CHOICE_FILE, shared)
    if key is not None and any(space.key == key for space in found):
        return matching(found, key)
    held = holdings_in(shared)
    return max(found, key=lambda space: (held[space.key].epoch_ms, space.spec == "conse", space.key))


def holdings_in(shared: Context) -> "Mapping[str, Holding]":
    """Of every space that there is."""
    from sinks.query.holdings import holdings

    return holdings(file_settings(shared).index_dir)


def elsewhere_line(shared: Context, space: Space) -> str:
    """What a search in this space cannot find; empty for nothing."""
    lacking = holdings_in(shared)[space.key].lacking
    if not lacking:
        return ""
    return (
        f"{lacking} asset(s) are not or not wholly in space {space.key}: publish them again, or search the others with"
        " --space (`rushes models list`)."
    )


def _choice(path: Path, shared: Context) -> str | None:
    """The key that `use` kept; None where there is none, or nothing that can be read, which is said."""
    try:
        kept = json.loads(read_small(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        kept = None
    if isinstance(kept, dict) and isinstance(key := kept.get("space"), str):
        return key
    advice = "search uses the default space; `rushes models use SPACE` chooses again"
    shared.errors.print(f"{path} cannot be read: {advice}", soft_wrap=True, markup=False)
    return None


def matching(found: list[Space], prefix: str) -> Space:
    hits = [space for space in found if space.key == prefix] or [
        space for space in found if space.key.startswith(prefix)
    ]
    if len(hits) != 1:
        keys = ", ".join(space.key for space in found) or "none"
        raise UsageProblem(f"{prefix!r} names {len(hits)} spaces; there are: {keys}")
    return hits[0]
