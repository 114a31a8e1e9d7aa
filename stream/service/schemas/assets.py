"""What the API says of assets."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sinks.query.asset_detail import AssetDetail, CellFailure
from sinks.query.catalogue import AssetView, LiveAsset
from stream.events.grid import SECOND_NS, segment_range
from stream.pipelines.stages import INDEX, PLAN
from stream.search.answer import FoundMoments
from stream.search.lanes import Lanes, lanes_of
from stream.service.schemas import examples
from stream.service.schemas.moments import MomentOut, TimesOut, asset_path
from stream.service.schemas.reasons import told_reason

MOST_LISTED = 1_000
Seconds = tuple[float, float]
_Name = Annotated[str | None, Field(min_length=1, max_length=200)]


def _seconds(ranges_ns: Iterable[tuple[int, int]]) -> list[Seconds]:
    return [(start / SECOND_NS, end / SECOND_NS) for start, end in ranges_ns]


class AssetOut(BaseModel):
    """The status of an asset's newest version."""

    tenant: str
    project: str
    asset_id: str
    path: str = Field(description="Path of the asset in this API.")
    status: str = Field(examples=["ready"])
    segments: int
    segments_done: int
    duration_s: float
    missing_s: list[Seconds] = Field(description="Ranges that could not be worked on.")
    damaged_s: list[Seconds] = Field(description="Ranges where the footage has errors.")
    notes: list[str] = Field(description="What a viewer of the results should know.")
    code: str | None
    reason: str | None = Field(description="What `code` says, in words: why it is not ready.")
    labels: list[str]
    searchable: bool
    updated_at_ms: int

    @classmethod
    def of(cls, view: AssetView) -> Self:
        return cls(
            tenant=view.tenant,
            project=view.project,
            asset_id=view.asset_id,
            path=asset_path(view.tenant, view.asset_id),
            status=view.status,
            segments=view.segment_count,
            segments_done=view.segments_done,
            duration_s=view.duration_ns / SECOND_NS,
            missing_s=_seconds(view.missing_ns),
            damaged_s=_seconds(view.damaged_ns),
            notes=list(view.notes),
            code=view.code,
            reason=_reason(view),
            labels=list(view.labels),
            searchable=view.live_content_key is not None,
            updated_at_ms=view.updated_at_ms,
        )


class AssetsIn(BaseModel):
    """Whose assets; or a `cursor` that an answer held, which holds the whole question."""

    model_config = ConfigDict(extra="forbid")

    tenant: _Name = Field(None, description="Required without a cursor.")
    project: _Name = None
    limit: int = Field(100, ge=1, le=MOST_LISTED)
    cursor: str | None = Field(None, max_length=8_000, description="`next` of an answer; with `limit` at most.")

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if (self.tenant is None) == (self.cursor is None) or (self.cursor is not None and self.project is not None):
            raise ValueError("say `tenant`, and `project` if you like; or a `cursor`, alone or with `limit`")
        return self


class AssetsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.ASSETS]})

    assets: list[AssetOut] = Field(description="By id.")
    next: str | None = Field(description="Cursor to what comes after this page; none where it ends.")


class StageOut(BaseModel):
    """What the stores know of one stage: cells that are `done`, and cells that it gave up on, with the reason."""

    stage: str
    done: int | None = Field(description="None where the stores only know what failed.")
    failed: int
    code: str | None = None
    reason: str | None = None
    missing_s: list[Seconds] = []


class ProgressOut(BaseModel):
    """How far an asset is."""

    asset: AssetOut
    stages: list[StageOut]

    @classmethod
    def of(cls, detail: AssetDetail) -> Self:
        return cls(asset=AssetOut.of(detail.view), stages=_stages(detail))


class ShotOut(BaseModel):
    kind: str
    times: TimesOut


class TagRangeOut(BaseModel):
    """Where a tag holds, with its highest probability there."""

    label: str
    kind: str
    start_s: float
    end_s: float
    score: float


class AssetDetailOut(BaseModel):
    """An asset: its newest version as it is worked on, and what search shows of it as lanes over its time."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ASSET_DETAIL]})

    asset: AssetOut
    stages: list[StageOut]
    media: str | None = Field(description="Path of the footage; none while search shows nothing of it.")
    sprite: str | None = Field(description="Path of the WebVTT of its thumbnails; none as above.")
    space: str | None = Field(description="Where the lanes come from; none while there is nothing.")
    shots: list[ShotOut]
    moments: list[MomentOut] = Field(description="In the order of time, each with caption, tags and moderation.")
    tags: list[TagRangeOut] = Field(description="By label, then by time; ranges that touch are one.")
    not_looked_for: list[str] = Field(
        description="Of shots, tags and moderation: what no model has looked for, so that its lane says nothing."
    )
    complete: bool = Field(description="Whether these are all moments; ask again with `from` otherwise.")

    @classmethod
    def of(cls, detail: AssetDetail, live: LiveAsset | None, found: FoundMoments | None, limit: int) -> Self:
        """`found`: at most `limit + 1` moments, of which the last only says that there are more."""
        moments = found.moments[:limit] if found else ()
        lanes, space = lanes_of(moments), found.space if found else ""
        asset = AssetOut.of(detail.view)
        return cls(
            asset=asset,
            stages=_stages(detail),
            media=None if live is None else f"{asset.path}/media",
            sprite=None if live is None else f"{asset.path}/sprite.vtt",
            space=space or None,
            shots=_shots(lanes, live),
            moments=[MomentOut.of(moment, space) for moment in lanes.moments],
            tags=[
                TagRangeOut(
                    label=item.label,
                    kind=item.kind,
                    start_s=item.start_ns / SECOND_NS,
                    end_s=item.end_ns / SECOND_NS,
                    score=round(item.score, 4),
                )
                for item in lanes.tags
            ],
            not_looked_for=list(lanes.not_looked_for),
            complete=found is None or len(found.moments) <= limit,
        )


def _shots(lanes: Lanes, live: LiveAsset | None) -> list[ShotOut]:
    source, offset_ns = (live.timecode, live.file_offset_ns) if live else (None, 0)
    return [
        ShotOut(kind=shot.kind, times=TimesOut.between(shot.start_ns, shot.end_ns, source, offset_ns))
        for shot in lanes.shots
    ]


def _stages(detail: AssetDetail) -> list[StageOut]:
    view = detail.view
    if not view.segment_count:
        return [StageOut(stage=PLAN, done=0, failed=0, code=view.code, reason=_reason(view))]
    planned = StageOut(stage=PLAN, done=view.segment_count, failed=0)
    failed = [_failed(item, view) for item in detail.failures]
    return [planned, *failed, StageOut(stage=INDEX, done=detail.stored, failed=0)]


def _reason(view: AssetView) -> str | None:
    return None if view.reason is None else told_reason(view.asset_id, view.reason)


def _failed(item: CellFailure, view: AssetView) -> StageOut:
    return StageOut(
        stage=item.stage,
        done=None,
        failed=len(item.segments),
        code=item.code,
        reason=told_reason(view.asset_id, item.message),
        missing_s=_seconds(_joined([segment_range(number, view.duration_ns) for number in item.segments])),
    )


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        touches = bool(found) and found[-1][1] == start
        found.append((found.pop()[0] if touches else start, end))
    return found
