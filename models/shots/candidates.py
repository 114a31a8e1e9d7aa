"""Where a transition can be (pure): a cheap look at the dense ticks, so that the network need not see the others.

It is made to let through; only cuts that are clear are decided (`hard_cuts`). Steady motion and noise are told from
transitions by four questions: does a picture differ from the one before by more than its neighbours do, by more than
most of them do (where cut follows cut, the next one is no measure), does it differ across a few ticks by more than
before and after, and do many places go the same way for several ticks in a row and lead to another picture, as in
dissolves and fades. How the bounds were chosen and what they were held on is in ADR 0072 and 0089.
"""

from dataclasses import dataclass

import numpy as np

from models.protocol import Floats
from models.shots.hard_cuts import clear_cuts
from models.shots.mixtures import into_another
from models.shots.places import Dense, Flags, at_offsets, changes, places_of

REACH_TICKS = 8
"""A row is looked at when a change lies this near. With what the test itself sees (15 ticks) that stays within the
context of a cell, so that both cells of an edge look at the same rows there."""

LEAST_CHANGE = 1.5
CHANGE_OVER_NEIGHBOURS = 1.8
NEIGHBOURS = 5
CHANGE_AMONG_CUTS = 6.0
CHANGE_OVER_MOST = 3.0
LARGE_CHANGE = 20.0
"""Grey levels. So much changes in a strobe, a whip pan or an explosion, where no neighbour is a measure."""

ACROSS_TICKS = 3
LEAST_ACROSS = 5.0
ACROSS_OVER_NEIGHBOURS = 2.2
"""Across six ticks, beside the six before and after: a cut that hides in a flash or lasts a few frames."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The same direction in the `step` ticks before and after, in a `share` of all places, for `ticks` in a row.

    A place counts from `least` grey levels a step, if the smaller of its two changes is at least a third of the other.
    """

    step: int
    ticks: int
    share: float
    least: float


TRENDS = (Trend(2, 3, 0.5, 1.0), Trend(4, 5, 0.45, 1.0), Trend(8, 9, 0.4, 0.8), Trend(12, 7, 0.35, 1.0))
"""Short steps see what is over soon, long ones what is faint."""
_ALIKE = np.float32(1 / 3)
_LEAST_USUAL = 0.5


@dataclass(frozen=True, slots=True)
class Candidates:
    """[rows] each. `cuts`: it is the last of its shot. `possible`: it can be, or can lie in a gradual change, and the
    network says so. No row is both.
    """

    possible: Flags
    cuts: Flags


def candidates_in(dense: Dense) -> Candidates:
    """Of uint8 [rows, 27, 48, 3]. What lies outside `dense` counts as no change.

    A clear cut asks for no look. Where something else asks for one at its row, the network decides on it.
    """
    places = places_of(dense)
    sudden, across = _sudden(places), _across(places)
    cuts = np.zeros(len(dense), np.bool_)
    for first in clear_cuts(places):
        cuts[first - 1] = True
        sudden[first] = False
        # The ticks whose six have this cut among them.
        across[first - ACROSS_TICKS : first + ACROSS_TICKS] = False
    gradual = np.logical_or.reduce([_gradual(places, trend) for trend in TRENDS])
    possible = _near(sudden | across | into_another(places, gradual))
    return Candidates(possible, cuts & ~possible)


def _near(changed: Flags) -> Flags:
    near = np.zeros(len(changed), np.bool_)
    for tick in np.flatnonzero(changed):
        # A change at a tick is between its row and the one before, which is the last of the old shot.
        near[max(0, tick - 1 - REACH_TICKS) : tick + REACH_TICKS] = True
    return near


def _sudden(places: Floats) -> Flags:
    change = changes(places, 1, at=1)
    near = at_offsets(change, [*range(-NEIGHBOURS, 0), *range(1, NEIGHBOURS + 1)])
    alone = (change >= LEAST_CHANGE) & (change >= CHANGE_OVER_NEIGHBOURS * np.maximum(near.max(0), _LEAST_USUAL))
    among = (change >= CHANGE_AMONG_CUTS) & (change >= CHANGE_OVER_MOST * np.maximum(np.median(near, 0), _LEAST_USUAL))
    found: Flags = alone | among | (change >= LARGE_CHANGE)
    return found


def _across(places: Floats) -> Flags:
    across = changes(places, 2 * ACROSS_TICKS, at=ACROSS_TICKS)
    usual = at_offsets(across, (-2 * ACROSS_TICKS - 1, 2 * ACROSS_TICKS + 1)).max(0)
    found: Flags = (across >= LEAST_ACROSS) & (across >= ACROSS_OVER_NEIGHBOURS * np.maximum(usual, _LEAST_USUAL))
    return found


def _gradual(places: Floats, trend: Trend) -> Flags:
    rows, reach = len(places), trend.step + trend.ticks // 2
    found = np.zeros(rows, np.bool_)
    if rows <= 2 * reach:
        return found
    steps = places[trend.step :] - places[: -trend.step]
    before, after = steps[: -trend.step], steps[trend.step :]
    smaller, larger = np.minimum(np.abs(before), np.abs(after)), np.maximum(np.abs(before), np.abs(after))
    same = (before * after > 0) & (smaller >= trend.least) & (smaller >= _ALIKE * larger)
    held = np.lib.stride_tricks.sliding_window_view(same.mean((1, 2, 3)) >= trend.share, trend.ticks).all(1)
    found[reach : rows - reach] = held
    return found
