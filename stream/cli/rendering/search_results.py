"""Renders a search answer: a table and lines for a terminal, text for other tools."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table

from stream.cli.rendering.durations import duration_in_words
from stream.cli.rendering.output import as_json
from stream.cli.rendering.sanitize import shown
from stream.events.annotations import Space
from stream.search.answer import SearchAnswer
from stream.search.explanation import Strength
from stream.search.exports import to_csv, to_edl, to_rows
from stream.search.freshness import AnswerFreshness
from stream.search.hit import Hit

DEFAULT_SPACE_NOTE = (
    "default space: ImageNet tags x sentence embeddings; weaker than CLIP (--embedder hf:DIR on ingest)"
)
NO_VECTORS_NOTE = "nobody looked for vectors here: hits have words that were asked for, none is found by its meaning"
EXPORTS: dict[str, Callable[[Sequence[Hit], Fraction], str]] = {
    "csv": lambda hits, _fps: to_csv(hits),
    "edl": to_edl,
    "json": lambda hits, _fps: as_json(to_rows(hits)),
}
"""Hits and a frame rate to text."""


def result_table(answer: SearchAnswer, query: str) -> Group:
    """A table of the hits, best first."""
    title = f"{shown(query)}  ·  {answer.space.key}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("#", "clip", "from", "to", "score", "why"):
        table.add_column(
            column,
            justify="right" if column in ("#", "score") else "left",
            no_wrap=column not in ("clip", "why"),
            overflow="fold",
        )
    for rank, hit in enumerate(answer.hits, 1):
        score = "text" if hit.score is None else f"{hit.score:.2f}"
        # Every text of a hit comes from producers or models.
        table.add_row(
            str(rank),
            shown(hit.name),
            *_shown_range(hit),
            _rated(score, hit.strength),
            shown(hit.why),
        )
    # An empty table would look like a defect.
    lines: list[Any] = [table] if answer.hits else [f"Nothing matched {shown(query)!r}."]
    if answer.all_weak:
        lines.append("[yellow]All hits are weak: probably nothing in the footage shows this.[/]")
    if note := space_note(answer.space):
        lines.append(f"[dim]{note}[/]")
    return Group(*lines)


def _rated(score: str, strength: Strength) -> str:
    if strength == "unrated":
        return score
    colour = {"strong": "green", "fair": "default", "weak": "yellow"}[strength]
    return f"[{colour}]{score} {strength}[/]"


def space_note(space: Space) -> str:
    """A note on the quality of a space; may be empty."""
    if not space.dimensions:
        return NO_VECTORS_NOTE
    return DEFAULT_SPACE_NOTE if space.spec == "conse" else ""


def freshness_line(found: AnswerFreshness) -> str:
    """One line on the freshness of the index."""
    if found.newest_age_s is None:
        return "The index is empty."
    pending = "nothing is pending"
    if found.oldest_pending_s is not None:
        pending = f"{found.pending_assets} asset(s) pending, the oldest for {duration_in_words(found.oldest_pending_s)}"
    return f"Index: newest segment stored {duration_in_words(found.newest_age_s)} ago; {pending}."


def lacking_line(answer: SearchAnswer) -> str:
    """What this answer could not find, if the request asked for an explanation; may be empty."""
    if answer.explanation is None or not answer.explanation.lacking_assets:
        return ""
    return (
        f"{answer.explanation.lacking_assets} asset(s) are not or not wholly in space {answer.space.key}: publish them"
        " again, or search the others with --space (`rushes spaces list`)."
    )


def _shown_range(hit: Hit) -> tuple[str, str]:
    """Start and end in asset time, and below in the file's own time where it differs."""
    ends = hit.start_timecode, hit.end_timecode
    if not hit.file_offset_ns:
        return ends
    first, last = (f"{end}\n[dim]{at} file[/]" for end, at in zip(ends, hit.file_timecodes, strict=True))
    return first, last
