"""The canvas: planar 4:4:4 Y'CbCr, BT.709 of limited range, 8 bit. Layers are blended where they lie, and rounded once.

Blending Y'CbCr is blending R'G'B': the one is a linear function of the other.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stream.media.composite.placement import Rectangle

Planes: TypeAlias = npt.NDArray[np.uint8]
_RED, _BLUE = 0.2126, 0.0722
_GREEN = 1 - _RED - _BLUE
TO_YCBCR: npt.NDArray[np.float32] = np.array(
    [
        [219 / 255 * _RED, 219 / 255 * _GREEN, 219 / 255 * _BLUE],
        [-112 / 255 * _RED / (1 - _BLUE), -112 / 255 * _GREEN / (1 - _BLUE), 112 / 255],
        [112 / 255, -112 / 255 * _GREEN / (1 - _RED), -112 / 255 * _BLUE / (1 - _RED)],
    ],
    np.float32,
)
"""ITU-R BT.709, from R'G'B' of 0 to 255."""
ZERO: npt.NDArray[np.float32] = np.array([[16], [128], [128]], np.float32)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture at a place of the canvas: uint8 [3, h, w] Y'CbCr, and uint8 [h, w] alpha or None (opaque)."""

    planes: Planes
    alpha: Planes | None
    left: int
    top: int

    @property
    def place(self) -> Rectangle:
        return Rectangle(self.left, self.top, self.planes.shape[2], self.planes.shape[1])

    @property
    def bytes(self) -> int:
        return self.planes.nbytes + (0 if self.alpha is None else self.alpha.nbytes)


def to_planes(rgb: npt.NDArray[np.uint8]) -> Planes:
    """uint8 [h, w, 3] R'G'B' to planes."""
    height, width = rgb.shape[:2]
    planes = np.empty((3, height, width), np.uint8)
    # In bands: a large picture would take twelve times its memory at once.
    for top in range(0, height, 64):
        band = rgb[top : top + 64].reshape(-1, 3).astype(np.float32)
        planes[:, top : top + 64] = np.rint(TO_YCBCR @ band.T + ZERO).reshape(3, -1, width).astype(np.uint8)
    return planes


def to_rgb(planes: Planes) -> npt.NDArray[np.uint8]:
    """Planes to uint8 [h, w, 3] R'G'B'."""
    inverse = np.linalg.inv(TO_YCBCR.astype(np.float64)).astype(np.float32)
    height, width = planes.shape[1:]
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, 64):
        band = planes[:, top : top + 64].reshape(3, -1).astype(np.float32)
        values = np.rint(inverse @ (band - ZERO)).clip(0, 255)
        rgb[top : top + 64] = values.T.reshape(-1, width, 3).astype(np.uint8)
    return rgb


def drawing_of(rgba: npt.NDArray[np.uint8], left: int, top: int) -> Drawing:
    """Of uint8 [h, w, 4] R'G'B'A with straight alpha."""
    alpha = np.ascontiguousarray(rgba[:, :, 3])
    return Drawing(to_planes(rgba[:, :, :3]), None if alpha.min(initial=255) == 255 else alpha, left, top)


def plain(width: int, height: int, colour: tuple[int, int, int]) -> Planes:
    pixel = to_planes(np.array([[colour]], np.uint8))
    return np.broadcast_to(pixel, (3, height, width)).copy()


def lay(canvas: Planes, drawing: Drawing, moved: tuple[int, int], opacity: float) -> None:
    """Blend a drawing over the canvas; what lies outside of it is cut off."""
    left, top = drawing.left + moved[0], drawing.top + moved[1]
    height, width = canvas.shape[1:]
    rows = slice(max(0, top), min(height, top + drawing.planes.shape[1]))
    columns = slice(max(0, left), min(width, left + drawing.planes.shape[2]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    over = drawing.planes[:, part[0], part[1]]
    level = round(opacity * 255)
    if not level:
        return
    if drawing.alpha is None:
        _blend(canvas[:, rows, columns], over, level)
        return
    alpha = drawing.alpha[part]
    _blend(canvas[:, rows, columns], over, alpha if level == 255 else _divided(alpha.astype(np.uint16) * level))


def _blend(under: Planes, over: Planes, alpha: Any) -> None:
    if isinstance(alpha, int):
        if alpha == 255:
            under[:] = over
            return
        weight: Any = np.uint16(alpha)
    else:
        weight = alpha.astype(np.uint16)
    # 255 * 255 and the rounding fit into 16 bits.
    mixed = over * weight
    mixed += under * (np.uint16(255) - weight)
    under[:] = _divided(mixed)


def _divided(values: npt.NDArray[np.uint16]) -> Planes:
    """Values of up to 255 * 255 by 255, rounded to the nearest."""
    values += np.uint16(128)
    values += values >> np.uint16(8)
    values >>= np.uint16(8)
    return values.astype(np.uint8)
