"""The `frames` payload: one segment's pixels, as Arrow. Exactly one record per segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from stream.errors import BadEvent
from stream.events.arrow import from_ipc, to_ipc
from stream.events.asset import Priority, Segment, SpanPlanned
from stream.events.grid import DENSE_TICKS, segment_range
from stream.events.ids import Int64
from stream.events.transfer import Transfer

DENSE_HEIGHT = 27
DENSE_WIDTH = 48
MAX_FRAMES_BYTES = 6 * 1024 * 1024

Matrix = Literal["bt601", "bt709", "bt2020"]
Kind = Literal["grid", "jump", "key"]
_KINDS = frozenset(get_args(Kind))

FRAMES_SCHEMA = pa.schema(
    [
        pa.field("time_ns", pa.int64(), nullable=False),
        pa.field("pts", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("yuv", pa.binary(), nullable=False),
    ]
)


class Colour(BaseModel):
    """How to turn the samples' YUV into RGB: matrix coefficients, range and transfer (ITU-T H.273)."""

    model_config = ConfigDict(frozen=True)
    matrix: Matrix = "bt709"
    full_range: bool = False
    transfer: Transfer = "sdr"


@dataclass(frozen=True, slots=True)
class Sample:
    """A kept frame: planar YUV 4:2:0 uint8 of the segment's sample size (both sides even): Y, then U, then V.

    `time_ns` is its position in asset time (grid position, tick, or the key frame's own time), `pts` the raw one.
    `colour` is its own where it differs from the cell's: streams may change theirs at any picture.
    """

    time_ns: int
    pts: int
    kind: Kind
    yuv: bytes
    colour: Colour | None = None


_Side = Annotated[int, Field(ge=2, le=8192, multiple_of=2)]


class FramesHeader(BaseModel):
    """Facts of a record's samples, as JSON in the Arrow schema's metadata. `colours` has the colour of each sample, by
    number, whose colour differs from the cell's.
    """

    span: SpanPlanned
    segment: Segment
    width: _Side
    height: _Side
    colour: Colour
    colours: dict[int, Colour] = Field(default_factory=dict)
    dense_times_ns: Annotated[tuple[Int64, ...], Field(min_length=DENSE_TICKS, max_length=DENSE_TICKS)] | None = None
    damaged: bool = False

    def fits(self, samples: Sequence[Sample], *, dense: bool) -> bool:
        """Whether the record is about one cell of its span and its parts have matching sizes."""
        return (
            range(self.span.first_segment, self.span.end_segment) == range(self.segment, self.segment + 1)
            and self.segment < self.span.segment_count
            and dense == (self.dense_times_ns is not None)
            and len(samples) > 0
            and all(len(sample.yuv) == self.width * self.height * 3 // 2 for sample in samples)
            and {sample.kind for sample in samples} <= _KINDS
        )


@dataclass(frozen=True, slots=True)
class Frames:
    """What decode yields for a cell.

    `dense`: uint8 [300, 27, 48, 3] RGB, the frame on display at each tick of `grid.dense_ticks(segment)`, the edge
    frame repeated where the asset has none; None in profile `fast`. `dense_times_ns[i]` is the asset time at which
    the frame of row i went on display. `span` is narrowed to this cell, so a dead letter can ask for it again.
    `damaged` says that the decoder reported errors and concealed them.
    """

    type: ClassVar[str] = "rushes.frames.decoded.v1"
    content_type: ClassVar[str] = "application/vnd.apache.arrow.stream"

    span: SpanPlanned
    segment: int
    width: int
    height: int
    colour: Colour
    samples: Sequence[Sample]
    dense: npt.NDArray[np.uint8] | None = None
    dense_times_ns: tuple[int, ...] | None = None
    damaged: bool = False

    @property
    def segment_id(self) -> str:
        return self.span.segment_id(self.segment)

    @property
    def priority(self) -> Priority:
        return self.span.priority

    @property
    def range_ns(self) -> tuple[int, int]:
        return segment_range(self.segment, self.span.media.duration_ns)

    def partition_key(self) -> bytes:
        return self.segment_id.encode()

    def to_bytes(self) -> bytes:
        header = FramesHeader(
            span=self.span,
            segment=self.segment,
            width=self.width,
            height=self.height,
            colour=self.colour,
            colours={number: sample.colour for number, sample in enumerate(self.samples) if sample.colour is not None},
            dense_times_ns=self.dense_times_ns,
            damaged=self.damaged,
        )
        rows = pa.RecordBatch.from_arrays(
            [
                pa.array([sample.time_ns for sample in self.samples], pa.int64()),
                pa.array([sample.pts for sample in self.samples], pa.int64()),
                pa.array([sample.kind for sample in self.samples], pa.string()),
                pa.array([sample.yuv for sample in self.samples], pa.binary()),
            ],
            schema=FRAMES_SCHEMA,
        )
        metadata = {b"header": header.model_dump_json().encode()}
        if self.dense is not None:
            metadata[b"dense"] = self.dense.tobytes()
        return to_ipc(rows, metadata)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        rows, metadata = from_ipc(value, FRAMES_SCHEMA, cls.__name__)
        try:
            header = FramesHeader.model_validate_json(metadata[b"header"])
            dense = metadata.get(b"dense")
            pixels = (
                None
                if dense is None
                else np.frombuffer(dense, np.uint8).reshape(DENSE_TICKS, DENSE_HEIGHT, DENSE_WIDTH, 3)
            )
            samples = [Sample(**row, colour=header.colours.get(number)) for number, row in enumerate(rows.to_pylist())]
        except (KeyError, ValueError) as error:
            raise BadEvent(f"invalid Frames payload: {type(error).__name__}", code="invalid_payload") from None
        if not header.fits(samples, dense=pixels is not None):
            raise BadEvent("invalid Frames payload: its parts do not fit together", code="invalid_payload")
        return cls(
            span=header.span,
            segment=header.segment,
            width=header.width,
            height=header.height,
            colour=header.colour,
            samples=samples,
            dense=pixels,
            dense_times_ns=header.dense_times_ns,
            damaged=header.damaged,
        )


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """A `Frames` payload that a decode child has already encoded. It is passed on unparsed.

    `cpu_us` and `read_bytes` are the cost of decoding since the cell before, and `priority` that of the asset; they are
    not sent.
    """

    type: ClassVar[str] = Frames.type
    content_type: ClassVar[str] = Frames.content_type

    segment: int
    segment_id: str
    value: bytes
    cpu_us: int = 0
    read_bytes: int = 0
    priority: Priority = "interactive"

    def partition_key(self) -> bytes:
        return self.segment_id.encode()

    def to_bytes(self) -> bytes:
        return self.value

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        frames = Frames.from_bytes(value)
        return cls(frames.segment, frames.segment_id, value)
