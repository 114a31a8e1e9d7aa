"""What steady motion and a dissolve have in common is told apart by whether a picture lies between two others."""

import numpy as np
import numpy.typing as npt
import pytest

from models.protocol import Floats
from models.shots.mixtures import into_another
from models.shots.places import Flags

ROWS = 120


def place(seed: int, wide: int = 16) -> npt.NDArray[np.float32]:
    """Places of one picture [9, wide, 3], each of its own colour."""
    return np.random.default_rng(seed).uniform(0, 255, (9, wide, 3)).astype(np.float32)


def dissolve(frames: int) -> Floats:
    share = np.clip((np.arange(ROWS) - 60 + frames / 2) / frames, 0, 1)[:, None, None, None]
    ticks: Floats = (place(1) * (1 - share) + place(2) * share).astype(np.float32)
    return ticks


def pan(places_a_tick: float) -> Floats:
    """Over one wide picture, between whose places there are all steps."""
    film = place(3, wide=200)
    left = np.arange(ROWS)[:, None] * places_a_tick + np.arange(16)
    whole, part = left.astype(int), (left % 1)[..., None]
    ticks = film[:, whole] * (1 - part) + film[:, whole + 1] * part
    return ticks.transpose(1, 0, 2, 3).astype(np.float32)


def everywhere() -> Flags:
    return np.ones(ROWS, np.bool_)


def told(places: Floats) -> list[int]:
    """Of the ticks that have 15 on both sides."""
    return [int(tick) for tick in np.flatnonzero(into_another(places, everywhere())) if 15 <= tick < ROWS - 15]


@pytest.mark.parametrize("frames", [3, 8, 24, 60])
def test_a_dissolve_leads_to_another_picture(frames: int) -> None:
    found = told(dissolve(frames))
    assert set(range(60 - frames // 4, 60 + frames // 4)) <= set(found)
    assert min(found) >= 60 - frames / 2 - 15
    assert max(found) <= 60 + frames / 2 + 15


def test_a_slow_pan_leads_to_none() -> None:
    """A place in six seconds: within 15 ticks on both sides the picture is still much the same."""
    assert told(pan(1 / 150)) == []


def test_a_still_picture_leads_to_none() -> None:
    assert told(np.repeat(place(1)[None], ROWS, axis=0)) == []


def test_a_change_of_light_alone_leads_to_none_unless_it_is_a_fade() -> None:
    share = np.linspace(1, 0.8, ROWS, dtype=np.float32)[:, None, None, None]
    assert told(place(1) * share) == []
    fade = np.clip(1 - (np.arange(ROWS) - 50) / 20, 0, 1).astype(np.float32)[:, None, None, None]
    assert set(range(56, 66)) <= set(told(place(1) * fade))


def test_only_gradual_ticks_are_told_and_those_near_the_ends_stay() -> None:
    gradual = np.zeros(ROWS, np.bool_)
    gradual[[14, 15, 40, 60, ROWS - 16, ROWS - 15]] = True
    assert np.flatnonzero(into_another(dissolve(24), gradual)).tolist() == [14, 60, ROWS - 15]
