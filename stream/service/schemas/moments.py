"""What the API says of moments: times in seconds from the asset's first picture, in the file, and as the source names
them.
"""

import json
from collections.abc import Iterable
from typing import Self
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, ConfigDict, Field

from sinks.query.moments import MomentDetail, StoredMoment
from stream.events.grid import SECOND_NS, timecode
from stream.events.timecode import SourceTimecode
from stream.service.schemas import examples


def thumbnail_path(moment_id: str, space: str) -> str:
    return f"/v1/moments/{quote(moment_id, safe='')}/thumbnail?space={quote_plus(space)}"


def asset_path(tenant: str, asset_id: str) -> str:
    """A slash in an id is `%2F`."""
    return f"/v1/assets/{quote(tenant, safe='')}/{quote(asset_id, safe='')}"


class TagOut(BaseModel):
    label: str
    score: float = Field(description="Probability, 0 to 1.")

    @classmethod
    def listed(cls, tags: Iterable[tuple[str, float]]) -> list[Self]:
        return [cls(label=label, score=round(score, 4)) for label, score in tags]


class TimesOut(BaseModel):
    """When: `start_s` counts from the asset's first picture, `file_start_s` as players count, `source_start` is the
    source's own time code where it has one; the end is the first time after it.
    """

    start_s: float
    end_s: float
    start: str = Field(description="As a time code of milliseconds.", examples=["00:00:12.040"])
    end: str
    file_start_s: float
    file_end_s: float
    source_start: str | None = Field(examples=["10:00:12:01"])
    source_end: str | None

    @classmethod
    def between(cls, start_ns: int, end_ns: int, source: SourceTimecode | None, file_offset_ns: int) -> Self:
        return cls(
            start_s=start_ns / SECOND_NS,
            end_s=end_ns / SECOND_NS,
            start=timecode(start_ns),
            end=timecode(end_ns),
            file_start_s=(start_ns + file_offset_ns) / SECOND_NS,
            file_end_s=(end_ns + file_offset_ns) / SECOND_NS,
            source_start=None if source is None else source.name(source.at(start_ns)),
            source_end=None if source is None else source.name(source.before(end_ns)),
        )

    @classmethod
    def of(cls, moment: StoredMoment) -> Self:
        return cls.between(moment.start_ns, moment.end_ns, moment.timecode, moment.file_offset_ns)


class MomentOut(BaseModel):
    """A moment of an asset. `starts_at_cut` and `ends_at_cut`: a shot begins or ends there."""

    moment_id: str
    times: TimesOut
    kind: str
    starts_at_cut: bool
    ends_at_cut: bool
    shot_method: str = Field(description="What found the cuts; `none` where nothing looked for them.")
    caption: str
    caption_method: str
    tags: list[TagOut]
    moderation_nsfw: float | None
    not_looked_for: list[str] = Field(description="Of shots, tags and moderation: what no model has looked for.")
    damaged: bool = Field(description="The footage has errors there.")
    thumbnail: str = Field(description="Path of its JPEG.")

    @classmethod
    def of(cls, moment: StoredMoment, space: str) -> Self:
        return cls(
            moment_id=moment.moment_id,
            times=TimesOut.of(moment),
            kind=moment.kind,
            starts_at_cut=moment.starts_at_cut,
            ends_at_cut=moment.ends_at_cut,
            shot_method=moment.shot_method,
            caption=moment.caption,
            caption_method=moment.caption_method,
            tags=TagOut.listed(moment.tags),
            moderation_nsfw=moment.moderation_nsfw,
            not_looked_for=list(moment.not_looked_for),
            damaged=moment.damaged,
            thumbnail=thumbnail_path(moment.moment_id, space),
        )


class ModelOut(BaseModel):
    """A model that the moment was made with."""

    role: str = Field(examples=["tagger"])
    name: str
    version: str
    digest: str


class MomentDetailOut(BaseModel):
    """A moment with its asset and with what made it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MOMENT_DETAIL]})

    space: str
    tenant: str
    project: str
    asset_id: str
    asset: str = Field(description="Path of the asset.")
    media: str = Field(description="Path of the footage, for a player; `#t=` and `file_start_s` make it begin there.")
    labels: list[str]
    moment: MomentOut
    text: str = Field(description="What a search by words looks into.")
    segment: int = Field(description="The number of its cell of ten seconds.")
    epoch_ms: int = Field(description="When the roll-out that made it began.")
    published_at_ms: int
    models: list[ModelOut]

    @classmethod
    def of(cls, detail: MomentDetail, space: str) -> Self:
        moment = detail.moment
        path = asset_path(moment.tenant, moment.asset_id)
        return cls(
            space=space,
            tenant=moment.tenant,
            project=moment.project,
            asset_id=moment.asset_id,
            asset=path,
            media=f"{path}/media",
            labels=list(moment.labels),
            moment=MomentOut.of(moment, space),
            text=moment.text,
            segment=detail.segment,
            epoch_ms=detail.epoch_ms,
            published_at_ms=detail.version_ms,
            models=[ModelOut.model_validate(item) for item in json.loads(detail.models)],
        )
