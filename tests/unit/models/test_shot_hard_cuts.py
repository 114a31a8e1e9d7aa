"""Which hard cuts are clear from the ticks alone: plain ones are; what only looks like one is left to the network."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from models.shots.candidates import candidates_in
from models.shots.hard_cuts import clear_cuts
from models.shots.places import Dense, places_of

Picture = npt.NDArray[np.float64]
ROWS, CUT = 120, 60
GRAIN = 2.0


def picture(seed: int, level: float, contrast: float = 35.0) -> Picture:
    """[27, 48, 3] with detail everywhere."""
    coarse = np.random.default_rng(seed).normal(level, contrast, (9, 16, 3))
    return np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1)


DARKER, BRIGHTER = picture(1, 90), picture(2, 160)
DOWN, ACROSS = np.linspace(-1, 1, 27)[:, None, None], np.linspace(-1, 1, 48)[None, :, None]


def shown(pictures: Sequence[Picture], grain: float = GRAIN) -> Dense:
    noise = np.random.default_rng(5).normal(0, grain, (len(pictures), 27, 48, 3))
    ticks: Dense = np.clip(np.array(pictures) + noise, 0, 255).round().astype(np.uint8)
    return ticks


def cut(before: Picture, after: Picture, at: int = CUT) -> list[Picture]:
    return [before] * at + [after] * (ROWS - at)


def clear(pictures: Sequence[Picture], grain: float = GRAIN) -> list[int]:
    return clear_cuts(places_of(shown(pictures, grain)))


def boxed(whole: Picture, rows: int, columns: int = 0) -> Picture:
    """With black bars of so many pixels."""
    made = np.full_like(whole, 4.0)
    inside = slice(rows, 27 - rows), slice(columns, 48 - columns)
    made[inside] = whole[inside]
    return made


@pytest.mark.parametrize("grain", [0.0, 3.0, 10.0])
@pytest.mark.parametrize("pair", [(DARKER, BRIGHTER), (BRIGHTER, DARKER)])
def test_a_plain_cut_is_clear_and_asks_for_no_look(pair: tuple[Picture, Picture], grain: float) -> None:
    found = candidates_in(shown(cut(*pair), grain))
    assert np.flatnonzero(found.cuts).tolist() == [CUT - 1]
    assert not found.possible.any()


@pytest.mark.parametrize(("rows", "columns"), [(3, 0), (5, 0), (0, 6), (0, 10), (5, 7)])
def test_bars_do_not_hide_a_cut(rows: int, columns: int) -> None:
    assert clear(cut(boxed(DARKER, rows, columns), boxed(BRIGHTER, rows, columns))) == [CUT]


def test_too_little_between_bars_is_left_to_the_network() -> None:
    """The change is large enough there, and three rows of places remain."""
    assert clear(cut(boxed(picture(1, 60), 8), boxed(picture(2, 200), 8))) == []


def test_frames_that_are_shown_twice_are_no_matter() -> None:
    """24 frames a second under a light that fades: at 25 ticks a second one is shown again."""
    faded = [(DARKER if tick < CUT else BRIGHTER) - 0.8 * (tick * 24 // 25) for tick in range(ROWS)]
    assert clear(faded) == [CUT]


JUMP = picture(3, 128, contrast=60.0)
SOFT = picture(4, 128, contrast=18.0)
TRAPS = {
    "a jump in the same scene": (JUMP, JUMP[:, ::-1]),
    "pictures of nearly the same grey": (picture(1, 118, 12.0), picture(2, 137, 12.0)),
    "a light that is switched on": (DARKER, 1.6 * DARKER + 30),
    "a lamp at one side": (SOFT, SOFT + 110 * ACROSS),
    "the same layout in another light": (90 + 60 * DOWN + picture(5, 0, 15.0), 165 + 60 * DOWN + picture(6, 0, 15.0)),
    "a title that fades in at once": (DARKER, np.where(np.abs(DOWN) < 0.4, 250.0, DARKER)),
    "a picture after black": (picture(1, 8, 1.0), BRIGHTER),
    "a picture after an even grey": (picture(1, 60, 1.0), BRIGHTER),
    "an even grey after a picture": (BRIGHTER, picture(1, 60, 1.0)),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_only_looks_like_a_cut_is_left_to_the_network(trap: str) -> None:
    ticks = shown(cut(*TRAPS[trap]))
    assert clear_cuts(places_of(ticks)) == []
    found = candidates_in(ticks)
    assert not found.cuts.any()
    assert found.possible[CUT - 1]


BURSTS = {
    "a flash": [*[DARKER] * CUT, DARKER + 100, *[DARKER] * (ROWS - CUT - 1)],
    "a shot of ten frames": [*[DARKER] * CUT, *[BRIGHTER] * 10, *[picture(7, 40)] * (ROWS - CUT - 10)],
    "a cut after a flash": [*[DARKER] * (CUT - 9), DARKER + 60, *[DARKER] * 8, *[BRIGHTER] * (ROWS - CUT)],
    "a frame of both shots": [*[DARKER] * CUT, 0.6 * DARKER + 0.4 * BRIGHTER, *[BRIGHTER] * (ROWS - CUT - 1)],
    "black between shots": [*[DARKER] * CUT, *[0 * DARKER] * 5, *[BRIGHTER] * (ROWS - CUT - 5)],
    "a strobe": [DARKER if tick // 3 % 2 else BRIGHTER for tick in range(ROWS)],
    "a whip pan": [np.roll(DARKER, 9 * min(max(tick - CUT, 0), 8), axis=1) for tick in range(ROWS)],
}


@pytest.mark.parametrize("burst", BURSTS)
def test_what_changes_more_than_once_is_left_to_the_network(burst: str) -> None:
    ticks = shown(BURSTS[burst])
    assert clear_cuts(places_of(ticks)) == []
    assert candidates_in(ticks).possible[CUT - 1 : CUT + 1].all()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_dissolve_right_beside_a_cut_leaves_it_to_the_network(reverse: bool) -> None:
    """Each of its steps is small beside the cut. All of them are not."""
    gone = [BRIGHTER + (picture(8, 60) - BRIGHTER) * min(tick / 20, 1) for tick in range(ROWS - CUT)]
    pictures = [*[DARKER] * CUT, *gone]
    assert clear(pictures[::-1] if reverse else pictures) == []


def test_a_cut_in_a_faint_dissolve_is_looked_at() -> None:
    """It is clear by itself. The dissolve asks for a look at its row, so the network decides on it."""
    faint = np.where(picture(9, 0) > 0, 0.5, -0.5)
    ticks = shown([DARKER + faint * min(tick, CUT - 4) for tick in range(CUT)] + [BRIGHTER] * (ROWS - CUT), 0.5)
    assert clear_cuts(places_of(ticks)) == [CUT]
    found = candidates_in(ticks)
    assert found.possible[CUT - 1]
    assert not found.cuts.any()


@pytest.mark.parametrize(("at", "found"), [(12, []), (13, [13])])
def test_half_a_second_must_be_seen_before(at: int, found: list[int]) -> None:
    """The last picture is the first one again."""
    assert clear([*cut(DARKER, BRIGHTER, at)[:-20], *[DARKER] * 20]) == [*found, 100]


@pytest.mark.parametrize(("at", "found"), [(107, [107]), (108, [])])
def test_half_a_second_must_be_seen_after(at: int, found: list[int]) -> None:
    assert clear(cut(DARKER, BRIGHTER, at)) == found


def test_both_cells_of_an_edge_decide_the_same_there() -> None:
    """Cuts alone, and beside another one at every distance; the edge is tick 275 of the first cell."""
    rng = np.random.default_rng(3)
    shots = [np.clip(shot, 0, 255).astype(np.uint8) for shot in (DARKER, BRIGHTER, picture(7, 40))]
    for away in range(-14, 15):
        first, beside = 275 + away, int(rng.integers(2)) * int(rng.integers(1, 30))
        ticks = np.repeat(shots, [first, beside, 550 - first - beside], axis=0)
        left, right = candidates_in(ticks[:300]), candidates_in(ticks[250:])
        near, there = slice(274, 276), slice(24, 26)
        np.testing.assert_array_equal(left.cuts[near], right.cuts[there], err_msg=f"{away} {beside}")
        np.testing.assert_array_equal(left.possible[near], right.possible[there], err_msg=f"{away} {beside}")
