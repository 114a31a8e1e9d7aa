"""How fresh an answer is, in words: up to which publication everything is searchable, and what is not (pure)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from stream.events.ids import clip_name
from stream.service.page.asset_view import asset_url
from stream.service.schemas.search import FreshnessOut, PendingOut

_NAMED = 3


def utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True, slots=True)
class PendingLink:
    """`url` is None for an asset that the index has not been told of: there is nothing to show of it yet."""

    name: str
    url: str | None
    cells: str


@dataclass(frozen=True, slots=True)
class FreshnessLine:
    """`up_to`: everything that was published before is searchable; `named`: the oldest of `count` that are not. Without
    `up_to` nothing is proven, as `unknown` says.
    """

    up_to: str | None
    count: int
    named: tuple[PendingLink, ...]
    unknown: str | None = None

    @classmethod
    def of(cls, found: FreshnessOut) -> Self:
        named = tuple(
            PendingLink(
                clip_name(item.asset_id),
                None if item.segments is None else asset_url(item.tenant, item.asset_id),
                _how_far(item),
            )
            for item in found.pending[:_NAMED]
        )
        up_to = None if found.searchable_up_to_ms is None else utc(found.searchable_up_to_ms)
        return cls(up_to, found.pending_assets, named, found.unknown)


def _how_far(item: PendingOut) -> str:
    if item.segments is None:
        return f"waits for {item.waits_for}"
    return f"{item.segments_done} of {item.segments} cells"
