"""The list of a tenant's assets as the page shows it (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from stream.events.ids import clip_name
from stream.service.page.asset_view import asset_url, events_url
from stream.service.page.freshness_view import utc
from stream.service.schemas.assets import AssetOut
from stream.service.schemas.publications import PublicationOut

MOST_ASSETS = 500


@dataclass(frozen=True, slots=True)
class AssetRow:
    asset: AssetOut

    @property
    def name(self) -> str:
        return clip_name(self.asset.asset_id)

    @property
    def url(self) -> str:
        return asset_url(self.asset.tenant, self.asset.asset_id)

    @property
    def events(self) -> str | None:
        return events_url(self.asset)

    @property
    def updated(self) -> str:
        return utc(self.asset.updated_at_ms)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A publication of which no asset will be made."""

    publication: PublicationOut

    @property
    def name(self) -> str:
        return clip_name(self.publication.asset_id)

    @property
    def published(self) -> str:
        return utc(self.publication.published_at_ms)


@dataclass(frozen=True, slots=True)
class AssetTable:
    """What is not ready first, then what changed last. `left_out`: how many come after that."""

    rows: tuple[AssetRow, ...]
    left_out: int

    @classmethod
    def of(cls, assets: Iterable[AssetOut]) -> Self:
        ordered = sorted(assets, key=lambda asset: (asset.status == "ready", -asset.updated_at_ms, asset.asset_id))
        return cls(tuple(map(AssetRow, ordered[:MOST_ASSETS])), max(0, len(ordered) - MOST_ASSETS))
