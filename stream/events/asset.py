"""JSON payloads: assets, their plan, failures, progress and status. Unknown fields are ignored."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from stream.errors import BadEvent
from stream.events.aim import NO_AIM, Aim
from stream.events.grid import MAX_SEGMENTS
from stream.events.ids import (
    CONTROL,
    MAX_ID_BYTES,
    AssetVersion,
    Int64,
    chosen_name,
    content_key,
    default_asset_id,
    digest,
    is_name,
    is_tenant,
    segment_id,
    typed_digest,
)
from stream.events.media import Media as Media  # noqa: PLC0414 - part of these payloads

Profile = Literal["fast", "full"]
Priority = Literal["interactive", "batch"]
MAX_LABEL_BYTES = 16 * 1024
"""For all labels of one asset, names and values together: every span, record and stored row repeats them."""


def _short(name: str) -> str:
    # In bytes: the length that pydantic checks counts characters.
    if not is_name(name, 200):
        raise PydanticCustomError("name", "not a text of 1 to 200 bytes without control characters")
    return name


def _folder(name: str) -> str:
    if not is_tenant(name):
        raise PydanticCustomError("tenant", "not a name of at most 200 bytes when percent-encoded")
    return name


def _identifying(asset_id: str) -> str:
    if not is_name(asset_id, MAX_ID_BYTES):
        raise PydanticCustomError("asset_id", f"not a text of 1 to {MAX_ID_BYTES} bytes without control characters")
    # Ids are stored and shown everywhere: a signed URL as an id must not take its secret there.
    return chosen_name(asset_id)


def _few(labels: dict[str, str]) -> dict[str, str]:
    if sum(len(key.encode()) + len(value.encode()) for key, value in labels.items()) > MAX_LABEL_BYTES:
        raise PydanticCustomError("labels", f"more than {MAX_LABEL_BYTES} bytes of labels")
    return labels


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_short)]
"""A project or label."""
Tenant = Annotated[Name, AfterValidator(_folder)]
AssetId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_BYTES), AfterValidator(_identifying)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=f"^[^{CONTROL}]+$")]
Text = Annotated[str, StringConstraints(max_length=2000)]
LabelName = Annotated[Name, StringConstraints(pattern="^[^=]+$")]
"""A label is searched as `name=value`."""
Labels = Annotated[dict[LabelName, Text], Field(max_length=64), AfterValidator(_few)]
Segment = Annotated[int, Field(ge=0, le=MAX_SEGMENTS)]


class Json(BaseModel):
    """JSON on the wire; frozen in the process."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    content_type: ClassVar[str] = "application/json"

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            # Only the field and the fault, never the input: even the names of labels are a producer's words.
            where = "; ".join(
                f"{next(iter(item['loc']), 'payload')}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False, include_context=False)[:5]
            )
            raise BadEvent(f"invalid {cls.__name__} payload: {where}", code="invalid_payload") from None


class AssetRef(BaseModel):
    """Which asset, in which version."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    tenant: Tenant
    project: Name
    asset_id: AssetId
    version: AssetVersion


class _Naming(BaseModel):
    """The part of `AssetPublished` that names the asset."""

    uri: Uri
    asset_id: AssetId | None = None


def _named(asset_id: str | None, uri: str) -> str:
    """The id of the asset that an event is about."""
    return asset_id or default_asset_id(uri)


class AssetPublished(Json):
    """A producer's event: this asset now has this content. `asset_id` defaults to the uri (see `default_asset_id`).

    `replan` is for the index alone. It makes plan rely only on what the stores hold, and not on outstanding cells.
    """

    type: ClassVar[str] = "rushes.asset.published.v1"
    uri: Uri
    asset_id: AssetId | None = None
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    etag: Text | None = None
    profile: Profile = "full"
    labels: Labels = Field(default_factory=dict)
    priority: Priority = "interactive"
    retention_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    replan: bool = False

    def identity(self) -> str:
        return _named(self.asset_id, self.uri)

    @staticmethod
    def named_in(value: bytes) -> str | None:
        """The asset that a payload names, whatever else is wrong with it; None where that is not certain."""
        try:
            found = _Naming.model_validate_json(value)
        except ValidationError:
            # In doubt nobody's: a guess would fail an asset of somebody else (ADR 0036).
            return None
        return _named(found.asset_id, found.uri)

    def partition_key(self) -> bytes:
        return self.identity().encode()


class AssetDeleted(Json):
    """A producer's event: forget this asset, its rows, thumbnails and dead letters."""

    type: ClassVar[str] = "rushes.asset.deleted.v1"
    asset_id: AssetId
    version: AssetVersion | None = None  # set by plan when it forwards the event to the sinks

    def identity(self) -> str:
        return self.asset_id

    def partition_key(self) -> bytes:
        return self.asset_id.encode()


