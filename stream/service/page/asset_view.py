"""What the page of an asset shows of what the API says of it (pure)."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlencode

from stream.events.asset import AssetStatus
from stream.events.ids import clip_name
from stream.service.page.timeline import Timeline
from stream.service.schemas.assets import AssetDetailOut, AssetOut
from stream.service.schemas.moments import MomentOut

MOST_MOMENTS = 500


def asset_url(tenant: str, asset_id: str, at_s: float | None = None) -> str:
    """The page of an asset, at a second of it."""
    path = f"/assets/{quote(tenant, safe='')}/{quote(asset_id, safe='')}"
    return path if at_s is None else f"{path}?{urlencode({'t': f'{at_s:.3f}'})}"


def events_url(asset: AssetOut) -> str | None:
    """Of the stream that tells how the asset comes on; None for one of which nothing more is told."""
    return None if AssetStatus(asset.status).final else f"{asset.path}/events"


@dataclass(frozen=True, slots=True)
class AssetPage:
    """`at_s`: where the player opens, in asset time; `playable`: whether the caller may play it."""

    detail: AssetDetailOut
    timeline: Timeline | None
    at_s: float
    playable: bool

    @classmethod
    def of(cls, detail: AssetDetailOut, at_s: float, *, playable: bool) -> Self:
        return cls(detail, Timeline.of(detail), at_s, playable)

    @property
    def name(self) -> str:
        return clip_name(self.detail.asset.asset_id)

    @property
    def events(self) -> str | None:
        return events_url(self.detail.asset)

    @property
    def offset_s(self) -> float:
        """How much later players count than the asset's own time."""
        times = self.detail.moments[0].times if self.detail.moments else None
        return times.file_start_s - times.start_s if times else 0.0

    @property
    def source(self) -> str | None:
        """The address that a player opens at the moment (W3C Media Fragments)."""
        if self.detail.media is None or not self.playable:
            return None
        return f"{self.detail.media}#t={self.at_s + self.offset_s:.3f}"

    @property
    def next_url(self) -> str | None:
        """Where there are more moments, the page that begins with them."""
        if self.detail.complete or not self.detail.moments:
            return None
        asset, last = self.detail.asset, self.detail.moments[-1]
        return f"{asset_url(asset.tenant, asset.asset_id)}?{urlencode({'from': f'{last.times.end_s:.3f}'})}"

    def moment_url(self, moment: MomentOut) -> str:
        return asset_url(self.detail.asset.tenant, self.detail.asset.asset_id, moment.times.start_s)
