"""Cuts and pictures between pictures on real footage, of which the pictures in between are known."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.weights.fetch import WeightsCache
from stream.media.frames.cuts import SIDE, is_cut
from stream.media.frames.motion import grey
from stream.media.interpolate.between import Middle, Neighbours
from tests.support.moving_pictures import psnr, shown

BIKES_CUTS = [30, 76, 137, 187, 242]
SHOTS = ((0, 24), (34, 70), (80, 130), (140, 180))


@pytest.fixture
def bikes(require_weights: Callable[..., None], weights_cache: WeightsCache) -> list[Any]:
    require_weights("clips")
    clip: Path = weights_cache.files("clips")["bikes.mp4"]
    return shown(clip)


def test_cuts_are_where_the_shots_are_and_nowhere_else(bikes: list[Any]) -> None:
    small = [grey(picture, 8, SIDE) for picture in bikes]
    cuts = [place for place, pair in enumerate(pairwise(small), 1) if is_cut(*pair)]
    assert cuts == BIKES_CUTS


def test_a_picture_in_between_is_nearer_to_the_real_one_than_a_blend(bikes: list[Any]) -> None:
    made, blended, repeated = np.mean(list(_scores(bikes)), axis=0)
    assert made > blended + 2 and blended > repeated + 2


def _scores(pictures: list[Any]) -> Iterator[tuple[float, float, float]]:
    for start, stop in SHOTS:
        for place in range(start, stop, 16):
            before, real, after = pictures[place : place + 3]
            (middle,) = Middle.of(Neighbours.of(grey(before), grey(after)), 0.5).planes([before], [after], 8)
            blend = np.rint((before.astype(float) + after) / 2)
            yield psnr(middle, real), psnr(blend, real), psnr(before, real)
