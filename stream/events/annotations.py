"""The `annotations` payload: one segment's moments, as Arrow. Exactly one record per segment and revision."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from stream.errors import BadEvent
from stream.events.arrow import from_ipc, to_ipc
from stream.events.asset import AssetRef, Media, Segment
from stream.events.ids import Int64, Order, segment_id

TAG = pa.struct([pa.field("label", pa.string()), pa.field("score", pa.float32())])


class Space(BaseModel):
    """One embedder with its weights. `image_dimensions` is set where images are queried in another vector than text.

    `spec` is what `--embedder` takes (`conse`, `hf:DIR`); `key` names the table. A space of 0 dimensions has no
    embedder: its rows have no vector, and are found by their words.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    digest: str
    dimensions: Annotated[int, Field(ge=0, le=65_536)]
    image_dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    spec: str

    @property
    def key(self) -> str:
        return f"{self.name}_{self.digest[:12]}"


def moments_schema(space: Space) -> pa.Schema:
    """Rows of one segment in `space`. Times are asset time in ns; vectors are L2-normalised float32."""
    vectors = [pa.field("vector", pa.list_(pa.float32(), space.dimensions), nullable=False)] if space.dimensions else []
    fields = [
        pa.field("moment_id", pa.string(), nullable=False),
        pa.field("start_ns", pa.int64(), nullable=False),
        pa.field("end_ns", pa.int64(), nullable=False),
        pa.field("starts_at_cut", pa.bool_(), nullable=False),
        pa.field("ends_at_cut", pa.bool_(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("sample_count", pa.int32(), nullable=False),
        *vectors,
        pa.field("tags", pa.list_(TAG), nullable=False),
        pa.field("moderation_nsfw", pa.float32(), nullable=True),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("caption_method", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("thumbnail", pa.binary(), nullable=False),
        pa.field("thumbnail_time_ns", pa.int64(), nullable=False),
    ]
    if space.image_dimensions is not None:
        fields.append(pa.field("image_vector", pa.list_(pa.float32(), space.image_dimensions), nullable=False))
    return pa.schema(fields)


class ModelStamp(BaseModel):
    """Which model with which weights contributed to a row."""

    model_config = ConfigDict(frozen=True)
    role: str
    name: str
    version: str
    digest: str


class AnnotationsHeader(BaseModel):
    """Values that all rows of the segment share. `stage_digests`: stage name to the digest of its settings and models.
    `shot_method` names the detector, or is `none` where there was no dense view or nobody looked. `models` are those
    that looked: what has none among them was not looked for.
    """

    model_config = ConfigDict(frozen=True)
    asset: AssetRef
    uri: str
    content_digest: str
    content_key: str
    segment: Segment
    segment_count: Segment
    start_ns: Int64
    end_ns: Int64
    epoch_ms: Int64
    revision: Annotated[int, Field(ge=0, lt=2**31)] = 0
    space: Space
    models: tuple[ModelStamp, ...]
    stage_digests: dict[str, str]
    profile: str
    shot_method: str
    cuts_ns: tuple[Int64, ...] = ()
    labels: dict[str, str] = {}
    media: Media | None = None
    damaged: bool = False

    @property
    def segment_id(self) -> str:
        return segment_id(self.content_key, self.segment)

    @property
    def order(self) -> Order:
        return Order(self.asset.version, self.epoch_ms, self.revision)


@dataclass(frozen=True, slots=True)
class Annotations:
    """A segment's moments in one space. `rows` follow `moments_schema(header.space)`. A payload without rows says that
    the segment is done and holds no moment.
    """

    type: ClassVar[str] = "rushes.segment.annotated.v1"
    content_type: ClassVar[str] = "application/vnd.apache.arrow.stream"

    header: AnnotationsHeader
    rows: pa.Table

    def partition_key(self) -> bytes:
        return self.header.segment_id.encode()

    def to_bytes(self) -> bytes:
        schema = moments_schema(self.header.space)
        rows = self.rows.cast(schema).combine_chunks().to_batches()
        # Arrow gives no batch for no rows, but a payload without rows counts: its segment is done.
        batch = rows[0] if rows else pa.RecordBatch.from_pylist([], schema=schema)
        return to_ipc(batch, {b"header": self.header.model_dump_json().encode()})

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        rows, metadata = from_ipc(value, None, cls.__name__)
        try:
            header = AnnotationsHeader.model_validate_json(metadata[b"header"])
        except (KeyError, ValueError) as error:
            raise BadEvent(f"invalid Annotations payload: {type(error).__name__}", code="invalid_payload") from None
        # After the header, as only its space says how long vectors are.
        if not rows.schema.equals(moments_schema(header.space), check_metadata=False):
            raise BadEvent("invalid Annotations payload: unexpected schema", code="invalid_payload")
        return cls(header=header, rows=rows.replace_schema_metadata(None))
