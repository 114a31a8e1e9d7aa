"""From a stream of frames to cells (pure): grid samples, jump samples and the dense view, one pass, no look back.

A frame is on display from its own time until the next one's, the last until the asset ends. What a cell holds depends
on which frame is on display at fixed positions of the asset's time, so it is the same whichever span it is part of.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from decoders.sampling.change_detection import ChangeDetector, Jump, SettleDetector, difference, needed
from stream.events.frames import Colour, Kind, Sample
from stream.events.grid import (
    CONTEXT_NS,
    CONTEXT_TICKS,
    SECOND_NS,
    SEGMENT_NS,
    TICK_NS,
    TICKS_PER_SEGMENT,
    dense_ticks,
    sample_times,
    segment_range,
)

DAMAGE_REACH_NS = SECOND_NS // 2
"""Reordering puts the last whole picture before a hole a little later than the first hurt one."""

Picture = npt.NDArray[np.uint8]


class Shown(Protocol):
    """A decoded frame at its place in asset time. `end_ns` is where its own duration ends."""

    @property
    def time_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def pts(self) -> int: ...
    @property
    def damaged(self) -> bool: ...

    def colour(self) -> Colour: ...
    def sample(self) -> bytes:
        """Planar 4:2:0 of the cell's sample size. May be asked again and again, the work is done once."""

    def dense(self) -> Picture:
        """uint8 [27, 48, 3]. As `sample`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A tick of the dense view: the picture and when its frame went on display."""

    picture: Picture
    time_ns: int


@dataclass(slots=True)
class Cell:
    """A segment in the making. `missing`: nothing of it could be decoded, or the decoder refused more of its packets
    than it has frames: what is left of such a cell stands for nothing.
    """

    segment: int
    start_ns: int
    end_ns: int
    samples: list[Sample] = field(default_factory=list)
    dense: Picture | None = None
    dense_times_ns: tuple[int, ...] | None = None
    colour: Colour | None = None
    damaged: bool = False
    missing: bool = False
    _positions: list[int] = field(default_factory=list)
    _candidates: dict[int, Sample] = field(default_factory=dict)
    _jumps: ChangeDetector = field(default_factory=ChangeDetector)
    _settling: SettleDetector = field(default_factory=SettleDetector)
    _arrivals: list[Jump] = field(default_factory=list)
    _own_frames: int = 0
    _refused: int = 0
    _held_until_ns: int = 0
    _last_frame_ns: int = -1

    @classmethod
    def of(cls, segment: int, duration_ns: int) -> "Cell":
        start_ns, end_ns = segment_range(segment, duration_ns)
        return cls(segment, start_ns, end_ns, _positions=sample_times(start_ns, end_ns))

    def shown(self, frame: Shown, until_ns: int) -> None:
        """`frame` is on display in [its time, until_ns)."""
        if until_ns <= self.start_ns or frame.time_ns >= self.end_ns:
            return
        if frame.time_ns >= self.start_ns:
            self._own_frames += 1
            self.damaged |= frame.damaged
        self._held_until_ns = max(self._held_until_ns, frame.end_ns)
        self._last_frame_ns = frame.time_ns
        self.colour = self.colour or frame.colour()
        while self._positions and self._positions[0] < until_ns:
            position = self._positions.pop(0)
            self.samples.append(self.kept(frame, position, "grid"))

    def kept(self, frame: Shown, time_ns: int, kind: Kind) -> Sample:
        """`frame` as a sample. Its colour is the cell's unless it has one of its own."""
        own = frame.colour()
        self.colour = self.colour or own
        return Sample(time_ns, frame.pts, kind, frame.sample(), None if own == self.colour else own)

    def refused(self) -> None:
        """The decoder refused a packet of this cell."""
        self._refused += 1

    def ticked(self, tick: int, frame: Shown, change: float) -> None:
        """A tick at or before the cell's end shows `frame`, `change` grey levels away from the tick before."""
        first = self.segment * TICKS_PER_SEGMENT
        arrived = self._settling.arrival(frame.dense(), change)
        if tick < first:
            self._jumps.recent(change)
            return
        # A frame that goes on display just before the cell's end is first seen by the tick at or after it.
        late = tick * TICK_NS >= self.end_ns
        time_ns = max(frame.time_ns, self.start_ns) if late else tick * TICK_NS
        if time_ns >= self.end_ns:
            return
        jumped = self._jumps.is_jump(tick, change)
        if jumped:
            self._settling.jumped(frame.dense())
        elif arrived and not late:
            self._arrivals.append(Jump(tick, arrived))
        if jumped or (arrived and not late) or tick == first:
            self._candidates[tick] = self.kept(frame, time_ns, "jump")
            kept = {first, *(jump.tick for jump in (*self._jumps.jumps, *self._arrivals))}
            self._candidates = {at: sample for at, sample in self._candidates.items() if at in kept}

    def finish(self, rows: list[Row] | None, error_times_ns: list[int], *, broken_off: bool) -> None:
        """Choose the jump samples, take the dense rows, and decide whether there is anything to show at all.

        `broken_off`: no frame is left although there should be more.
        """
        self.damaged |= any(self.start_ns <= time_ns < self.end_ns for time_ns in error_times_ns)
        # A picture that stays is no loss, unless damage is close before: it may have taken what should have followed.
        hurt_from_ns = self._last_frame_ns - DAMAGE_REACH_NS
        lost = any(hurt_from_ns < time_ns < self.end_ns for time_ns in error_times_ns)
        cut_off = broken_off and self.end_ns - self._held_until_ns > SECOND_NS
        held = self._held_until_ns > self.start_ns
        nothing = not self._own_frames and not held and (lost or cut_off)
        self.missing = self.colour is None or nothing or self._refused > self._own_frames
        grid = sample_times(self.start_ns, self.end_ns)
        first, last = self.start_ns // TICK_NS, -(-self.end_ns // TICK_NS)
        used = {sample.pts for sample in self.samples}
        jumps = sorted([*self._jumps.jumps, *self._arrivals], key=lambda jump: jump.tick)
        for tick in needed(
            first, max(last, *(jump.tick + 1 for jump in jumps), 0), jumps, [position / TICK_NS for position in grid]
        ):
            sample = self._candidates.get(tick)
            if sample is not None and sample.pts not in used:
                used.add(sample.pts)
                self.samples.append(sample)
        self.samples.sort(key=lambda sample: sample.time_ns)
        if rows is not None:
            self.dense = np.stack([row.picture for row in rows])
            self.dense_times_ns = tuple(row.time_ns for row in rows)


