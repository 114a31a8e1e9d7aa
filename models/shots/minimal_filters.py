"""Convolutions of three taps with fewer products (Lavin & Gray 2015, arXiv:1509.09308, after Winograd, Toom and Cook).

Several neighbouring outputs are one polynomial product: what is filtered and the taps are evaluated at some points,
multiplied there, and brought back. In two dimensions it is done along both (pure).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
TAPS = 3
MOST = 6
"""Outputs at once: 8 products instead of 18. More would need points whose powers cost digits."""
_POINTS = (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))
"""And infinity."""


@dataclass(frozen=True, slots=True)
class MinimalFilter:
    """`outputs` values of a convolution from `outputs` + 2 inputs by as many products:
    back @ ((taps @ the three taps) * (values @ inputs)).
    """

    values: Matrix
    taps: Matrix
    back: Matrix


@cache
def minimal_filter(outputs: int) -> MinimalFilter:
    """Of 1 to 6 outputs."""
    count = outputs + TAPS - 1
    back, taps = _powers(count, outputs).T, _powers(count, TAPS)
    values = np.linalg.inv(_powers(count, count)).T
    # Both sides of a product of about the same size. Powers of two cost no digits.
    by = 2.0 ** np.round(np.log2(np.abs(values).max(1, keepdims=True)))
    return MinimalFilter(values / by, taps * by, back)


def _powers(points: int, count: int) -> Matrix:
    """[points, count]; the last point is infinity, where only the highest power counts."""
    finite = [[float(point**power) for power in range(count)] for point in _POINTS[: points - 1]]
    return np.array([*finite, [0.0] * (count - 1) + [1.0]])


def bands_of(length: int) -> list[range]:
    """The outputs along `length` that are made together: six, and what is left."""
    return [range(start, min(start + MOST, length)) for start in range(0, length, MOST)]


def values_of(band: range, length: int) -> Matrix:
    """[points, inputs] for one band: the inputs are one more on both sides, where there are such (zero outside)."""
    values = minimal_filter(len(band)).values
    return values[:, 1 if band.start == 0 else 0 : values.shape[1] - (band.stop == length)]


def all_values(length: int, together: int) -> Matrix:
    """[groups * points * together, length] for `length` in tiles of six, `together` of them in a group."""
    tiles = length // MOST
    every = np.zeros((tiles, MOST + TAPS - 1, length + 2))
    for tile in range(tiles):
        every[tile, :, tile * MOST :][:, : MOST + TAPS - 1] = minimal_filter(MOST).values
    grouped = every[:, :, 1:-1].reshape(tiles // together, together, -1, length)
    return grouped.transpose(0, 2, 1, 3).reshape(-1, length)


def group_back(together: int) -> Matrix:
    """[6 * together, points * together]: the outputs of a group of tiles."""
    back = minimal_filter(MOST).back
    every = np.zeros((together, MOST, back.shape[1], together))
    for tile in range(together):
        every[tile, :, :, tile] = back
    return every.reshape(together * MOST, -1)


def plane_taps(kernels: npt.NDArray[np.float32], down: int) -> npt.NDArray[np.float32]:
    """[out, in, 3, 3] -> [points down, points across, out, in], for `down` outputs down and six across."""
    by_down, by_across = minimal_filter(down).taps, minimal_filter(MOST).taps
    both = np.kron(by_down, by_across).astype(np.float32)
    made = both @ kernels.reshape(-1, TAPS * TAPS).T
    return made.reshape(len(by_down), len(by_across), *kernels.shape[:2])
