"""Where a transition can be: everything that may be one is let through, and still, noisy or moving pictures are not."""

import numpy as np
import numpy.typing as npt
import pytest

from models.shots.candidates import candidates_in
from models.shots.places import Dense, Flags
from stream.events.grid import CONTEXT_TICKS

Picture = npt.NDArray[np.float64]
ROWS = 300


def picture(seed: int, contrast: float = 40.0) -> Picture:
    """Smooth areas of colour [27, 48, 3] around middle grey."""
    coarse = np.random.default_rng(seed).normal(128, contrast, (4, 6, 3))
    return np.repeat(np.repeat(coarse, 9, axis=0)[:27], 8, axis=1)


def shown(pictures: list[Picture], grain: float = 0.0) -> Dense:
    noise = np.random.default_rng(5).normal(0, grain, (len(pictures), 27, 48, 3))
    ticks: Dense = np.clip(np.array(pictures) + noise, 0, 255).round().astype(np.uint8)
    return ticks


def transitions_possible(dense: Dense) -> Flags:
    return candidates_in(dense).possible


def mixed(before: Picture, after: Picture, frames: int, first: int) -> list[Picture]:
    """`before` up to row `first`, a dissolve of `frames`, then `after`."""
    shares = np.clip((np.arange(ROWS) - first + 1) / (frames + 1), 0, 1)
    return [before * (1 - share) + after * share for share in shares]


@pytest.mark.parametrize("grain", [0.0, 3.0, 8.0])
def test_a_still_picture_needs_no_look_under_any_grain(grain: float) -> None:
    assert not transitions_possible(shown([picture(1)] * ROWS, grain)).any()


def test_something_that_moves_before_a_still_camera_needs_no_look() -> None:
    pictures = []
    for row in range(ROWS):
        moving = picture(1)
        left = abs(row // 4 % 78 - 39)
        moving[8:20, left : left + 8] = 30.0
        pictures.append(moving)
    assert not transitions_possible(shown(pictures, 2.0)).any()


@pytest.mark.parametrize("frames", [0, 3, 5, 8, 12, 20])
@pytest.mark.parametrize("grain", [0.0, 3.0])
def test_a_dissolve_into_a_picture_that_is_alike_in_part_is_looked_at(frames: int, grain: float) -> None:
    """They correlate by 0.73. The network finds these in 20 ticks at most: 0.60 at 20, 0.28 at 30, 0.03 at 45."""
    before = picture(1)
    after = before + np.where(picture(2) > 128, 40.0, -40.0)
    possible = transitions_possible(shown(mixed(before, after, frames, 120), grain))
    assert possible[119 : 119 + frames + 1].all()
    assert not possible[:80].any()
    assert not possible[220:].any()


@pytest.mark.parametrize(("frames", "looked_at"), [(0, True), (8, True), (12, False), (60, False)])
def test_a_slow_dissolve_into_a_picture_that_is_alike_needs_no_look(frames: int, looked_at: bool) -> None:
    """They correlate by 0.94. The network says 0.03 at most of these."""
    before = picture(1)
    after = before + np.where(picture(2) > 128, 14.0, -14.0)
    possible = transitions_possible(shown(mixed(before, after, frames, 120), 3.0))
    assert bool(possible[119 : 119 + frames + 1].any()) is looked_at


@pytest.mark.parametrize("frames", [12, 30, 45, 60])
def test_a_dissolve_into_another_picture_is_looked_at(frames: int) -> None:
    possible = transitions_possible(shown(mixed(picture(1), picture(2), frames, 120), 3.0))
    # The first and last ticks of a slow one are like what is beside it.
    assert possible[124 : 114 + frames].all()


@pytest.mark.parametrize("frames", [10, 24, 60])
def test_a_fade_to_black_and_back_is_looked_at(frames: int) -> None:
    """At its dark end, where the network sees it, and up to 40 ticks altogether."""
    black = np.zeros((27, 48, 3))
    down = mixed(picture(1), black, frames, 100)[:200]
    up = mixed(black, picture(2), frames, 100)[100:200]
    possible = transitions_possible(shown([*down, *up]))
    near = min(frames, 24)
    assert possible[100 + frames - near : 100 + frames].all()
    assert possible[200 : 200 + near].all()


@pytest.mark.parametrize("hidden", [[255.0], [255.0, 255.0], [255.0, 0.0, 255.0]])
def test_a_cut_in_a_flash_is_looked_at(hidden: list[float]) -> None:
    flash = [np.full((27, 48, 3), level) for level in hidden]
    pictures = [*[picture(1)] * 150, *flash, *[picture(2)] * 150][:ROWS]
    assert transitions_possible(shown(pictures))[148 : 151 + len(hidden)].all()


def test_cuts_in_a_row_are_each_looked_at() -> None:
    pictures = [picture(row // 3) if 100 <= row < 130 else picture(99) for row in range(ROWS)]
    assert transitions_possible(shown(pictures))[99:130].all()


@pytest.mark.parametrize("ticks", [2, 3, 4, 5])
def test_cuts_between_dim_pictures_are_each_looked_at_where_one_follows_the_other(ticks: int) -> None:
    """Each differs by nine grey levels from the one before, and the next cut is no measure for it."""
    pictures = [picture((row - 100) // ticks % 40 if 100 <= row < 200 else 99, 8.0) for row in range(ROWS)]
    possible = transitions_possible(shown(pictures, 1.0))
    assert possible[99:200].all()
    assert not possible[:90].any()
    assert not possible[210:].any()


@pytest.mark.parametrize("rate", [0.4, 0.5, 0.96])
def test_a_cut_between_repeated_frames_is_found(rate: float) -> None:
    """At 10, 12.5 and 24 frames a second ticks repeat frames, which move here."""
    pictures = []
    for row in range(ROWS):
        frame = int(row * rate)
        pictures.append(np.roll(picture(1 if row < 150 else 2), frame, axis=1))
    found = candidates_in(shown(pictures))
    assert found.possible[147:152].all() or np.flatnonzero(found.cuts).tolist() == [149]


def test_both_cells_of_an_edge_look_at_the_same_rows_there() -> None:
    rng = np.random.default_rng(3)
    for _ in range(12):
        # Changes of every kind near the edge, which is tick 275 of these.
        frames, first = int(rng.choice([0, 2, 5, 10, 30])), int(rng.integers(225, 325))
        shares = np.clip((np.arange(550) - first + 1) / (frames + 1), 0, 1)
        before, after = picture(int(rng.integers(99))), picture(int(rng.integers(99)))
        ticks = shown([before * (1 - share) + after * share for share in shares], 2.0)
        left, right = (transitions_possible(ticks[start : start + ROWS]) for start in (0, 250))
        near = 2
        edge = ROWS - CONTEXT_TICKS
        np.testing.assert_array_equal(
            left[edge - near : edge + near], right[CONTEXT_TICKS - near : CONTEXT_TICKS + near]
        )


def test_what_is_shorter_than_the_test_sees_is_no_error() -> None:
    for rows in (1, 2, 7, 20):
        assert transitions_possible(shown([picture(1)] * rows)).tolist() == [False] * rows
