"""What the API says of assets."""

from typing import Self

from pydantic import BaseModel, Field

from sinks.query.catalogue import AssetView
from stream.events.grid import SECOND_NS


class AssetOut(BaseModel):
    """The status of an asset's newest version."""

    tenant: str
    project: str
    asset_id: str
    status: str = Field(examples=["ready"])
    segments: int
    segments_done: int
    duration_s: float
    missing_s: list[tuple[float, float]] = Field(description="Ranges that could not be worked on.")
    code: str | None
    labels: list[str]
    searchable: bool

    @classmethod
    def of(cls, view: AssetView) -> Self:
        return cls(
            tenant=view.tenant,
            project=view.project,
            asset_id=view.asset_id,
            status=view.status,
            segments=view.segment_count,
            segments_done=view.segments_done,
            duration_s=view.duration_ns / SECOND_NS,
            missing_s=[(start / SECOND_NS, end / SECOND_NS) for start, end in view.missing_ns],
            code=view.code,
            labels=list(view.labels),
            searchable=view.live_content_key is not None,
        )


class AssetsOut(BaseModel):
    assets: list[AssetOut]
