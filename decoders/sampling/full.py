"""Profile `full`: grid samples, jump samples and the dense view from a stream of frames, in one pass (pure).

A frame is on display from its own time to the time of the next frame, the last one until the asset ends. A cell depends
only on the frames on display at fixed positions of asset time. So it is the same in every span that includes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from decoders.sampling.cells import Cell, CellSamples, Picture, Shown
from decoders.sampling.change_detection import ChangeDetector, Jump, SettleDetector, difference, needed
from stream.events.frames import Sample
from stream.events.grid import (
    CONTEXT_NS,
    CONTEXT_TICKS,
    SECOND_NS,
    SEGMENT_NS,
    TICK_NS,
    TICKS_PER_SEGMENT,
    dense_ticks,
    sample_times,
)

DAMAGE_REACH_NS = SECOND_NS // 2
"""Reordering can place the last whole picture before a hole a little later than the first damaged one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A tick of the dense view: the picture and when its frame went on display."""

    picture: Picture
    time_ns: int


@dataclass(slots=True)
class _Presence:
    """What was on display in a cell, and how many of its packets the decoder refused."""

    own_frames: int = 0
    passed: int = 0
    refused: int = 0
    held_until_ns: int = 0
    last_frame_ns: int = -1

    def is_empty(self, start_ns: int, end_ns: int, errors_ns: Sequence[int], *, broken_off: bool) -> bool:
        """Whether nothing was on display although something should have been. A picture that stays on display is no
        loss, unless there is damage close before it: that may have removed the pictures that follow.
        """
        lost = any(self.last_frame_ns - DAMAGE_REACH_NS < time_ns < end_ns for time_ns in errors_ns)
        cut_off = broken_off and end_ns - self.held_until_ns > SECOND_NS
        return not (self.own_frames or self.passed) and self.held_until_ns <= start_ns and (lost or cut_off)


class _JumpSamples:
    """The ticks of a cell that may need a sample beside the grid, with those samples."""

    def __init__(self, first_tick: int) -> None:
        self._first = first_tick
        self._changes = ChangeDetector()
        self._settling = SettleDetector()
        self._arrivals: list[Jump] = []
        self._candidates: dict[int, Sample] = {}

    def before(self, frame: Shown, change: float) -> None:
        """A tick of the context before the cell."""
        self._settling.arrival(frame.dense(), change)
        self._changes.recent(change)

    def settles(self, frame: Shown, change: float) -> float:
        """See `SettleDetector.arrival`. Call it exactly once for every tick."""
        return self._settling.arrival(frame.dense(), change)

    def ticked(self, tick: int, frame: Shown, change: float, arrived: float) -> bool:
        """Whether the frame may be needed. The caller then passes its sample to `keep`."""
        jumped = self._changes.is_jump(tick, change)
        if jumped:
            self._settling.jumped(frame.dense())
        elif arrived:
            self._arrivals.append(Jump(tick, arrived))
        return jumped or bool(arrived) or tick == self._first

    def keep(self, tick: int, sample: Sample) -> None:
        self._candidates[tick] = sample
        kept = {self._first, *(jump.tick for jump in (*self._changes.jumps, *self._arrivals))}
        # Only what may still be chosen: a sample has the size of a picture, and a cell may see many changes.
        self._candidates = {at: sample for at, sample in self._candidates.items() if at in kept}

    def chosen(self, start_ns: int, end_ns: int) -> Iterator[Sample]:
        """The samples that give every stretch between changes a sample, where the grid has none."""
        first, last = start_ns // TICK_NS, -(-end_ns // TICK_NS)
        jumps = sorted([*self._changes.jumps, *self._arrivals], key=lambda jump: jump.tick)
        stop = max(last, *(jump.tick + 1 for jump in jumps), 0)
        grid = [position / TICK_NS for position in sample_times(start_ns, end_ns)]
        for tick in needed(first, stop, jumps, grid):
            if (sample := self._candidates.get(tick)) is not None:
                yield sample


class _FullCell:
    """Builds one cell."""

    def __init__(self, segment: int, duration_ns: int) -> None:
        self._kept = CellSamples.of(segment, duration_ns)
        self.segment, self.start_ns, self.end_ns = segment, self._kept.start_ns, self._kept.end_ns
        self._positions = sample_times(self.start_ns, self.end_ns)
        self._first = segment * TICKS_PER_SEGMENT
        self._jumps = _JumpSamples(self._first)
        self._presence = _Presence()

    def shown(self, frame: Shown, until_ns: int) -> None:
        """`frame` is on display in [its time, until_ns)."""
        if until_ns <= self.start_ns or frame.time_ns >= self.end_ns:
            return
        kept, presence = self._kept, self._presence
        if frame.time_ns >= self.start_ns:
            presence.own_frames += 1
            kept.damaged |= frame.damaged
        presence.held_until_ns = max(presence.held_until_ns, frame.end_ns)
        presence.last_frame_ns = frame.time_ns
        # Also where no sample follows: a cell without a colour counts as one where nothing was shown.
        kept.colour = kept.colour or frame.colour()
        while self._positions and self._positions[0] < until_ns:
            kept.samples.append(kept.kept(frame, self._positions.pop(0), "grid"))

    @property
    def positions_ns(self) -> tuple[int, ...]:
        """Where its pictures are sampled, and its start: a picture that shows there is the same for every span."""
        return (self.start_ns, *self._positions)

    def passed(self, time_ns: int, end_ns: int) -> None:
        """A picture is on display in [time_ns, end_ns) that nobody wants."""
        presence = self._presence
        if self.start_ns <= time_ns < self.end_ns:
            presence.passed += 1
        if time_ns < self.end_ns:
            presence.held_until_ns = max(presence.held_until_ns, end_ns)

    def refused(self) -> None:
        """The decoder refused a packet of this cell."""
        self._presence.refused += 1

    def ticked(self, tick: int, frame: Shown, change: float) -> None:
        """Takes a tick at or before the cell's end: it shows `frame`, which differs by `change` grey levels from the
        tick before.
        """
        # Context ticks only prepare the detectors. Their samples belong to the cell before.
        if tick < self._first:
            self._jumps.before(frame, change)
            return
        arrived = self._jumps.settles(frame, change)
        # The tick at or after the cell's end is the first to see a frame that goes on display just before that end.
        late = tick * TICK_NS >= self.end_ns
        time_ns = max(frame.time_ns, self.start_ns) if late else tick * TICK_NS
        if time_ns < self.end_ns and self._jumps.ticked(tick, frame, change, 0.0 if late else arrived):
            self._jumps.keep(tick, self._kept.kept(frame, time_ns, "jump"))

    def finish(self, rows: Sequence[Row] | None, errors_ns: Sequence[int], *, broken_off: bool) -> Cell:
        """The cell, with jump samples and dense rows. `broken_off`: no frame is left although there should be more."""
        kept, presence = self._kept, self._presence
        kept.damaged |= any(self.start_ns <= time_ns < self.end_ns for time_ns in errors_ns)
        empty = presence.is_empty(self.start_ns, self.end_ns, errors_ns, broken_off=broken_off)
        # One frame may be a grid sample and a jump sample: it is kept once.
        used = {sample.pts for sample in kept.samples}
        for sample in self._jumps.chosen(self.start_ns, self.end_ns):
            if sample.pts not in used:
                used.add(sample.pts)
                kept.samples.append(sample)
        kept.samples.sort(key=lambda sample: sample.time_ns)
        cell = kept.cell(missing=kept.colour is None or empty or presence.refused > presence.own_frames)
        if rows is None:
            return cell
        dense = np.stack([row.picture for row in rows])
        return replace(cell, dense=dense, dense_times_ns=tuple(row.time_ns for row in rows))


class FullSampler:
    """Profile `full`: push frames in display order, take cells when they are complete, then call `finish`.

    The first frame pushed must be on display at `needs_from_ns`, or be the asset's first.
    """

    def __init__(
        self, first_segment: int, end_segment: int, duration_ns: int, last_ns: int = 0, *, dense: bool = True
    ) -> None:
        """`last_ns`: asset time when the last frame goes on display; 0 where it is unknown. Without `dense` cells have
        the samples of the grid alone, and no frame is converted for anything else.
        """
        self._dense = dense
        self._duration_ns = duration_ns
        self._last_ns = last_ns
        self._cells = [_FullCell(segment, duration_ns) for segment in range(first_segment, end_segment)]
        self._rows: dict[int, Row] = {}
        # From the context on: detectors and dense view need the ticks before the first cell.
        self._tick = dense_ticks(first_segment).start
        self._end_tick = dense_ticks(end_segment - 1).stop
        self._current: Shown | None = None
        self._errors_ns: list[int] = []
        self._passed_ns = -1
        self.needs_from_ns = max(0, first_segment * SEGMENT_NS - (CONTEXT_NS if dense else 0))

    @property
    def done(self) -> bool:
        return not self._cells

    @property
    def positions_ns(self) -> tuple[int, ...]:
        """Without `dense`: asset times at which the picture on display counts, ascending. Others may be left out."""
        return tuple(position for cell in self._cells for position in cell.positions_ns)

    @property
    def end_ns(self) -> int:
        """The end of the last cell."""
        return self._cells[-1].end_ns

    def passed(self, time_ns: int, end_ns: int) -> None:
        """Notes a picture that was left out, so that it does not count as lost."""
        self._passed_ns = max(self._passed_ns, time_ns)
        for cell in self._cells:
            cell.passed(time_ns, end_ns)

    def error_at(self, time_ns: int) -> None:
        """Notes that a packet with this time was refused or lost."""
        self._errors_ns.append(time_ns)
        # A refused packet has no frame: only its time says which cell lost it.
        for cell in self._cells:
            if cell.start_ns <= time_ns < cell.end_ns:
                cell.refused()

    def push(self, frame: Shown) -> Iterator[Cell]:
        """Takes the next frame and yields the cells that it completes. Drops a frame that does not advance in time: no
        viewer would see it.
        """
        if self._current is not None:
            if frame.time_ns <= self._current.time_ns:
                return
            self._show(self._current, frame.time_ns)
        if frame.damaged:
            self._errors_ns.append(frame.time_ns)
        self._current = frame
        while self._cells and self._seen_whole(self._cells[0], frame):
            yield self._complete(broken_off=False)

    def finish(self) -> Iterator[Cell]:
        """Yields the remaining cells. The last frame stays on display; its row repeats beyond the asset's end."""
        if self._current is not None:
            # Beyond the end as well: the dense view of the last cell repeats the last picture.
            self._show(self._current, max(self._duration_ns, self._current.time_ns + 1, self._end_tick * TICK_NS))
        shown_ns = max(self._passed_ns, -1 if self._current is None else self._current.time_ns)
        while self._cells:
            # What is left out behind a cell shows that the footage goes on, as a frame behind it does.
            seen = self._passed_ns >= self._cells[0].end_ns
            yield self._complete(broken_off=not seen and self._last_ns - shown_ns > SECOND_NS)

    def _seen_whole(self, cell: _FullCell, frame: Shown) -> bool:
        """Whether all that the cell needs went on display before `frame`."""
        return self._tick >= dense_ticks(cell.segment).stop if self._dense else frame.time_ns >= cell.end_ns

    def _show(self, frame: Shown, until_ns: int) -> None:
        for cell in self._cells:
            if until_ns <= cell.start_ns:
                break
            cell.shown(frame, min(until_ns, cell.end_ns))
        while self._dense and self._tick < self._end_tick and self._tick * TICK_NS < until_ns:
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
        if not self._dense:
            return cell.finish(None, self._errors_ns, broken_off=broken_off)
        ticks = dense_ticks(cell.segment)
        rows = [self._rows[tick] for tick in ticks] if self._current is not None else None
        done = cell.finish(rows, self._errors_ns, broken_off=broken_off)
        # The next cell's context begins this far before its first tick.
        keep = ticks.stop - 2 * CONTEXT_TICKS
        self._rows = {tick: row for tick, row in self._rows.items() if tick >= keep}
        return done
