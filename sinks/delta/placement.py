"""Where rows lie in the Delta table (pure). Files hold rows in the order they came, so versions published at about the
same time lie together: a filter that names the time leaves all other files unread.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from sinks.assets.fold import SpaceCell
from sinks.filters import literal, one_of
from sinks.schema import day_of

Item = TypeVar("Item")

NEAR_MS = 2_000
MOST_GROUPS = 8
"""Each group is a commit of its own: files that lie apart are rewritten apart, and stay narrow in time."""


@dataclass(frozen=True, slots=True, order=True)
class VersionSpan:
    """Rows of a tenant whose versions were published from `first_ms` to `last_ms`."""

    tenant: str
    first_ms: int
    last_ms: int

    @classmethod
    def at(cls, tenant: str, version_ms: int) -> Self:
        return cls(tenant, version_ms, version_ms)

    def joined(self, other: "VersionSpan") -> "VersionSpan":
        """Of one tenant: both, and what lies between them."""
        return VersionSpan(self.tenant, min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms))

    def filter(self) -> str:
        """By the columns of partitions, and by the one whose statistics tell files apart."""
        first, last = literal(day_of(self.first_ms)), literal(day_of(self.last_ms))
        days = f"day = {first}" if first == last else f"day BETWEEN {first} AND {last}"
        when = f"version_ms BETWEEN {self.first_ms:d} AND {self.last_ms:d}"
        return f"(tenant = {literal(self.tenant)} AND {days} AND {when})"


@dataclass(frozen=True, slots=True)
class CommitGroup(Generic[Item]):
    """Items that are changed in one commit, and where their rows lie."""

    spans: tuple[VersionSpan, ...]
    items: tuple[Item, ...]


def groups(placed: Iterable[tuple[VersionSpan, Item]]) -> list[CommitGroup[Item]]:
    """Items that lie near each other, together; in no more than `MOST_GROUPS`, so that a commit's time is bounded."""
    near: list[tuple[VersionSpan, list[Item]]] = []
    for span, item in sorted(placed, key=lambda each: each[0]):
        if near and _adjoin(near[-1][0], span):
            near[-1] = (near[-1][0].joined(span), [*near[-1][1], item])
        else:
            near.append((span, [item]))
    size = -(-len(near) // MOST_GROUPS) or 1
    parts = [near[start : start + size] for start in range(0, len(near), size)]
    return [CommitGroup(tuple(span for span, _ in part), tuple(it for _, its in part for it in its)) for part in parts]


def filter_of(spans: Iterable[VersionSpan]) -> str:
    """A filter for the rows that lie in any of these."""
    joined: list[VersionSpan] = []
    for span in sorted(spans):
        if joined and _adjoin(joined[-1], span):
            joined[-1] = joined[-1].joined(span)
        else:
            joined.append(span)
    return "(" + (" OR ".join(span.filter() for span in joined) or "false") + ")"


def _adjoin(one: VersionSpan, later: VersionSpan) -> bool:
    return one.tenant == later.tenant and later.first_ms - one.last_ms <= NEAR_MS


def cells_filter(cells: Iterable[SpaceCell]) -> str:
    """A filter for the rows of exactly these cells."""
    by_space: dict[str, list[str]] = {}
    for cell in cells:
        by_space.setdefault(cell.space, []).append(cell.segment_id)
    clauses = [
        f"({one_of('space', [space])} AND {one_of('segment_id', ids)})" for space, ids in sorted(by_space.items())
    ]
    return f"({' OR '.join(clauses) or 'false'})"
