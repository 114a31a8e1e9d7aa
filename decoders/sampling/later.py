"""The later part of a cell, which another process decodes: what a sampler may ask of its pictures, kept and replayed
(pure).

`FullSampler` keeps a picture for what came before it, which the other process has not seen. So more pictures are kept
than it will ask for: whatever came before, none that it asks for is missing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import pyarrow as pa

from decoders.sampling.cells import Picture, Shown
from decoders.sampling.change_detection import (
    CHANGE_OVER_RECENT,
    MIN_CHANGE,
    RECENT_TICKS,
    STILL_CHANGE,
    STILL_TICKS,
    difference,
)
from stream.errors import BadEvent
from stream.events.arrow import from_ipc, to_ipc
from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH, Colour
from stream.events.grid import TICK_NS, dense_ticks, sample_times, segment_range

T = TypeVar("T")
_SCHEMA = pa.schema(
    [
        pa.field("time_ns", pa.int64(), nullable=False),
        pa.field("end_ns", pa.int64(), nullable=False),
        pa.field("pts", pa.int64(), nullable=False),
        pa.field("damaged", pa.bool_(), nullable=False),
        pa.field("lost", pa.bool_(), nullable=False),
        pa.field("colour", pa.string()),
        pa.field("yuv", pa.binary()),
        pa.field("dense", pa.binary()),
    ]
)


@dataclass(slots=True)
class KeptPicture:
    """A picture as a sampler sees it (`cells.Shown`), with what was kept of it. With `lost` it is none: a packet of
    this time was refused or lost. Raises `LookupError` where it is asked for what was not kept.
    """

    time_ns: int
    end_ns: int
    pts: int
    damaged: bool = False
    lost: bool = False
    kept_colour: Colour | None = None
    yuv: bytes | None = None
    small: Picture | None = None

    def colour(self) -> Colour:
        return _kept(self.kept_colour)

    def sample(self) -> bytes:
        return _kept(self.yuv)

    def dense(self) -> Picture:
        return _kept(self.small)


@dataclass(frozen=True, slots=True)
class LaterPart:
    """All pictures and losses from the split to the cell's end, in order. `ciphertext`: some packets were encrypted."""

    pictures: Sequence[KeptPicture]
    ciphertext: bool = False

    def to_bytes(self) -> bytes:
        found = self.pictures
        columns = [
            pa.array([each.time_ns for each in found], pa.int64()),
            pa.array([each.end_ns for each in found], pa.int64()),
            pa.array([each.pts for each in found], pa.int64()),
            pa.array([each.damaged for each in found], pa.bool_()),
            pa.array([each.lost for each in found], pa.bool_()),
            pa.array([each.kept_colour and each.kept_colour.model_dump_json() for each in found], pa.string()),
            pa.array([each.yuv for each in found], pa.binary()),
            pa.array([None if each.small is None else each.small.tobytes() for each in found], pa.binary()),
        ]
        rows = pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)
        return to_ipc(rows, {b"ciphertext": b"1" if self.ciphertext else b"0"})

    @classmethod
    def from_bytes(cls, value: bytes, sample_bytes: int) -> Self:
        """Raises `BadEvent` where the bytes are no such part, with samples of this size."""
        table, metadata = from_ipc(value, _SCHEMA, cls.__name__)
        try:
            pictures = [_picture(row, sample_bytes) for row in table.to_pylist()]
        except ValueError as error:
            raise BadEvent(f"invalid LaterPart: {type(error).__name__}", code="invalid_payload") from None
        return cls(pictures, metadata.get(b"ciphertext") == b"1")


