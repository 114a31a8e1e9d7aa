"""The selection of samples and ticks, on made-up frames."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.pictures.geometry import MAX_JUMP_SAMPLES
from decoders.sampling.cells import Cell
from decoders.sampling.change_detection import MIN_DISTANCE_TICKS, ChangeDetector, Jump, needed
from decoders.sampling.full import FullSampler
from stream.events.frames import Colour
from stream.events.grid import CONTEXT_NS, SECOND_NS, SEGMENT_NS, TICK_NS, dense_ticks, segment_count


@dataclass(frozen=True)
class Flat:
    """A frame of one grey."""

    time_ns: int
    end_ns: int
    level: int = 0
    damaged: bool = False

    @property
    def pts(self) -> int:
        return self.time_ns

    def colour(self) -> Colour:
        return Colour()

    def sample(self) -> bytes:
        return self.time_ns.to_bytes(8, "big")

    def dense(self) -> npt.NDArray[np.uint8]:
        return np.full((27, 48, 3), self.level, np.uint8)


def cells_of(
    frames: list[Flat], cells: range, duration_ns: int, errors: tuple[int, ...] = (), last_ns: int | None = None
) -> list[Cell]:
    """`last_ns`: when the last frame should go on display, if not with the last of `frames`."""
    due_ns = max((frame.time_ns for frame in frames), default=0) if last_ns is None else last_ns
    sampler = FullSampler(cells.start, cells.stop, duration_ns, due_ns)
    found: list[Cell] = []
    for time_ns in errors:
        sampler.error_at(time_ns)
    begin = max((f.time_ns for f in frames if f.time_ns <= sampler.needs_from_ns), default=0)
    for frame in frames:
        if frame.time_ns >= begin and not sampler.done:
            found.extend(sampler.push(frame))
    found.extend(sampler.finish())
    return found


def content(cell: Cell) -> tuple[object, ...]:
    dense = b"" if cell.dense is None else cell.dense.tobytes()
    return cell.segment, tuple(cell.samples), dense, cell.dense_times_ns, cell.missing, cell.damaged


@settings(max_examples=60, deadline=None)
@given(
    gaps_ms=st.lists(st.integers(1, 4000), min_size=1, max_size=80),
    levels=st.lists(st.integers(0, 255), min_size=80, max_size=80),
    cut=st.integers(1, 5),
)
def test_cells_do_not_depend_on_the_span(gaps_ms: list[int], levels: list[int], cut: int) -> None:
    starts = [0, *(int(total) * 1_000_000 for total in np.cumsum(gaps_ms))]
    frames = [Flat(start, start + 40_000_000, level) for start, level in zip(starts, levels, strict=False)]
    duration_ns = frames[-1].end_ns
    count = segment_count(duration_ns)
    whole = [content(cell) for cell in cells_of(frames, range(count), duration_ns)]
    pieces = [range(first, min(first + cut, count)) for first in range(0, count, cut)]
    assert [content(cell) for piece in pieces for cell in cells_of(frames, piece, duration_ns)] == whole
    for segment, _, _, times_ns, _, _ in whole:
        assert isinstance(segment, int)
        shown = [max(s for s in starts if s <= max(0, tick * TICK_NS)) for tick in dense_ticks(segment)]
        assert times_ns == tuple(shown)


def steady(seconds: float, *, first_s: float = 0.0) -> list[Flat]:
    step = 40_000_000
    begin = round(first_s * SECOND_NS)
    return [Flat(begin + number * step, begin + (number + 1) * step) for number in range(round(seconds * 25))]


def test_a_picture_that_stays_is_not_missing() -> None:
    slides = [Flat(0, 40_000_000), Flat(35 * SECOND_NS, 36 * SECOND_NS)]
    assert [cell.missing for cell in cells_of(slides, range(4), 36 * SECOND_NS)] == [False] * 4


def test_a_cell_whose_frames_were_lost_is_missing() -> None:
    frames = [*steady(10), *steady(10, first_s=30)]
    found = cells_of(frames, range(4), 40 * SECOND_NS, errors=(12 * SECOND_NS, 22 * SECOND_NS))
    assert [(cell.missing, cell.damaged) for cell in found] == [
        (False, False),
        (True, True),
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize(("refused", "missing"), [(0, False), (100, False), (101, True)])
def test_a_cell_that_is_mostly_refused_is_missing(refused: int, missing: bool) -> None:
    """What is left of it stands for nothing: 100 pictures here."""
    frames = [*steady(4), *steady(10, first_s=10)]
    errors = tuple(4 * SECOND_NS + number * 40_000_000 for number in range(refused))
    found = cells_of(frames, range(2), 20 * SECOND_NS, errors=errors)
    assert [(cell.missing, cell.damaged) for cell in found] == [(missing, refused > 0), (False, False)]


def test_what_a_file_cut_off_does_not_hold_is_missing() -> None:
    found = cells_of(steady(15), range(4), 40 * SECOND_NS, last_ns=40 * SECOND_NS - 40_000_000)
    assert [cell.missing for cell in found] == [False, False, True, True]


@pytest.mark.parametrize("end_s", [20.04, 20.9, 21.5, 29.9, 45.0])
@pytest.mark.parametrize("whole", [True, False])
def test_the_last_pause_is_as_healthy_as_any(end_s: float, whole: bool) -> None:
    """Over whole cells, whether another picture ends it or nothing does."""
    end_ns = round(end_s * SECOND_NS)
    frames = steady(7) if whole else [*steady(7), Flat(end_ns - 40_000_000, end_ns)]
    found = cells_of(frames, range(segment_count(end_ns)), end_ns)
    assert [cell.missing for cell in found] == [False] * segment_count(end_ns)


def test_no_frame_at_all() -> None:
    assert [cell.missing for cell in cells_of([], range(2), 2 * SEGMENT_NS)] == [True, True]


@given(st.lists(st.floats(0, 255), min_size=250, max_size=250))
def test_jumps_are_apart_and_few(changes: list[float]) -> None:
    detector = ChangeDetector()
    for tick, change in enumerate(changes):
        detector.is_jump(tick, change)
    ticks = [jump.tick for jump in detector.jumps]
    assert all(later - earlier >= MIN_DISTANCE_TICKS for earlier, later in pairwise(ticks))
    grid = [12.5 + 25 * number for number in range(10)]
    chosen = needed(0, 250, detector.jumps, grid)
    assert len(chosen) <= MAX_JUMP_SAMPLES
    assert set(chosen) <= {0, *ticks}


def test_needed_covers_stretches_without_a_grid_position() -> None:
    grid = [12.5, 37.5, 62.5]
    jumps = [Jump(5, 30.0), Jump(14, 50.0), Jump(20, 40.0), Jump(60, 9.0)]
    assert needed(0, 75, jumps, grid) == [0, 14]


def test_a_cut_in_the_dark_has_a_sample() -> None:
    frames = [replace(frame, level=20 + 5 * (frame.time_ns // 400_000_000 % 2)) for frame in steady(10)]
    (cell,) = cells_of(frames, range(1), SEGMENT_NS)
    assert {sample.time_ns // 400_000_000 for sample in cell.samples} == set(range(25))


def test_context_is_asked_for() -> None:
    assert FullSampler(3, 4, 60 * SECOND_NS).needs_from_ns == 3 * SEGMENT_NS - CONTEXT_NS


def cut_at(times_ns: list[int], levels: list[int], duration_ns: int, segment: int) -> Cell:
    frames = [Flat(time_ns, time_ns + 1, level) for time_ns, level in zip(times_ns, levels, strict=True)]
    count = segment_count(duration_ns)
    whole = cells_of(frames, range(count), duration_ns)
    (alone,) = cells_of(frames, range(segment, segment + 1), duration_ns)
    assert content(alone) == content(whole[segment])
    return alone


def test_black_between_two_fades_has_a_sample() -> None:
    """Bright until 3.52 s, black in [3.76, 4.16) s, another picture from 4.4 s on: no grid position is in the black."""
    levels = [200] * 88 + [200 - 33 * step for step in range(1, 7)] + [0] * 10
    levels += [25 * step for step in range(1, 7)] + [150] * 390
    times = [number * TICK_NS for number in range(len(levels))]
    cell = cut_at(times, levels, times[-1] + TICK_NS, 0)
    black = [sample.time_ns for sample in cell.samples if 3_760_000_000 <= sample.time_ns < 4_160_000_000]
    assert len(black) == 1


def test_a_cut_just_before_a_cell_ends_has_a_sample_in_it() -> None:
    """At 29.97 frames a second one goes on display at 9.977 s; the next tick is the next cell's first."""
    times = [round(number * SECOND_NS * 1001 / 30000) for number in range(450)]
    levels = [20 if number < 299 else 200 for number in range(450)]
    cell = cut_at(times, levels, 15 * SECOND_NS, 0)
    assert cell.samples[-1].time_ns == times[299]
    assert cell.samples[-1].pts == times[299]
    following = cut_at(times, levels, 15 * SECOND_NS, 1)
    assert all(sample.kind == "grid" for sample in following.samples)


