"""How fresh an answer is, in words: up to which publication everything is searchable, and what is not (pure)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from stream.events.ids import clip_name
from stream.service.page.asset_view import asset_url
from stream.service.schemas.search import FreshnessOut

_NAMED = 3


def utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True, slots=True)
class PendingLink:
    name: str
    url: str
    cells: str


@dataclass(frozen=True, slots=True)
class FreshnessLine:
    """`up_to`: everything that was published before is searchable; `named`: the oldest of `count` that are not."""

    up_to: str
    count: int
    named: tuple[PendingLink, ...]

    @classmethod
    def of(cls, found: FreshnessOut) -> Self:
        named = tuple(
            PendingLink(
                clip_name(item.asset_id),
                asset_url(item.tenant, item.asset_id),
                f"{item.segments_done} of {item.segments} cells",
            )
            for item in found.pending[:_NAMED]
        )
        return cls(utc(found.searchable_up_to_ms), found.pending_assets, named)
