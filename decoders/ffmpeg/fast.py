"""Profile `fast`: the first key frame of each second, and one frame for a cell that has no key frame.

A span of any length takes one pass for its key frames and about one for the cells without a key frame, because some
sources let every pass begin only at byte 0.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from decoders.ffmpeg.reader import FrameReader
from decoders.pictures.presented_frame import PresentedFrame
from decoders.sampling.cells import Cell, CellSamples
from stream.events.frames import Kind
from stream.events.grid import SAMPLE_NS, SAMPLE_PHASE_NS, SEGMENT_NS

CELLS_AT_A_TIME = 12
"""Limits the cells that are in memory at one time, for a span of any length."""


def fast_cells(reader: FrameReader, segments: range, duration_ns: int) -> Iterator[Cell]:
    """Yields the cells in ascending order, without a dense view."""
    keys = _KeyPass(reader, segments.start * SEGMENT_NS, duration_ns)
    filling = _FillPass(reader)
    with closing(keys), closing(filling):
        for first in range(segments.start, segments.stop, CELLS_AT_A_TIME):
            cells = [
                CellSamples.of(segment, duration_ns)
                for segment in range(first, min(first + CELLS_AT_A_TIME, segments.stop))
            ]
            keys.sample(cells)
            if cells[-1].segment == segments.stop - 1:
                # Closed before the last fill: that pass may then use the shared reader and need not open a second one.
                keys.close()
            filling.sample([cell for cell in cells if not cell.samples], keys)
            for cell in cells:
                yield cell.cell(missing=not cell.samples or keys.mostly_refused(cell.segment))


class _PeekableFrames:
    """An iterator of frames that can peek at the next one."""

    def __init__(self, frames: Generator[PresentedFrame, None, None]) -> None:
        self._frames = frames
        self._next: PresentedFrame | None = None
        self.close = frames.close

    def peek(self) -> PresentedFrame | None:
        if self._next is None:
            self._next = next(self._frames, None)
        return self._next

    def take(self) -> None:
        self._next = None


class _KeyPass:
    """One pass over the key frames of a span, chunk by chunk. While it is open, nothing else may use its reader."""

    def __init__(self, reader: FrameReader, start_ns: int, duration_ns: int) -> None:
        self._duration_ns = duration_ns
        self._refused: Counter[int] = Counter()
        self._decoded: Counter[int] = Counter()
        self._frames = _PeekableFrames(reader.key_frames(start_ns, self._failed))
        self._last_ns = -1
        self._times_ns: list[int] = []
        self.open = True

    def close(self) -> None:
        self.open = False
        self._frames.close()

    def sample(self, cells: Sequence[CellSamples]) -> None:
        """Fills the next cells. Call it with cells in ascending order."""
        # The last key frame of the previous chunk may still be on display when this one begins.
        self._times_ns = self._times_ns[-1:]
        taken: set[int] = set()
        for frame in self._until(cells[-1].end_ns):
            self._times_ns.append(frame.time_ns)
            self._decoded[frame.time_ns // SEGMENT_NS] += 1
            slot = frame.time_ns // SAMPLE_NS
            if frame.time_ns >= cells[0].start_ns and slot not in taken:
                taken.add(slot)
                _keep(cells[frame.time_ns // SEGMENT_NS - cells[0].segment], frame, frame.time_ns, "key")
        for cell in cells:
            cell.damaged |= cell.segment in self._refused

    def mostly_refused(self, segment: int) -> bool:
        """Whether the decoder refused more key frames of the cell than it decoded: the cell then counts as missing."""
        return self._refused[segment] > self._decoded[segment] > 0

    def before(self, position_ns: int) -> int:
        """Display time (ns) of the last key frame at or before `position_ns` in the last cells; -1 if there is none."""
        number = bisect_right(self._times_ns, position_ns)
        return self._times_ns[number - 1] if number else -1

    def _until(self, end_ns: int) -> Iterator[PresentedFrame]:
        while (frame := self._frames.peek()) is not None and frame.time_ns < end_ns:
            self._frames.take()
            # Only ascending times: a viewer would not see a frame that steps back.
            if frame.time_ns > self._last_ns:
                self._last_ns = frame.time_ns
                yield frame

    def _failed(self, time_ns: int) -> None:
        if 0 <= time_ns < self._duration_ns:
            self._refused[time_ns // SEGMENT_NS] += 1


class _FillPass:
    """For each cell without a key frame, the frame on display half a second into it. One decode pass continues from
    chunk to chunk. It restarts only where a seek reaches a later key frame and so saves decoding.
    """

    def __init__(self, reader: FrameReader) -> None:
        self._shared = reader
        self._own: FrameReader | None = None
        self._frames: _PeekableFrames | None = None
        self._before: PresentedFrame | None = None
        self._errors: list[int] = []

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
        if self._own is not None:
            self._own.close()

    def sample(self, empty: Sequence[CellSamples], keys: _KeyPass) -> None:
        positions = [min(cell.start_ns + SAMPLE_PHASE_NS, (cell.start_ns + cell.end_ns) // 2) for cell in empty]
        if not positions:
            return
        frames = self._from(positions[0], keys)
        for position, cell in zip(positions, empty, strict=True):
            shown = self._shown_at(frames, position)
            if shown is not None and (frames.peek() is not None or self._stays(shown, position)):
                self._place(shown, position, cell)

    def _from(self, position_ns: int, keys: _KeyPass) -> _PeekableFrames:
        """Frames from the one on display at `position_ns`, or from an earlier one."""
        if self._frames is not None:
            at_ns = -1 if self._before is None else self._before.time_ns
            # Where no later key frame lies before the position, decoding on is cheaper than a seek.
            if not self._shared.seekable or keys.before(position_ns) <= at_ns:
                # Losses before the frame on display cannot have hidden what follows it.
                self._errors[:] = [time_ns for time_ns in self._errors if time_ns > at_ns]
                return self._frames
            self._frames.close()
        # The key-frame pass still reads from the shared container: two passes over one position would mix packets.
        if self._own is None and keys.open:
            self._own = self._shared.another()
        self._before, self._errors = None, []
        self._frames = _PeekableFrames((self._own or self._shared).frames(position_ns, self._errors.append))
        return self._frames

    def _shown_at(self, frames: _PeekableFrames, position_ns: int) -> PresentedFrame | None:
        """The frame on display at `position_ns`; the first frame where all come later; None where there is no frame."""
        while (frame := frames.peek()) is not None and (self._before is None or frame.time_ns <= position_ns):
            frames.take()
            if self._before is None or frame.time_ns > self._before.time_ns:
                self._before = frame
        return self._before

    def _stays(self, last: PresentedFrame, position_ns: int) -> bool:
        """Whether `last`, after which no frame follows, is still on display and the rest is not simply missing."""
        return last.end_ns + SAMPLE_NS > position_ns or last.time_ns + SAMPLE_NS >= self._shared.last_ns

    def _place(self, frame: PresentedFrame, position_ns: int, cell: CellSamples) -> None:
        """Adds the frame as a sample, unless it is on display only because the frames of this cell were lost."""
        lost = any(frame.time_ns < time_ns < cell.end_ns for time_ns in self._errors)
        if frame.time_ns < cell.end_ns and (not lost or frame.end_ns > cell.start_ns):
            _keep(cell, frame, position_ns, "grid")


def _keep(cell: CellSamples, frame: PresentedFrame, time_ns: int, kind: Kind) -> None:
    cell.damaged |= frame.damaged
    cell.samples.append(cell.kept(frame, time_ns, kind))
