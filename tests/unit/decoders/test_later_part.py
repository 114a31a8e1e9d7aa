"""A cell whose later part another process decoded is the cell that one process makes of all its frames."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.sampling.full import FullSampler
from decoders.sampling.later import KeptPicture, LaterPart, LaterRecorder
from stream.errors import BadEvent
from stream.events.frames import Colour
from stream.events.grid import SECOND_NS, TICK_NS
from tests.unit.decoders.test_sampling import Flat, cells_of, content

SAMPLE_BYTES = 8
STEPS = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 9, 30, 120])


def part_of(frames: list[Flat], duration_ns: int, split_ns: int, errors: tuple[int, ...] = ()) -> LaterPart:
    recorder = LaterRecorder(duration_ns, split_ns)
    for time_ns in errors:
        recorder.error_at(time_ns)
    for frame in frames:
        recorder.push(frame)
    return LaterPart.from_bytes(recorder.finish().to_bytes(), SAMPLE_BYTES)


def in_two(frames: list[Flat], duration_ns: int, split_ns: int, errors: tuple[int, ...] = ()) -> tuple[object, ...]:
    sampler = FullSampler(0, 1, duration_ns, max(frame.time_ns for frame in frames))
    for time_ns in errors:
        if time_ns < split_ns:
            sampler.error_at(time_ns)
    for frame in frames:
        if frame.time_ns < split_ns:
            list(sampler.push(frame))
    for picture in part_of(frames, duration_ns, split_ns, errors).pictures:
        if picture.lost:
            sampler.error_at(picture.time_ns)
        else:
            list(sampler.push(picture))
    (cell,) = sampler.finish()
    return content(cell)


@settings(max_examples=200, deadline=None)
@given(
    step_ms=st.sampled_from([8, 17, 33, 40, 42, 100]),
    changes=st.lists(STEPS, min_size=60, max_size=230),
    at=st.floats(0.05, 0.95),
    errors=st.lists(st.integers(0, 5 * SECOND_NS), max_size=3),
)
def test_a_cell_is_the_same_in_two_parts(step_ms: int, changes: list[int], at: float, errors: list[int]) -> None:
    level, frames = 0, []
    for number, change in enumerate(changes):
        level = (level + change) % 256
        start_ns = number * step_ms * 1_000_000
        frames.append(Flat(start_ns, start_ns + step_ms * 1_000_000, level))
    frames = [frame for frame in frames if frame.end_ns <= 10 * SECOND_NS]
    duration_ns, lost = frames[-1].end_ns, tuple(sorted(errors))
    (whole,) = (content(cell) for cell in cells_of(frames, range(1), duration_ns, lost))
    assert in_two(frames, duration_ns, int(duration_ns * at), lost) == whole


@pytest.mark.parametrize("moved", [0, 1, 2, 3, 4, 5, 13, 14])
def test_what_settles_or_jumps_around_the_split_is_kept(moved: int) -> None:
    """Motion that ends near the split, and a picture that stays after it: its sample depends on both parts."""
    split = 50
    levels = [min(number, split + moved - 2) * 3 for number in range(110)]
    levels[split + moved + 20 :] = [250] * (110 - split - moved - 20)
    frames = [Flat(number * TICK_NS, (number + 1) * TICK_NS, level) for number, level in enumerate(levels)]
    duration_ns = frames[-1].end_ns
    (whole,) = (content(cell) for cell in cells_of(frames, range(1), duration_ns))
    assert in_two(frames, duration_ns, split * TICK_NS) == whole


@pytest.mark.parametrize("step_ns", [TICK_NS, TICK_NS // 5])
def test_where_nothing_is_shown_before_the_split_the_later_part_is_the_cell(step_ns: int) -> None:
    """Its first picture may be on display at no tick of its own."""
    begin = 2 * SECOND_NS + 1
    frames = [Flat(begin + number * step_ns, begin + (number + 1) * step_ns) for number in range(250)]
    frames = [frame for frame in frames if frame.end_ns < 4 * SECOND_NS]
    (whole,) = (content(cell) for cell in cells_of(frames, range(1), 4 * SECOND_NS))
    assert in_two(frames, 4 * SECOND_NS, SECOND_NS) == whole


def test_few_samples_are_kept_of_footage_that_stands_still_or_moves_evenly() -> None:
    for step in (0, 2):
        frames = [Flat(number * TICK_NS, (number + 1) * TICK_NS, number * step % 256) for number in range(125)]
        kept = part_of(frames, 5 * SECOND_NS, 2 * SECOND_NS).pictures
        # Three of the grid, the first ones, whose past is unknown, and the last one, which stays.
        assert sum(picture.yuv is not None for picture in kept) <= 3 + 4 + 1
        assert all(picture.small is not None for picture in kept)


def test_what_was_not_kept_is_no_picture() -> None:
    with pytest.raises(LookupError):
        KeptPicture(0, 1, 0).sample()
    with pytest.raises(LookupError):
        KeptPicture(0, 1, 0).dense()


def test_bytes_that_are_no_part_are_refused() -> None:
    good = LaterPart([KeptPicture(0, 1, 0, kept_colour=Colour(), yuv=bytes(SAMPLE_BYTES))], ciphertext=True)
    again = LaterPart.from_bytes(good.to_bytes(), SAMPLE_BYTES)
    assert again == good
    with pytest.raises(BadEvent):
        LaterPart.from_bytes(good.to_bytes(), SAMPLE_BYTES + 2)
    for bad in (b"", b"nonsense", good.to_bytes()[:-20]):
        with pytest.raises(BadEvent):
            LaterPart.from_bytes(bad, SAMPLE_BYTES)
