"""What the page of an asset shows of what the API says of it (pure)."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlencode

from stream.events.asset import AssetStatus
from stream.events.ids import clip_name
from stream.service.page.state import SearchState
from stream.service.page.timeline import Timeline
from stream.service.schemas.assets import AssetDetailOut, AssetOut
from stream.service.schemas.search import AnswerOut, HitOut

MOST_MOMENTS = 500
_MOST_UNRATED = 20


def asset_url(tenant: str, asset_id: str, at_s: float | None = None, **asked: str | None) -> str:
    """The page of an asset, at a second of it; `asked`: what was asked for, of which it shows the hits."""
    path = f"/assets/{quote(tenant, safe='')}/{quote(asset_id, safe='')}"
    at = {} if at_s is None else {"t": f"{at_s:.3f}"}
    said = at | {name: value for name, value in asked.items() if value}
    return f"{path}?{urlencode(said)}" if said else path


def events_url(asset: AssetOut) -> str | None:
    """Of the stream that tells how the asset comes on; None for one of which nothing more is told."""
    return None if AssetStatus(asset.status).final else f"{asset.path}/events"


@dataclass(frozen=True, slots=True)
class AssetPage:
    """`at_s`: where the player opens, in asset time; `playable`: whether the caller may play it; `hits`: those of
    `asked` in the order of time.
    """

    detail: AssetDetailOut
    timeline: Timeline | None
    at_s: float
    playable: bool
    asked: SearchState
    hits: tuple[HitOut, ...]

    @classmethod
    def of(
        cls,
        detail: AssetDetailOut,
        at_s: float,
        *,
        playable: bool,
        asked: SearchState | None = None,
        found: AnswerOut | None = None,
    ) -> Self:
        hits = shown_hits(found) if found else ()
        return cls(detail, Timeline.of(detail, hits), at_s, playable, asked or SearchState(), hits)

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
        asked = {"q": self.asked.q, "like": self.asked.like, "from": f"{last.times.end_s:.3f}"}
        return asset_url(asset.tenant, asset.asset_id, None, **asked)

    def url_at(self, start_s: float) -> str:
        """Of the same page at a second of it."""
        asset = self.detail.asset
        return asset_url(asset.tenant, asset.asset_id, start_s, q=self.asked.q, like=self.asked.like)

    @property
    def answer_url(self) -> str:
        """Of what was asked for, everywhere."""
        return self.asked.url()


def shown_hits(found: AnswerOut) -> tuple[HitOut, ...]:
    """Those that are no weak ones; where nothing tells weak from strong, the best."""
    hits = found.hits[:_MOST_UNRATED] if all(hit.strength == "unrated" for hit in found.hits) else found.hits
    return tuple(sorted((hit for hit in hits if not hit.weak), key=lambda hit: hit.start_s))
