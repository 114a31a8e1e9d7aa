"""Sizes of what a viewer sees, and of the sample that is kept (pure)."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH, MAX_FRAMES_BYTES
from stream.events.grid import DENSE_TICKS

MAX_GRID_SAMPLES = 10
MAX_JUMP_SAMPLES = 16
_DENSE_BYTES = DENSE_TICKS * DENSE_HEIGHT * DENSE_WIDTH * 3
_HEADER_BYTES = 64 * 1024
MAX_SAMPLE_PIXELS = (MAX_FRAMES_BYTES - _DENSE_BYTES - _HEADER_BYTES) * 2 // 3 // (MAX_GRID_SAMPLES + MAX_JUMP_SAMPLES)
"""The fullest record then stays under `MAX_FRAMES_BYTES` (a 4:2:0 picture has 1.5 bytes per pixel)."""


_SAME_SHAPE = 0.01
"""Aspect ratios that differ by less are equal: rounding to even sides and whole pixels is no more exact."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight orientations of a coded picture: first its axes are swapped, then each direction is flipped."""

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: bytes) -> "Orientation":
        """The orientation nearest to a display matrix in FFmpeg's layout (ISO/IEC 14496-12, 8.3.2: x' = ax + cy,
        y' = bx + dy).
        """
        # FFmpeg's matrix has nine int32 in rows of three. Only the 2 x 2 part turns the picture.
        a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @property
    def mirrored(self) -> bool:
        return self.transposed ^ self.flip_x ^ self.flip_y

    @property
    def rotation(self) -> int:
        """Clockwise degrees, applied before the picture is mirrored left to right."""
        flip_x = self.flip_x ^ self.mirrored
        return (90 if flip_x else 270) if self.transposed else (180 if flip_x else 0)

    @classmethod
    def of(cls, rotation: int, *, mirrored: bool) -> "Orientation":
        """The inverse of `rotation` and `mirrored`."""
        turned = rotation // 90 % 4
        return cls(turned % 2 == 1, (turned in (1, 2)) ^ mirrored, turned in (2, 3))

    def turned(self, size: tuple[int, int]) -> tuple[int, int]:
        """A (width, height) converted from coded to shown, or back."""
        return (size[1], size[0]) if self.transposed else size

    def shown(self, plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """[height, width, …] in display orientation; a view."""
        turned = np.swapaxes(plane, 0, 1) if self.transposed else plane
        return turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


@dataclass(frozen=True, slots=True)
class Box:
    """The place of a picture in a sample or dense view, in pixels."""

    left: int
    top: int
    width: int
    height: int


def fitted(shown: tuple[int, int], canvas: tuple[int, int], canvas_shape: tuple[int, int], *, step: int) -> Box:
    """Fits a picture of the shape `shown` into `canvas` pixels that represent `canvas_shape`: as large as possible,
    centred, at multiples of `step`. The whole canvas where the shapes are equal.
    """
    across, down = shown[0] / canvas_shape[0], shown[1] / canvas_shape[1]
    if abs(across / down - 1) <= _SAME_SHAPE:
        return Box(0, 0, *canvas)
    scale = 1 / max(across, down)
    width, height = (
        min(full, max(step, step * round(full * part * scale / step)))
        for full, part in zip(canvas, (across, down), strict=True)
    )
    left, top = ((full - part) // 2 // step * step for full, part in zip(canvas, (width, height), strict=True))
    return Box(left, top, width, height)


def display_size(width: int, height: int, aspect: Fraction | float | None, rotation: int) -> tuple[int, int]:
    """(width, height) after sample aspect ratio and rotation (clockwise degrees, a multiple of 90)."""
    shown = width if not aspect or aspect <= 0 else max(1, round(width * aspect))
    return (height, shown) if rotation % 180 else (shown, height)


def sample_size(coded: tuple[int, int], display: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Even (width, height) in the shape of `display`; short side at most `short_side`, no side larger than `coded`.

    Both pairs are in display orientation.
    """
    width, height = display
    scale = min(1.0, short_side / min(display), coded[0] / width, coded[1] / height)
    # A long thin picture may have a legal short side and still too many pixels for a record.
    scale = min(scale, math.sqrt(MAX_SAMPLE_PIXELS / (width * height)))
    sides = _even(width * scale), _even(height * scale)
    while sides[0] * sides[1] > MAX_SAMPLE_PIXELS:
        # Rounding to even sides can go over the limit again.
        sides = (sides[0] - 2, sides[1]) if sides[0] >= sides[1] else (sides[0], sides[1] - 2)
    return sides


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
