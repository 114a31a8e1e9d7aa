"""What the API takes and answers as search."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from stream.events.grid import SECOND_NS
from stream.search.answer import SearchAnswer
from stream.search.explanation import Strength
from stream.search.freshness import SearchableUpTo
from stream.search.hit import Hit
from stream.search.hit_list import HitPage
from stream.search.request import Grouping, Sort
from stream.search.retrieval import End
from stream.service.schemas import examples
from stream.service.schemas.moments import TagOut, asset_path, thumbnail_path

MOST_HITS = 200
MOST_LABELS = 20
_Name = Annotated[str | None, Field(min_length=1, max_length=200)]
_Word = Annotated[str, Field(min_length=1, max_length=200)]
_Share = Annotated[float | None, Field(ge=0, le=1)]
_Seconds = Annotated[float | None, Field(ge=0, le=1e9)]


class NarrowedIn(BaseModel):
    """What is looked at: all that the filters keep."""

    model_config = ConfigDict(extra="forbid")

    tenant: _Name = None
    project: _Name = None
    label: list[str] = Field([], max_length=MOST_LABELS, description="`k=v` that the asset must carry; repeatable.")
    kind: _Name = Field(None, examples=["visual"])
    since: _Seconds = Field(None, alias="from", description="Only moments that end after this second.")
    until: _Seconds = Field(None, alias="to", description="Only moments that begin before this second.")
    tag: list[_Word] = Field([], max_length=MOST_LABELS, description="Tag that the moment must have; repeatable.")
    nsfw_from: _Share = Field(None, description="Only moments with this score of moderation or more.")
    nsfw_below: _Share = Field(None, description="Only moments with a lower score of moderation.")
    model: _Name = Field(None, description="Only moments that a model of this name or digest made.")
    space: _Name = None


class FacetsIn(NarrowedIn):
    """What is looked at: all that the filters keep, or what a query finds among it."""

    q: str | None = Field(None, max_length=4_000, description="What to look for, in words.", examples=["a red bus"])
    like: _Name = Field(None, description="Id of a moment to find similar ones of.")


class PictureSearchIn(NarrowedIn):
    """What the answer is narrowed to, and how it is sorted and grouped."""

    shot_from: _Seconds = Field(None, description="Only hits in shots of so many seconds or more.")
    shot_to: _Seconds = Field(None, description="Only hits in shots of no more seconds.")
    sort: Sort = Field("relevance", description="`time`: the best thousand moments, the newest publication first.")
    limit: int = Field(20, ge=1, le=MOST_HITS)
    group: Grouping = Field("shot", description="What a hit is; with `asset`, `limit` counts assets.")
    as_fresh_as: _Seconds = Field(
        None, description="412 unless all that was published so many seconds ago, or before, is searchable."
    )


class SearchIn(PictureSearchIn, FacetsIn):
    """What is asked: `q` or `like`, and what the answer is narrowed to. Or a `cursor` that an answer held."""

    cursor: str | None = Field(None, max_length=400, description="`next` of an answer; with `limit` at most.")


class HitOut(BaseModel):
    """A moment, or the moments of one shot. Times are seconds from the asset's first picture."""

    tenant: str
    project: str
    asset_id: str
    asset: str = Field(description="Path of the asset; `/media` after it is that of the footage.")
    start_s: float
    end_s: float
    start: str = Field(description="As a time code of milliseconds.", examples=["00:00:12.040"])
    end: str
    file_start_s: float = Field(description="As players count.")
    file_end_s: float
    source_start: str | None = Field(description="By the source's own time code, where it has one.")
    source_end: str | None
    score: float | None = Field(description="Similarity in the space; none for a hit by words alone.")
    strength: Strength = Field(description="How likely it shows what was asked for; unrated without a calibration.")
    weak: bool = Field(description="Its strength is weak: the footage probably shows something else.")
    why: str
    caption: str
    caption_method: str
    tags: list[TagOut]
    labels: list[str]
    moderation_nsfw: float | None
    not_looked_for: list[str] = Field(description="Of shots, tags and moderation: what no model has looked for.")
    moment_ids: list[str]
    published_at_ms: int
    thumbnail: str = Field(description="Path of the JPEG of the best moment.")

    @classmethod
    def of(cls, hit: Hit, space: str) -> Self:
        return cls(
            tenant=hit.tenant,
            project=hit.project,
            asset_id=hit.asset_id,
            asset=asset_path(hit.tenant, hit.asset_id),
            start_s=hit.start_ns / SECOND_NS,
            end_s=hit.end_ns / SECOND_NS,
            start=hit.start_timecode,
            end=hit.end_timecode,
            file_start_s=hit.file_range_ns[0] / SECOND_NS,
            file_end_s=hit.file_range_ns[1] / SECOND_NS,
            source_start=hit.source_range[0],
            source_end=hit.source_range[1],
            score=hit.score,
            strength=hit.strength,
            weak=hit.weak,
            why=hit.why,
            caption=hit.caption,
            caption_method=hit.caption_method,
            tags=TagOut.listed(hit.tags),
            labels=list(hit.labels),
            moderation_nsfw=hit.moderation_nsfw,
            not_looked_for=list(hit.not_looked_for),
            moment_ids=list(hit.moment_ids),
            published_at_ms=hit.published_ms,
            thumbnail=thumbnail_path(hit.moment_ids[0], space),
        )