class SourceVersion(BaseModel):
    """What identifies the bytes behind a uri: the ETag of an object, or inode, size and modification time of a file."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    size_bytes: Int64
    tag: str


class DecodeSettings(BaseModel):
    """Everything that changes what decode yields, and nothing else; its digest is part of every segment id. Without
    `dense` there is no dense view, and no sample that is chosen by it. `split_ns`: a key frame of the only cell of an
    asset, at which decoding begins anew, so that two processes may decode it (ADR 0091).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    profile: Profile = "full"
    sample_short_side: Annotated[int, Field(ge=2, le=4096)] = 256
    algorithm: int = 4
    dense: bool = True
    split_ns: Annotated[Int64, Field(gt=0)] | None = None

    def digest(self) -> str:
        # What was decoded before there was a choice keeps its ids. Where a clip is split, its content says.
        chosen = self.model_dump_json(exclude={"split_ns", "dense"} if self.dense else {"split_ns"})
        return digest("decode", chosen) if self.split_ns is None else typed_digest("decode split", chosen)


class AssetPlanned(Json):
    """Plan sends it before any span: the asset version has segments 0..n-1 of this content.

    `assumed_done` lists the cells that plan left out, because the ledger had them or their spans were outstanding. The
    asset is ready when all cells are done in the space of its `aim`.
    """

    type: ClassVar[str] = "rushes.asset.planned.v1"
    asset: AssetRef
    uri: str
    content_digest: str
    settings: DecodeSettings
    media: Media
    segment_count: Segment
    assumed_done: tuple[Segment, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    priority: Priority = "interactive"
    retention_days: int | None = None
    aim: Aim = NO_AIM
    source: SourceVersion | None = None  # None from an older release
    published_ms: Int64 | None = None
    """When a broker first took the publication, where a gate passed it on since."""

    @property
    def content_key(self) -> str:
        return content_key(self.asset.tenant, self.asset.asset_id, self.content_digest, self.settings.digest())

    def partition_key(self) -> bytes:
        return self.content_key.encode()


class SpanPlanned(Json):
    """Decode cells [first_segment, end_segment) of this content in one go."""

    type: ClassVar[str] = "rushes.span.planned.v1"
    asset: AssetRef
    uri: str
    source: SourceVersion
    content_digest: str
    settings: DecodeSettings
    media: Media
    first_segment: Segment
    end_segment: Segment
    segment_count: Segment
    labels: dict[str, str] = Field(default_factory=dict)
    priority: Priority = "interactive"
    aim: Aim = NO_AIM

    @model_validator(mode="after")
    def _only_a_lone_cell_is_split(self) -> Self:
        if self.settings.split_ns is not None and self.segment_count != 1:
            raise PydanticCustomError("split_ns", "only the only cell of an asset is split")
        return self

    @property
    def content_key(self) -> str:
        return content_key(self.asset.tenant, self.asset.asset_id, self.content_digest, self.settings.digest())

    def segment_id(self, segment: int) -> str:
        return segment_id(self.content_key, segment)

    def narrowed(self, segment: int) -> "SpanPlanned":
        """The same span for one cell only."""
        return self.model_copy(update={"first_segment": segment, "end_segment": segment + 1})

    def partition_key(self) -> bytes:
        # Spans of one asset spread over partitions: the order between them does not matter.
        return f"{self.content_key}/{self.first_segment}".encode()


class Outcome(StrEnum):
    """The result of a segment. Results join by rank, so the order and duplication of events do not matter."""

    NONE = "none"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    DONE = "done"

    @property
    def rank(self) -> int:
        return list(Outcome).index(self)

    def joined(self, other: "Outcome") -> "Outcome":
        return max(self, other, key=lambda outcome: outcome.rank)


class SegmentFailed(Json):
    """One cell will not arrive from this attempt. `outcome` is failed, or superseded when the source changed."""

    type: ClassVar[str] = "rushes.segment.failed.v1"
    asset: AssetRef
    content_key: str
    segment: Segment
    outcome: Literal[Outcome.FAILED, Outcome.SUPERSEDED] = Outcome.FAILED
    stage: str
    code: str
    message: Text

    def partition_key(self) -> bytes:
        return self.content_key.encode()


class AssetFailed(Json):
    """The asset version cannot be planned at all."""

    type: ClassVar[str] = "rushes.asset.failed.v1"
    asset: AssetRef
    uri: str = ""
    stage: str
    code: str
    message: Text
    labels: dict[str, str] = Field(default_factory=dict)

    def partition_key(self) -> bytes:
        return self.asset.asset_id.encode()


Measure = Annotated[int, Field(ge=0, lt=2**53)]
"""Below 2**53: every JSON reader takes such a number exactly."""


class SegmentProgressed(Json):
    """A stage finished with a cell. Small; for progress, usage and backlog, never for correctness. Plan also reports
    the asset's `priority`, and its `published_ms` as `AssetPlanned` has it.

    `cpu_us` is the CPU time of the part, `device_us` the time it held an accelerator, `read_bytes` the bytes read from
    the source. 0 where a stage does not measure it.
    """

    type: ClassVar[str] = "rushes.segment.progressed.v1"
    asset: AssetRef
    stage: str
    segment: Int64
    segment_count: Int64
    video_ns: Int64
    outcome: Outcome = Outcome.DONE
    priority: Priority | None = None
    published_ms: Int64 | None = None
    cpu_us: Measure = 0
    device_us: Measure = 0
    read_bytes: Measure = 0

    def partition_key(self) -> bytes:
        return self.asset.asset_id.encode()


class AssetStatus(StrEnum):
    PLANNED = "planned"
    READY = "ready"
    PARTIAL = "partial"
    FAILED = "failed"
    DELETED = "deleted"

    @property
    def final(self) -> bool:
        return self is not AssetStatus.PLANNED


UNKNOWN_ASSET = "unknown_asset"
"""The code of a deletion where the index never knew the asset."""


class AssetChanged(Json):
    """The status of an asset version, as the index holds it. Producers read it. `missing_ns` and `damaged_ns` are
    half-open ranges. Damaged ones are stored, but the decoder reported errors in them. `notes` say in words what a
    viewer should know.
    """

    type: ClassVar[str] = "rushes.asset.changed.v1"
    asset: AssetRef
    uri: str
    status: AssetStatus
    labels: dict[str, str] = Field(default_factory=dict)
    segment_count: int = 0
    segments_done: int = 0
    duration_ns: int = 0
    missing_ns: tuple[tuple[int, int], ...] = ()
    damaged_ns: tuple[tuple[int, int], ...] = ()
    notes: tuple[Text, ...] = ()
    code: str | None = None
    reason: Text | None = None

    def partition_key(self) -> bytes:
        return self.asset.asset_id.encode()


class ContentRetired(Json):
    """Rows of the asset with version <= `up_to` no longer count, also those that arrive later, unless they belong to
    the content `keep`. Of that one those with version <= `keep_after` do not count either: other content came since.

    The index sends it when changed content has become live, or (with `keep` None) when the asset was deleted.
    """

    type: ClassVar[str] = "rushes.content.retired.v1"
    tenant: Tenant
    asset_id: str
    up_to: AssetVersion
    keep: str | None = None
    keep_after: AssetVersion | None = None

    def partition_key(self) -> bytes:
        return self.asset_id.encode()
