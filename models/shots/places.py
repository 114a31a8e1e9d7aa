"""The dense ticks in places of 3x3 pixels, whose means are steady under noise and grain (pure)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.protocol import Floats

Dense = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

BLOCK = 3
"""Pixels of a place in each direction."""


def places_of(dense: Dense) -> Floats:
    """uint8 [rows, 27, 48, 3] -> float32 [rows, 9, 16, 3]."""
    rows, height, width, channels = dense.shape
    shape = (rows, height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
    places: Floats = dense.reshape(shape).mean((2, 4), dtype=np.float32)
    return places


def changes(places: Floats, ticks: int, *, at: int) -> Floats:
    """[rows] mean absolute difference in grey levels over `ticks`, told of the row `at` rows behind the first."""
    found = np.zeros(len(places), np.float32)
    if len(places) > ticks:
        found[at : len(places) - ticks + at] = np.abs(places[ticks:] - places[:-ticks]).mean((1, 2, 3))
    return found


def at_offsets(values: Floats, offsets: Sequence[int]) -> Floats:
    """[offsets, rows] the values beside each row; 0 beyond the ends."""
    reach = max(map(abs, offsets))
    padded = np.pad(values, reach)
    return np.stack([padded[reach + by : reach + by + len(values)] for by in offsets])