class PendingOut(BaseModel):
    """An asset that is under way."""

    tenant: str
    asset_id: str
    asset: str = Field(description="Path of the asset.")
    published_at_ms: int
    segments_done: int
    segments: int | None = Field(description="None while the index has not been told of it.")
    waits_for: str | None = Field(description="The stage that has to take it next, until the index is told of it.")


class FreshnessOut(BaseModel):
    """The proof: of the tenant, the project and the rights that were asked with, everything published before
    `searchable_up_to_ms` is searchable. It counts what the index knows, what the service has accepted, and what lies
    unread on the topics before the index.
    """

    searchable_up_to_ms: int | None = Field(description="None where nothing is proven now, as `unknown` says.")
    as_of_ms: int = Field(description="When it was looked at; it is used for a second.")
    pending: list[PendingOut] = Field(description="What is not searchable yet, the oldest first, a hundred at most.")
    pending_assets: int
    unknown: str | None = Field(description="Why it is not known what waits before the index.")

    @classmethod
    def of(cls, found: SearchableUpTo) -> Self:
        return cls(
            searchable_up_to_ms=found.up_to_ms,
            as_of_ms=found.at_ms,
            pending=[
                PendingOut(
                    tenant=item.tenant,
                    asset_id=item.asset_id,
                    asset=asset_path(item.tenant, item.asset_id),
                    published_at_ms=item.published_ms,
                    segments_done=item.segments_done,
                    segments=item.segments,
                    waits_for=item.waits_for,
                )
                for item in found.pending
            ],
            pending_assets=found.count,
            unknown=found.unknown,
        )


class AnswerOut(BaseModel):
    """Hits, best first, or as `sort` says."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ANSWER]})

    space: str = Field(description="The embedder that was asked, with the digest of its weights.")
    hits: list[HitOut]
    all_weak: bool = Field(description="There are hits and all are weak: nothing seems to show this.")
    next: str | None = Field(None, description="Cursor to what comes after this page; none where it ends.")
    end: End = Field("all", description="`more` comes, this is `all`, or nobody looks `deepest` than ten thousand.")
    freshness: FreshnessOut | None = Field(None, description="Where `as_fresh_as` asked for it.")

    @classmethod
    def of(cls, answer: SearchAnswer, cursor: str | None = None, freshness: FreshnessOut | None = None) -> Self:
        key = answer.space.key
        return cls(
            space=key,
            hits=[HitOut.of(hit, key) for hit in answer.hits],
            all_weak=answer.all_weak,
            next=cursor,
            end="all" if cursor is None else "more",
            freshness=freshness,
        )

    @classmethod
    def of_page(cls, page: HitPage, cursor: str | None, end: End) -> Self:
        hits = [HitOut.of(hit, page.space) for hit in page.hits]
        return cls(space=page.space, hits=hits, all_weak=page.all_weak, next=cursor, end=end)