def test_without_the_dense_view_the_samples_of_the_grid_are_the_same_and_nothing_else_is_converted() -> None:
    frames, converted = steady(23), []

    class Counted(Flat):
        def dense(self) -> npt.NDArray[np.uint8]:
            converted.append(self.time_ns)
            return super().dense()

    # A cut in every second cell, which the dense view would give a sample of its own.
    counted = [Counted(f.time_ns, f.end_ns, 200 * (f.time_ns // (SEGMENT_NS + 40_000_000) % 2)) for f in frames]
    full = cells_of(list(counted), range(3), 23 * SECOND_NS)
    assert converted
    converted.clear()
    sampler = FullSampler(0, 3, 23 * SECOND_NS, counted[-1].time_ns, dense=False)
    plain = [cell for frame in counted for cell in sampler.push(frame)] + list(sampler.finish())
    assert converted == []
    assert [cell.dense for cell in plain] == [None] * 3
    grid = [[sample for sample in cell.samples if sample.kind == "grid"] for cell in full]
    assert [list(cell.samples) for cell in plain] == grid
    assert any(len(cell.samples) > len(kept) for cell, kept in zip(full, grid, strict=True))
    assert FullSampler(3, 4, 60 * SECOND_NS, dense=False).needs_from_ns == 3 * SEGMENT_NS
