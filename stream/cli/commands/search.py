"""`rushes search`: time-coded moments by words or by an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Group
from rich.table import Table

from stream.cli.commands.ingest import file_settings, parse_labels
from stream.cli.commands.spaces import chosen_space, elsewhere_line, spaces_in
from stream.cli.context import Context, UsageProblem
from stream.cli.rendering.contact_sheet import contact_sheet
from stream.cli.rendering.exports import EXPORTS
from stream.cli.rendering.hits import Hit
from stream.cli.rendering.output import write_file
from stream.cli.rendering.player import play
from stream.cli.rendering.sanitize import shown
from stream.errors import BadMedia
from stream.events.annotations import Space
from stream.events.grid import SECOND_NS
from stream.files import read_small
from stream.pipelines.settings import ModelChoice

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.protocol import Embedder
    from sinks.query.catalogue import Filters

DEFAULT_SPACE_NOTE = (
    "default space: ImageNet tags x sentence embeddings; weaker than CLIP (--embedder hf:DIR on ingest)"
)


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
    space: Annotated[str | None, typer.Option(help="Another space than `rushes models use` chose.")] = None,
    group: Annotated[bool, typer.Option("--group/--no-group", help="Join hits of one shot.")] = True,
    html: Annotated[Path | None, typer.Option(help="Write a contact sheet, self-contained.")] = None,
    export: Annotated[str | None, typer.Option(help="csv, edl or json on standard output.")] = None,
    fps: Annotated[int, typer.Option(min=1, max=120, help="Frame rate of an EDL.")] = 25,
    open_hit: Annotated[int | None, typer.Option("--open", min=1, max=1000, help="Play hit N at its moment.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Same as --export json.")] = False,
) -> None:
    """Find time-coded moments, best first."""
    shared: Context = context.obj
    if ((words or "").strip() == "") == (image is None):
        raise UsageProblem('say what to look for: `rushes search "words"` or `rushes search --image FILE`')
    export = "json" if json_output else export
    if export is not None and export not in EXPORTS:
        raise UsageProblem(f"--export {export!r}: choose {', '.join(EXPORTS)}")
    filters = _filters(tenant, project, parse_labels(label or []), kind, start, end)
    chosen = chosen_space(shared, spaces_in(shared), space)
    hits = find(shared, chosen, words=words, image=image, filters=filters, limit=limit, group=group)
    query = words or f"like {image}"
    if open_hit is not None and open_hit > len(hits):
        raise UsageProblem(f"--open {open_hit}: there are {len(hits)} hits")
    if html is not None:
        write_file(html, contact_sheet(hits, query=query, space=chosen.key, note=_note(chosen)), "--html")
        shared.errors.print(f"contact sheet: {html}", soft_wrap=True, markup=False)
    if export is not None:
        shared.write(EXPORTS[export](hits, fps))
    else:
        shared.console.print(result_table(hits, query, chosen))
        shared.console.print(freshness_line(shared), style="dim")
        if elsewhere := elsewhere_line(shared, chosen):
            shared.console.print(elsewhere, style="yellow", soft_wrap=True)
    if open_hit is not None:
        shared.errors.print(f"playing with {shown(play(hits[open_hit - 1]))}", soft_wrap=True)


def find(
    shared: Context,
    space: Space,
    *,
    words: str | None,
    image: Path | None,
    filters: "Filters | None",
    limit: int,
    group: bool,
) -> list[Hit]:
    """Best hits of a query in a space, ready to show. Raises `UsageProblem` when the space's weights are others."""
    from sinks.query.search import MomentIndex
    from sinks.query.shots import group_into_shots

    embedder = _embedder(shared, space)
    index = MomentIndex(file_settings(shared).index_dir)
    if words is not None:
        vector, column = embedder.embed_text([words])[0], "vector"
    else:
        assert image is not None
        vector, column = _image_vector(shared, embedder, image)
    # One shot may hold many hits: look deeper before joining.
    depth = limit * 5 if group else limit
    found = index.query(space.key, vector=vector, column=column, text=words, filters=filters, limit=depth)
    shots = group_into_shots(found, index.neighbours(space.key, found) if group else ())
    weak_below = embedder.weak_below if words is not None else None
    joined: Sequence[tuple[Sequence[Any], int, int]]
    if group:
        joined = [(shot.hits, shot.shot.start_ns, shot.shot.end_ns) for shot in shots][:limit]
    else:
        joined = [((hit,), hit.start_ns, hit.end_ns) for hit in found][:limit]
    thumbnails = index.thumbnails(space.key, [hits[0].moment_id for hits, _, _ in joined])
    return [
        _shown(hits, first, last, weak_below, thumbnails.get(hits[0].moment_id, b"")) for hits, first, last in joined
    ]