class FullSampler:
    """Profile `full`: push frames in display order, take cells as they are complete, then `finish`.

    The first frame pushed must be on display at `needs_from_ns`, or be the asset's first.
    """

    def __init__(self, first_segment: int, end_segment: int, duration_ns: int, last_ns: int = 0) -> None:
        """`last_ns`: when the asset's last frame goes on display; 0 where that is not known."""
        self._duration_ns = duration_ns
        self._last_ns = last_ns
        self._cells = [Cell.of(segment, duration_ns) for segment in range(first_segment, end_segment)]
        self._rows: dict[int, Row] = {}
        self._tick = dense_ticks(first_segment).start
        self._end_tick = dense_ticks(end_segment - 1).stop
        self._current: Shown | None = None
        self._errors_ns: list[int] = []
        self.needs_from_ns = max(0, first_segment * SEGMENT_NS - CONTEXT_NS)

    @property
    def done(self) -> bool:
        return not self._cells

    def error_at(self, time_ns: int) -> None:
        """A packet shown at this time was refused or lost."""
        self._errors_ns.append(time_ns)
        for cell in self._cells:
            if cell.start_ns <= time_ns < cell.end_ns:
                cell.refused()

    def push(self, frame: Shown) -> Iterator[Cell]:
        """Frames that do not advance in time are dropped, as no viewer would see them."""
        if self._current is not None:
            if frame.time_ns <= self._current.time_ns:
                return
            self._show(self._current, frame.time_ns)
        if frame.damaged:
            self._errors_ns.append(frame.time_ns)
        self._current = frame
        while self._cells and self._tick >= dense_ticks(self._cells[0].segment).stop:
            yield self._complete(broken_off=False)

    def finish(self) -> Iterator[Cell]:
        """No frame is left: the last one stays on display, and its row is repeated past the asset's end."""
        if self._current is not None:
            self._show(self._current, max(self._duration_ns, self._current.time_ns + 1, self._end_tick * TICK_NS))
        shown_ns = -1 if self._current is None else self._current.time_ns
        while self._cells:
            yield self._complete(broken_off=self._last_ns - shown_ns > SECOND_NS)

    def _show(self, frame: Shown, until_ns: int) -> None:
        for cell in self._cells:
            if until_ns <= cell.start_ns:
                break
            cell.shown(frame, min(until_ns, cell.end_ns))
        while self._tick < self._end_tick and self._tick * TICK_NS < until_ns:
            self._tick_with(frame)

    def _tick_with(self, frame: Shown) -> None:
        before = self._rows.get(self._tick - 1)
        row = Row(frame.dense(), frame.time_ns)
        change = 0.0 if before is None or before.picture is row.picture else difference(before.picture, row.picture)
        self._rows[self._tick] = row
        for cell in self._cells:
            if self._tick < dense_ticks(cell.segment).start:
                break
            cell.ticked(self._tick, frame, change)
        self._tick += 1

    def _complete(self, *, broken_off: bool) -> Cell:
        cell = self._cells.pop(0)
        ticks = dense_ticks(cell.segment)
        rows = [self._rows[tick] for tick in ticks] if self._current is not None else None
        cell.finish(rows, self._errors_ns, broken_off=broken_off)
        keep = ticks.stop - 2 * CONTEXT_TICKS
        self._rows = {tick: row for tick, row in self._rows.items() if tick >= keep}
        return cell
