"""Where rows lie in the Delta table (pure). Files hold rows in the order they came, so versions published at about the
same time lie together: who names the time leaves all other files unread.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sinks.assets.fold import SpaceCell
from sinks.filters import one_of


@dataclass(frozen=True, slots=True)
class VersionTime:
    """Rows of a tenant whose version was published at this time."""

    tenant: str
    append_ms: int


def cells_by_space(cells: Iterable[SpaceCell]) -> dict[str, list[str]]:
    """Their segments by space."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        found.setdefault(cell.space, []).append(cell.segment_id)
    return found


def cells_filter(cells: Iterable[SpaceCell]) -> str:
    """A filter for the rows of exactly these cells."""
    clauses = [
        f"({one_of('space', [space])} AND {one_of('segment_id', ids)})"
        for space, ids in sorted(cells_by_space(cells).items())
    ]
    return f"({' OR '.join(clauses) or 'false'})"
