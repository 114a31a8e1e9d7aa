"""Whether a gradual change leads to another picture (pure): steady motion goes one way too, but does not mix.

In a dissolve and in a fade, what is shown between two ticks is a mixture of both. Where things move it is not.
"""

import numpy as np
import numpy.typing as npt

from models.protocol import Floats
from models.shots.places import Flags

MIXED_OVER = (8, 12, 15)
"""Ticks before and after. Short transitions are over within the first, and the last shows half of one of 60 ticks. It
sees no further than the other questions of `candidates`, so that both cells of an edge look at the same rows there.
"""
MIXTURES = ((0.2, 0.85), (0.33, 0.65))
"""What no mixture explains, of the difference of the two pictures, and how much they correlate, at most. What moves
while it dissolves is explained less.
"""
LEAST_DIFFERENCE = 12.0
"""Grey levels."""
LEAST_LIGHT = 60.0
"""Grey levels. Pictures that differ by so much are a fade, however alike they are."""

CUT_WITHIN = (6, 8)
CUTS = ((8.0, 0.4), (40.0, 0.55))
"""Grey levels at least, and the correlation at most: a cut or a dissolve in motion, which no mixture explains."""
_LEAST = np.float32(1e-6)


def into_another(places: Floats, gradual: Flags) -> Flags:
    """Of float32 [rows, 9, 16, 3] and [rows]: the gradual ticks at which the picture becomes another one.

    Ticks with less than 15 on a side stay as they are.
    """
    flat = places.reshape(len(places), -1)
    reach = MIXED_OVER[-1]
    found = gradual.copy()
    ticks = np.flatnonzero(gradual[reach : len(gradual) - reach]) + reach
    if ticks.size:
        mixed = [_mixes(flat, ticks, step) for step in MIXED_OVER]
        found[ticks] = np.logical_or.reduce([*mixed, *(_cut(flat, ticks, step) for step in CUT_WITHIN)])
    return found


def _mixes(flat: Floats, ticks: npt.NDArray[np.intp], step: int) -> Flags:
    before, after = flat[ticks - step], flat[ticks + step]
    rest = np.max([_rest(before, after, flat[ticks + at]) for at in (-(step // 2), 0, step // 2)], axis=0)
    difference, alike = _difference(before, after), _alike(before, after)
    other = np.logical_or.reduce([(rest <= most) & (alike <= most_alike) for most, most_alike in MIXTURES])
    fade = (rest <= MIXTURES[0][0]) & (difference >= LEAST_LIGHT)
    found: Flags = fade | (other & (difference >= LEAST_DIFFERENCE))
    return found


def _cut(flat: Floats, ticks: npt.NDArray[np.intp], step: int) -> Flags:
    before, after = flat[ticks - step], flat[ticks + step]
    difference, alike = _difference(before, after), _alike(before, after)
    found: Flags = np.logical_or.reduce([(difference >= least) & (alike <= most) for least, most in CUTS])
    return found


def _rest(before: Floats, after: Floats, between: Floats) -> Floats:
    """What no mixture of both explains, by their difference."""
    way, gone = after - before, between - before
    length = np.maximum((way * way).sum(1), _LEAST)
    share = (gone * way).sum(1) / length
    rest: Floats = np.sqrt(np.square(gone - share[:, None] * way).sum(1) / length)
    return rest


def _difference(before: Floats, after: Floats) -> Floats:
    difference: Floats = np.abs(after - before).mean(1)
    return difference


def _alike(before: Floats, after: Floats) -> Floats:
    before, after = (picture - picture.mean(1, keepdims=True) for picture in (before, after))
    length = np.sqrt((before * before).sum(1) * (after * after).sum(1))
    alike: Floats = (before * after).sum(1) / np.maximum(length, _LEAST)
    return alike
