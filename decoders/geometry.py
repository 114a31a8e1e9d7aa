"""Sizes: what a viewer sees, and what a sample keeps of it (pure)."""

import math
from fractions import Fraction

from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH, MAX_FRAMES_BYTES
from stream.events.grid import DENSE_TICKS

MAX_GRID_SAMPLES = 10
MAX_JUMP_SAMPLES = 16
_DENSE_BYTES = DENSE_TICKS * DENSE_HEIGHT * DENSE_WIDTH * 3
_HEADER_BYTES = 64 * 1024
MAX_SAMPLE_PIXELS = (MAX_FRAMES_BYTES - _DENSE_BYTES - _HEADER_BYTES) * 2 // 3 // (MAX_GRID_SAMPLES + MAX_JUMP_SAMPLES)
"""So that the fullest record stays under `MAX_FRAMES_BYTES` (a 4:2:0 picture has 1.5 bytes a pixel)."""


def display_size(width: int, height: int, aspect: Fraction | None, rotation: int) -> tuple[int, int]:
    """(width, height) after sample aspect ratio and rotation (clockwise degrees, a multiple of 90)."""
    shown = width if not aspect or aspect <= 0 else max(1, round(width * aspect))
    return (height, shown) if rotation % 180 else (shown, height)


def sample_size(coded: tuple[int, int], display: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Even (width, height) in the shape of `display`, short side at most `short_side`, no larger than `coded`.

    Both pairs are given in display orientation.
    """
    width, height = display
    scale = min(1.0, short_side / min(display), coded[0] / width, coded[1] / height)
    scale = min(scale, math.sqrt(MAX_SAMPLE_PIXELS / (width * height)))
    sides = _even(width * scale), _even(height * scale)
    while sides[0] * sides[1] > MAX_SAMPLE_PIXELS:
        sides = (sides[0] - 2, sides[1]) if sides[0] >= sides[1] else (sides[0], sides[1] - 2)
    return sides


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
