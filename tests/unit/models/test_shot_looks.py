"""Which rows the shot network sees: little beside what it is asked about, and more where a first look leaves doubt."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from models.protocol import Floats
from models.shots.looks import FIRST_LOOK, SECOND_LOOK, cut_probabilities, in_doubt, windows
from models.shots.places import Dense

ROWS = 300
OWN = range(24, 276)


def flags(*runs: range) -> npt.NDArray[np.bool_]:
    made = np.zeros(ROWS, np.bool_)
    for run in runs:
        made[run.start : run.stop] = True
    return made


def test_windows_have_context_and_are_shared_where_they_would_meet() -> None:
    assert windows(flags(), OWN, 25) == []
    assert windows(flags(range(100, 117)), OWN, 12) == [(range(88, 129), range(100, 117))]
    assert windows(flags(range(100, 117)), OWN, 25) == [(range(75, 142), range(100, 117))]
    assert windows(flags(range(100, 117), range(167, 184)), OWN, 25) == [(range(75, 209), range(100, 184))]
    apart = windows(flags(range(100, 117), range(168, 185)), OWN, 25)
    assert apart == [(range(75, 142), range(100, 117)), (range(143, 210), range(168, 185))]
    assert windows(flags(range(ROWS)), OWN, 25) == [(range(ROWS), range(ROWS))]


def test_windows_end_with_the_cell_and_leave_its_context_to_its_neighbours() -> None:
    assert windows(flags(range(24), range(276, 300)), OWN, 25) == []
    assert windows(flags(range(10, 30)), OWN, 25) == [(range(55), range(10, 30))]
    assert windows(flags(range(270, 290)), OWN, 25) == [(range(245, 300), range(270, 290))]


@pytest.mark.parametrize(
    ("said", "doubtful"),
    [
        ([0.1, 0.2, 0.2], []),
        ([0.1, 0.21, 0.2], [1]),
        ([0.1, 0.4, 0.55, 0.45, 0.1], [1, 2, 3]),
        ([0.1, 0.4, 0.56, 0.45, 0.1], []),
        ([0.4, 0.9, 0.2, 0.45, 0.5], [3, 4]),
        ([], []),
    ],
    ids=["clearly none", "least", "most", "clearly one", "each on its own", "nothing"],
)
def test_doubt_is_where_the_most_that_is_said_is_near_the_threshold(said: list[float], doubtful: list[int]) -> None:
    assert np.flatnonzero(in_doubt(np.array(said, np.float32))).tolist() == doubtful


DISSOLVE = range(140, 156)


def dissolve(at: range = DISSOLVE) -> Dense:
    """A cell in which one noise becomes another, which is possible in and near `at` and nowhere else."""
    before, after = np.random.default_rng(7).integers(0, 256, (2, 27, 48, 3))
    shares = np.clip((np.arange(ROWS) - at.start + 1) / (len(at) + 1), 0, 1)[:, None, None, None]
    ticks: Dense = (before * (1 - shares) + after * shares).astype(np.uint8)
    return ticks


class NetworkThatSays:
    """The same of every row, another value in each look."""

    def __init__(self, *said: float) -> None:
        self._said = iter(said)
        self.seen: list[list[int]] = []
        """Rows of each window of each look."""

    def __call__(self, given: Sequence[Dense]) -> list[Floats]:
        self.seen.append([len(window) for window in given])
        if not given:
            return []
        said = next(self._said)
        return [np.full(len(window), said, np.float32) for window in given]


@pytest.mark.parametrize("said", [0.1, 0.2, 0.56, 0.7])
def test_what_is_clear_is_looked_at_once_with_little_beside_it(said: float) -> None:
    network = NetworkThatSays(said)
    probabilities = cut_probabilities(dissolve(), network)
    asked = np.flatnonzero(probabilities)
    assert set(DISSOLVE) <= set(asked.tolist())
    np.testing.assert_array_equal(probabilities[asked], np.float32(said))
    assert network.seen == [[len(asked) + 2 * FIRST_LOOK], []]


@pytest.mark.parametrize("first", [0.21, 0.54])
@pytest.mark.parametrize("second", [0.1, 0.45, 0.8])
def test_what_is_in_doubt_is_what_a_second_look_says_that_sees_more(first: float, second: float) -> None:
    network = NetworkThatSays(first, second)
    probabilities = cut_probabilities(dissolve(), network)
    asked = np.flatnonzero(probabilities)
    np.testing.assert_array_equal(probabilities[asked], np.float32(second))
    assert network.seen == [[len(asked) + 2 * FIRST_LOOK], [len(asked) + 2 * SECOND_LOOK]]


def test_what_was_seen_with_enough_beside_it_is_not_looked_at_again() -> None:
    """Steady dissolves from end to end: the first window is the whole cell."""
    network = NetworkThatSays(0.45)
    cells = [dissolve(range(first, first + 16))[first - 8 : first + 24] for first in range(20, 250, 23)]
    busy = np.concatenate(cells)[:ROWS]
    probabilities = cut_probabilities(busy, network)
    assert network.seen == [[ROWS], []]
    assert np.float32(0.45) in probabilities


def test_where_nothing_can_be_nothing_is_asked() -> None:
    network = NetworkThatSays()
    assert not cut_probabilities(np.full((ROWS, 27, 48, 3), 90, np.uint8), network).any()
    assert network.seen == [[], []]


def test_a_clear_cut_is_one_whatever_the_network_says() -> None:
    # A picture that is darker throughout, with detail in every place.
    before, after = (np.random.default_rng(seed).normal(level, 35, (9, 16, 3)) for seed, level in ((1, 90), (2, 160)))
    pictures = [(before if row < 150 else after).repeat(3, axis=0).repeat(3, axis=1) for row in range(ROWS)]
    cell = np.clip(pictures, 0, 255).astype(np.uint8)
    assert np.flatnonzero(cut_probabilities(cell, NetworkThatSays(0.0, 0.0))).tolist() == [149]