class LaterRecorder:
    """Takes the frames of the only cell of an asset from `split_ns` on, in display order, as `FullSampler` does."""

    def __init__(self, duration_ns: int, split_ns: int) -> None:
        self._split_ns = split_ns
        self._duration_ns = duration_ns
        self._positions = deque(at for at in sample_times(*segment_range(0, duration_ns)) if at >= split_ns)
        self._tick = 0
        self._end_tick = dense_ticks(0).stop
        self._asked = _MayBeAsked()
        self._before: Picture | None = None
        self._current: tuple[Shown, KeptPicture] | None = None
        self._found: list[KeptPicture] = []

    def error_at(self, time_ns: int) -> None:
        """What was lost before the split is told by who decodes the earlier part."""
        if time_ns >= self._split_ns:
            self._found.append(KeptPicture(time_ns, time_ns, 0, lost=True))

    def push(self, frame: Shown) -> None:
        if frame.time_ns < self._split_ns or (self._current and frame.time_ns <= self._current[1].time_ns):
            return
        first = self._current is None
        if first:
            # Until now the last picture of the earlier part was on display.
            self._tick = -(-frame.time_ns // TICK_NS)
        self._show(frame.time_ns)
        kept = KeptPicture(frame.time_ns, frame.end_ns, frame.pts, frame.damaged)
        self._current = frame, kept
        self._found.append(kept)
        if first:
            # It also stands for what came before, where nothing did.
            self._keep()
            kept.small = frame.dense()

    def finish(self, *, ciphertext: bool = False) -> LaterPart:
        """The last frame stays on display, also beyond the asset's end."""
        if self._current is not None:
            self._show(max(self._duration_ns, self._current[1].time_ns + 1, self._end_tick * TICK_NS))
        return LaterPart(self._found, ciphertext)

    def _show(self, until_ns: int) -> None:
        """The current frame is on display until then."""
        if self._current is None:
            return
        frame, kept = self._current
        while self._positions and self._positions[0] < until_ns:
            self._positions.popleft()
            self._keep()
        while self._tick < self._end_tick and self._tick * TICK_NS < until_ns:
            kept.small = frame.dense()
            before, self._before = self._before, kept.small
            change = 0.0 if before is None or before is kept.small else difference(before, kept.small)
            if self._asked.at_tick(change):
                self._keep()
            self._tick += 1

    def _keep(self) -> None:
        if self._current is not None:
            frame, kept = self._current
            kept.kept_colour, kept.yuv = frame.colour(), frame.sample()


class _MayBeAsked:
    """Whether a sampler that knows what came before may ask for the picture of a tick. See `change_detection`."""

    def __init__(self) -> None:
        # Nothing that came before can make a change less unusual than if it had been still.
        self._recent = deque([0.0] * RECENT_TICKS, maxlen=RECENT_TICKS)
        self._still = 0
        self._ticks = 0

    def at_tick(self, change: float) -> bool:
        """Takes the change of each tick in order."""
        usual = sum(self._recent) / RECENT_TICKS
        self._recent.append(change)
        self._ticks += 1
        self._still = self._still + 1 if change < STILL_CHANGE else 0
        # How long it has been still already is known after this many ticks, and what it settled on last never is.
        settles = self._ticks <= STILL_TICKS + 1 or self._still == STILL_TICKS
        return settles or (change >= MIN_CHANGE and change >= CHANGE_OVER_RECENT * usual)


def _kept(value: T | None) -> T:
    if value is None:
        raise LookupError("not kept")
    return value


def _picture(row: dict[str, object], sample_bytes: int) -> KeptPicture:
    colour, yuv, dense = row.pop("colour"), row.pop("yuv"), row.pop("dense")
    picture = KeptPicture(**row)  # type: ignore[arg-type]  # the schema was checked
    if isinstance(colour, str):
        picture.kept_colour = Colour.model_validate_json(colour)
    if isinstance(yuv, bytes):
        if len(yuv) != sample_bytes:
            raise ValueError
        picture.yuv = yuv
    if isinstance(dense, bytes):
        picture.small = np.frombuffer(dense, np.uint8).reshape(DENSE_HEIGHT, DENSE_WIDTH, 3)
    return picture
