"""Profile `fast`: key frames only, the first of each second, and one frame for a cell that has none."""

from collections.abc import Iterable, Iterator

from decoders.reader import FrameReader
from decoders.sampling import Cell
from decoders.shown import ShownFrame
from stream.events.frames import Sample
from stream.events.grid import SAMPLE_NS, SAMPLE_PHASE_NS

CELLS_AT_A_TIME = 12
"""Bounds what is held before it is yielded, however long the span."""


def fast_cells(reader: FrameReader, segments: range, duration_ns: int) -> Iterator[Cell]:
    """Cells in ascending order, without a dense view."""
    for first in range(segments.start, segments.stop, CELLS_AT_A_TIME):
        chunk = range(first, min(first + CELLS_AT_A_TIME, segments.stop))
        yield from _chunk(reader, chunk, duration_ns)


def _chunk(reader: FrameReader, segments: range, duration_ns: int) -> list[Cell]:
    cells = [Cell.of(segment, duration_ns) for segment in segments]
    start_ns, end_ns = cells[0].start_ns, cells[-1].end_ns
    by_segment = {cell.segment: cell for cell in cells}
    taken: set[int] = set()
    frames = reader.key_frames(start_ns, lambda time_ns: _mark(cells, time_ns))
    for frame in _until(frames, end_ns):
        slot = frame.time_ns // SAMPLE_NS
        if frame.time_ns >= start_ns and slot not in taken:
            taken.add(slot)
            _keep(by_segment[_segment(cells, frame.time_ns)], frame, frame.time_ns, "key")
    _fill(reader, [cell for cell in cells if not cell.samples])
    for cell in cells:
        cell.missing = not cell.samples
    return cells


def _fill(reader: FrameReader, empty: list[Cell]) -> None:
    """One decode pass over the cells without a key frame: the frame on display half a second into each."""
    waiting = [(min(cell.start_ns + SAMPLE_PHASE_NS, (cell.start_ns + cell.end_ns) // 2), cell) for cell in empty]
    if not waiting:
        return
    errors: list[int] = []
    before: ShownFrame | None = None
    for frame in reader.frames(waiting[0][0], errors.append):
        while before is not None and waiting and waiting[0][0] < frame.time_ns:
            _place(before, *waiting.pop(0), errors)
        if not waiting:
            return
        if before is None or frame.time_ns > before.time_ns:
            before = frame
    for position, cell in waiting:
        if before is not None and before.end_ns + SAMPLE_NS > position:
            _place(before, position, cell, errors)


def _place(frame: ShownFrame, position_ns: int, cell: Cell, errors: Iterable[int]) -> None:
    """Unless the frame is only there because those of this cell were lost."""
    lost = any(frame.time_ns < time_ns < cell.end_ns for time_ns in errors)
    if not lost or frame.end_ns > cell.start_ns:
        _keep(cell, frame, position_ns, "grid")


def _keep(cell: Cell, frame: ShownFrame, time_ns: int, kind: str) -> None:
    cell.colour = cell.colour or frame.colour()
    cell.damaged |= frame.damaged
    cell.samples.append(Sample(time_ns, frame.pts, "key" if kind == "key" else "grid", frame.sample()))


def _until(frames: Iterator[ShownFrame], end_ns: int) -> Iterator[ShownFrame]:
    last_ns = -1
    for frame in frames:
        if frame.time_ns >= end_ns:
            return
        if frame.time_ns > last_ns:
            last_ns = frame.time_ns
            yield frame


def _segment(cells: list[Cell], time_ns: int) -> int:
    return next(cell.segment for cell in cells if time_ns < cell.end_ns)


def _mark(cells: list[Cell], time_ns: int) -> None:
    for cell in cells:
        if cell.start_ns <= time_ns < cell.end_ns:
            cell.damaged = True
