"""Hard cuts that are clear from the ticks alone (pure), so that the network need not look at them (ADR 0085).

It is made to leave cuts to the network rather than to decide wrongly. Flashes, strobes, whip pans and shots of a few
frames change more than once. A light that is switched on leaves edges where they are. A jump in the same scene keeps
its colours. Black and even grounds have too few edges.
"""

import numpy as np
import numpy.typing as npt

from models.protocol import Floats
from models.shots.places import Flags, at_offsets, changes

CALM_TICKS = 12
"""On both sides of a cut. With what a cut's own look reaches (12 rows, `candidates`) that stays within the context of a
cell, so that both cells of an edge find the same cuts there."""

CHANGE_OVER_CALM = 6.0
"""As many times as any other change within the calm."""
CHANGE_OVER_DRIFT = 1.5
"""As many times as the picture differs over the whole calm before, and after."""
LEAST_CHANGE = 25.0
"""Grey levels, between the bars of a letterbox or pillarbox."""
MOST_ALIKE = 0.35
MOST_EDGES_ALIKE = 0.3
"""Correlations of the picture before and after, and of its edges, which light and gain leave where they are."""
LEAST_COLOURS = 8.0
"""Grey levels between the colours, wherever in the picture they are: a jump to another part of the same scene keeps
them."""
LEAST_EDGES = 4.0
"""Grey levels: root mean square of the differences of neighbouring places. Black has none."""
BLACK = 24.0
LEAST_AREA = (4, 6)
"""Places between the bars."""
_LEAST_USUAL = 0.5


def clear_cuts(places: Floats) -> list[int]:
    """float32 [rows, 9, 16, 3] -> ticks at which for certain a new shot begins, ascending.

    None lies within the first and the last 12 ticks, where it cannot be seen what was before or comes after.
    """
    change = changes(places, 1, at=1)
    near = at_offsets(change, [by for by in range(-CALM_TICKS, CALM_TICKS + 1) if by]).max(0)
    alone = change >= CHANGE_OVER_CALM * np.maximum(near, _LEAST_USUAL)
    seen = range(CALM_TICKS + 1, len(places) - CALM_TICKS)
    return [
        tick
        for tick in seen
        if alone[tick]
        and change[tick] >= CHANGE_OVER_DRIFT * _drift(places, tick)
        and _other_picture(places[tick - 1], places[tick])
    ]


def _drift(places: Floats, tick: int) -> float:
    before = np.abs(places[tick - 1] - places[tick - 1 - CALM_TICKS]).mean()
    after = np.abs(places[tick + CALM_TICKS] - places[tick]).mean()
    return float(max(before, after))


def _other_picture(before: Floats, after: Floats) -> bool:
    area = _between_bars(np.maximum(before, after).max(-1) > BLACK)
    before, after = before[area], after[area]
    if before.shape[0] < LEAST_AREA[0] or before.shape[1] < LEAST_AREA[1]:
        return False
    old, new = _edges(before), _edges(after)
    if min(np.square(old).mean(), np.square(new).mean()) < LEAST_EDGES**2:
        return False
    return bool(
        np.abs(after - before).mean() >= LEAST_CHANGE
        and _correlation(old, new) <= MOST_EDGES_ALIKE
        and _correlation(_levelled(before), _levelled(after)) <= MOST_ALIKE
        and np.abs(_colours(after) - _colours(before)).mean() >= LEAST_COLOURS
    )


def _between_bars(lit: Flags) -> tuple[slice, slice]:
    """Without black places along the sides, and the first ones after them, which may be black in part."""
    down, across = np.nonzero(lit)
    return _range_of(np.unique(down), lit.shape[0]), _range_of(np.unique(across), lit.shape[1])


def _range_of(lit: npt.NDArray[np.intp], length: int) -> slice:
    if not lit.size:
        return slice(0)
    first, last = int(lit[0]), int(lit[-1])
    return slice(first + (first > 0), last + (last == length - 1))


def _edges(places: Floats) -> Floats:
    """Differences of neighbouring places down and across, of a picture [height, width, 3]."""
    return np.concatenate([np.diff(places, axis=axis).ravel() for axis in (0, 1)])


def _levelled(places: Floats) -> Floats:
    """Without the mean of each colour."""
    levelled: Floats = places - places.mean((0, 1))
    return levelled


def _colours(places: Floats) -> Floats:
    """Each colour's values in ascending order."""
    return np.sort(places.reshape(-1, places.shape[-1]), axis=0)


def _correlation(left: Floats, right: Floats) -> float:
    return float((left * right).sum() / np.sqrt((left * left).sum() * (right * right).sum()))
