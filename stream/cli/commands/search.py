"""`rushes search`: finds time-coded moments by words or by an image."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.commands.spaces import as_usage, say_unreadable_choice
from stream.cli.context import Context, UsageProblem
from stream.cli.options.labels import parse_labels
from stream.cli.options.stored_settings import file_settings
from stream.cli.rendering.contact_sheet import contact_sheet
from stream.cli.rendering.output import write_file
from stream.cli.rendering.player import play
from stream.cli.rendering.sanitize import shown
from stream.cli.rendering.search_results import EXPORTS, freshness_line, lacking_line, result_table, space_note
from stream.clock import SystemClock
from stream.errors import BadMedia
from stream.events.grid import SECOND_NS
from stream.files import read_small
from stream.search.answer import SearchAnswer
from stream.search.hit import Hit

if TYPE_CHECKING:
    from sinks.query.filters import Filters
    from stream.search.request import Query, SearchRequest


def search(  # one option per filter
    context: typer.Context,
    words: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    image: Annotated[Path | None, typer.Option(help="Look for moments like this picture.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many hits.")] = 10,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's footage.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="k=v that the asset must carry; repeatable.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of moment, such as visual.")] = None,
    start: Annotated[
        float | None, typer.Option("--from", min=0.0, max=1e9, help="Only moments that end after this second.")
    ] = None,
    end: Annotated[
        float | None, typer.Option("--to", min=0.0, max=1e9, help="Only moments that begin before this second.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Another space than `rushes spaces use` chose.")] = None,
    group: Annotated[bool, typer.Option("--group/--no-group", help="Join hits of one shot.")] = True,
    html: Annotated[Path | None, typer.Option(help="Write a contact sheet, self-contained.")] = None,
    export: Annotated[str | None, typer.Option(help="csv, edl or json on standard output.")] = None,
    fps: Annotated[
        float, typer.Option(min=1.0, max=120.0, help="Frame rate of an EDL: whole, 23.976, 29.97 or 59.94.")
    ] = 25.0,
    open_hit: Annotated[int | None, typer.Option("--open", min=1, max=1000, help="Play hit N at its moment.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Same as --export json.")] = False,
) -> None:
    """Find time-coded moments, best first."""
    from stream.search.request import SearchRequest

    shared: Context = context.obj
    # Words of blanks come from an unset variable of a script.
    if ((words or "").strip() == "") == (image is None):
        raise UsageProblem('say what to look for: `rushes search "words"` or `rushes search --image FILE`')
    export = "json" if json_output else export
    if export is not None and export not in EXPORTS:
        raise UsageProblem(f"--export {export!r}: choose {', '.join(EXPORTS)}")
    rate = _edit_rate(fps)
    filters = _filters(tenant, project, parse_labels(label or []), kind, start, end)
    query = _query(words, image)
    # An export has no room for an explanation, which reads the ledger again.
    request = SearchRequest(query, filters, space, limit, "shot" if group else "moment", explain=export is None)
    answer = _answered(shared, request, image)
    asked = words or f"like {image}"
    # Before anything is written: a wrong number must not leave a file behind.
    if open_hit is not None and open_hit > len(answer.hits):
        raise UsageProblem(f"--open {open_hit}: there are {len(answer.hits)} hits")
    if html is not None:
        _write_sheet(shared, answer, asked, html)
    if export is not None:
        shared.write(EXPORTS[export](answer.hits, rate))
    else:
        show(shared, answer, asked)
    # Last: a player may take the terminal.
    if open_hit is not None:
        _open(shared, answer.hits[open_hit - 1])


def show(shared: Context, answer: SearchAnswer, asked: str) -> None:
    """Prints the hits, their freshness, and what the answer could not find."""
    shared.console.print(result_table(answer, asked))
    shared.console.print(freshness_line(answer.freshness), style="dim")
    if lacking := lacking_line(answer):
        shared.console.print(lacking, style="yellow", soft_wrap=True)


def _edit_rate(fps: float) -> Fraction:
    from stream.events.timecode import edit_rate

    try:
        return edit_rate(fps)
    except ValueError as error:
        raise UsageProblem(f"--fps {fps:g}: {error}") from None


def _query(words: str | None, image: Path | None) -> "Query":
    """The query. Raises `UsageProblem` for a file that cannot be read."""
    from models.pictures.files import MAX_FILE_BYTES
    from stream.search.request import PictureFile, Words

    if image is None:
        return Words(words or "")
    try:
        # Bounded: a picture file is read into memory as a whole.
        return PictureFile(read_small(image, most_bytes=MAX_FILE_BYTES))
    except OSError as error:
        raise UsageProblem(f"--image {image} cannot be read: {error.strerror}") from None


def _answered(shared: Context, request: "SearchRequest", image: Path | None) -> SearchAnswer:
    from stream.search.application import Search

    with as_usage(shared), Search(file_settings(shared), SystemClock()) as application:
        try:
            answer = application.answer(request)
        except BadMedia as error:
            raise UsageProblem(f"--image {image} cannot be shown: {error.message}") from None
    if answer.choice_unreadable:
        say_unreadable_choice(shared)
    return answer


def _write_sheet(shared: Context, answer: SearchAnswer, asked: str, path: Path) -> None:
    sheet = contact_sheet(answer.hits, query=asked, space=answer.space.key, note=space_note(answer.space))
    write_file(path, sheet, "--html")
    shared.errors.print(f"contact sheet: {path}", soft_wrap=True, markup=False)


def _open(shared: Context, hit: Hit) -> None:
    shared.errors.print(f"playing with {shown(play(hit))}", soft_wrap=True)


def _filters(
    tenant: str | None,
    project: str | None,
    labels: dict[str, str],
    kind: str | None,
    start: float | None,
    end: float | None,
) -> "Filters":
    from sinks.query.filters import Filters

    if start is not None and end is not None and start >= end:
        raise UsageProblem(f"--from {start:g} does not lie before --to {end:g}: nothing can be between them")
    return Filters(
        tenant=tenant,
        project=project,
        labels=labels,
        kind=kind,
        start_ns=None if start is None else round(start * SECOND_NS),
        end_ns=None if end is None else round(end * SECOND_NS),
    )