def _embedder(shared: Context, space: Space) -> "Embedder":
    from models.registry import ModelContext, load

    embedder: Embedder = load("embedder", space.spec, ModelContext.of(shared.cache_dir))
    if embedder.space.key != space.key:
        raise UsageProblem(
            f"the index was made with {space.key}, but {space.spec} is now {embedder.space.key};"
            " ingest again with the present weights, or put the old ones back"
        )
    embedder.open()
    return embedder


def _image_vector(shared: Context, embedder: "Embedder", path: Path) -> "tuple[npt.NDArray[np.float32], str]":
    import numpy as np

    from models.protocol import Predictions
    from models.registry import ModelContext, load

    pixels = _pixels(path)
    if embedder.space.image_dimensions is None:
        empty = np.zeros((1, 0), np.float32)
        return embedder.embed_images([pixels], Predictions(empty, empty))[0], "vector"
    tagger = load("tagger", ModelChoice().tagger, ModelContext.of(shared.cache_dir))
    tagger.open()
    return embedder.embed_images([pixels], tagger.predict([pixels]))[0], "image_vector"


def _pixels(path: Path) -> "npt.NDArray[np.uint8]":
    """Raises `UsageProblem` for what is no picture."""
    from models.pictures.files import MAX_FILE_BYTES, pixels_of

    try:
        return pixels_of(read_small(path, most_bytes=MAX_FILE_BYTES))
    except OSError as error:
        raise UsageProblem(f"--image {path} cannot be read: {error.strerror}") from None
    except BadMedia as error:
        raise UsageProblem(f"--image {path} cannot be shown: {error.message}") from None


def _shown(hits: Sequence[Any], start_ns: int, end_ns: int, weak_below: float | None, thumbnail: bytes) -> Hit:
    best = hits[0]
    weak = weak_below is not None and best.text_rank is None and (best.cosine is None or best.cosine < weak_below)
    return Hit(
        asset_id=best.asset_id,
        uri=best.uri,
        tenant=best.tenant,
        project=best.project,
        start_ns=start_ns,
        end_ns=end_ns,
        score=best.cosine,
        weak=weak,
        why=best.why,
        caption=best.caption,
        caption_method=best.caption_method,
        tags=best.tags,
        labels=best.labels,
        source_timecode=best.timecode,
        file_offset_ns=best.file_offset_ns,
        moderation_nsfw=best.moderation_nsfw,
        moment_ids=tuple(hit.moment_id for hit in hits),
        thumbnail=thumbnail,
    )


def _filters(
    tenant: str | None,
    project: str | None,
    labels: dict[str, str],
    kind: str | None,
    start: float | None,
    end: float | None,
) -> "Filters":
    from sinks.query.catalogue import Filters

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


def result_table(hits: Sequence[Hit], query: str, space: Space) -> Group:
    """Ranked hits for a terminal."""
    table = Table(title=f"{shown(query)}  ·  {space.key}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("#", "clip", "from", "to", "score", "why"):
        table.add_column(
            column,
            justify="right" if column in ("#", "score") else "left",
            no_wrap=column not in ("clip", "why"),
            overflow="fold",
        )
    for rank, hit in enumerate(hits, 1):
        score = "text" if hit.score is None else f"{hit.score:.2f}"
        table.add_row(
            str(rank),
            shown(hit.name),
            *_shown_range(hit),
            f"[yellow]{score} weak[/]" if hit.weak else score,
            shown(hit.why),
        )
    lines: list[Any] = [table] if hits else [f"Nothing matched {shown(query)!r}."]
    if hits and all(hit.weak for hit in hits):
        lines.append("[yellow]All hits are weak: probably nothing in the footage shows this.[/]")
    if note := _note(space):
        lines.append(f"[dim]{note}[/]")
    return Group(*lines)


def _shown_range(hit: Hit) -> tuple[str, str]:
    """From and to in asset time, and below it in the file's own where that is another."""
    ends = hit.start_timecode, hit.end_timecode
    if not hit.file_offset_ns:
        return ends
    first, last = (f"{end}\n[dim]{at} file[/]" for end, at in zip(ends, hit.file_timecodes, strict=True))
    return first, last


def _note(space: Space) -> str:
    return DEFAULT_SPACE_NOTE if space.spec == "conse" else ""


def freshness_line(shared: Context) -> str:
    """How fresh the index is, in words."""
    from sinks.query.catalogue import Catalogue
    from stream.clock import SystemClock

    found = Catalogue(file_settings(shared).index_dir).freshness()
    now_ms = SystemClock().now_ms()
    if found.newest_commit_ms is None:
        return "The index is empty."
    age_s = max(0, now_ms - found.newest_commit_ms) / 1000
    pending = "nothing is pending"
    if found.oldest_pending_ms is not None:
        lag_s = max(0, now_ms - found.oldest_pending_ms) / 1000
        pending = f"{found.pending_assets} asset(s) pending, the oldest for {_duration(lag_s)}"
    return f"Index: newest segment stored {_duration(age_s)} ago; {pending}."


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
