"""What a frame's YUV means, and RGB from it (ITU-R BT.601, BT.709, BT.2020; ITU-T H.273 code points)."""

from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stream.events.frames import Colour, Matrix, Transfer
from stream.events.transfer import shown_as_sdr

_MATRICES: dict[int, Matrix] = {
    0: "bt709",  # RGB: converted with BT.709 on the way to YUV
    1: "bt709",
    4: "bt601",  # FCC: within 0.01 of BT.601
    5: "bt601",
    6: "bt601",
    7: "bt709",  # SMPTE 240M: nearest
    9: "bt2020",
    10: "bt2020",
}
_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
_FULL_RANGE = 2
_RED_BLUE: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
_SD_BELOW_HEIGHT = 720


class Tagged(Protocol):
    """The colour tags of a decoded frame (H.273 code points)."""

    @property
    def colorspace(self) -> int: ...
    @property
    def color_range(self) -> int: ...
    @property
    def color_trc(self) -> int: ...
    @property
    def height(self) -> int: ...


def colour_of(frame: Tagged, pix_fmt: str) -> Colour:
    """How the planar YUV made of this frame reads. Without a tag: BT.601 below 720 lines, BT.709 from there on."""
    return _colour(int(frame.colorspace), int(frame.color_range), int(frame.color_trc), frame.height, pix_fmt)


@lru_cache(maxsize=64)
def _colour(colorspace: int, color_range: int, color_trc: int, height: int, pix_fmt: str) -> Colour:
    untagged: Matrix = "bt601" if height < _SD_BELOW_HEIGHT else "bt709"
    rgb = is_rgb(pix_fmt)
    return Colour(
        matrix="bt709" if rgb else _MATRICES.get(colorspace, untagged),
        full_range=not rgb and (color_range == _FULL_RANGE or pix_fmt.startswith("yuvj")),
        transfer=_TRANSFERS.get(color_trc, "sdr"),
    )


def is_rgb(pix_fmt: str) -> bool:
    """Whether the decoder's pixels are RGB of some layout rather than luma and chroma."""
    return pix_fmt.startswith(("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8"))


def yuv_to_rgb(planes: npt.NDArray[np.uint8], colour: Colour) -> npt.NDArray[np.uint8]:
    """uint8 [3, h, w] full-resolution Y, Cb, Cr to uint8 [h, w, 3] RGB; PQ and HLG as an ordinary screen shows them."""
    coefficients, offset = _inverse(colour)
    pixels = planes.reshape(3, -1).astype(np.float32)
    rgb = coefficients @ pixels
    rgb += offset
    if colour.transfer != "sdr":
        rgb = shown_as_sdr(rgb.T / np.float32(255), colour.transfer).T * 255
    np.rint(rgb, out=rgb)
    bounded = np.clip(rgb, 0, 255, out=rgb).astype(np.uint8)
    return np.ascontiguousarray(bounded.T).reshape(*planes.shape[1:], 3)


@lru_cache(maxsize=16)
def _inverse(colour: Colour) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    red, blue = _RED_BLUE[colour.matrix]
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if colour.full_range else (255 / 219, 255 / 224, 16.0)
    from_cr = 2 * (1 - red) * chroma
    from_cb = 2 * (1 - blue) * chroma
    matrix = np.array(
        [[luma, 0, from_cr], [luma, -from_cb * blue / green, -from_cr * red / green], [luma, from_cb, 0]], np.float32
    )
    offset = -matrix @ np.array([[black], [128], [128]], np.float32)
    return matrix, offset
