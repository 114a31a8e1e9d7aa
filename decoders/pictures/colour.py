"""How to interpret a frame's YUV, and its RGB (ITU-R BT.601, BT.709, BT.2020; ITU-T H.273 code points)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from decoders.pictures.foreign import Foreign
from stream.events.frames import Colour, Matrix
from stream.events.transfer import Transfer, shown_as_sdr

_MATRICES: dict[int, Matrix] = {
    1: "bt709",
    4: "bt601",  # FCC: its coefficients differ by less than 0.01
    5: "bt601",
    6: "bt601",
    7: "bt709",  # SMPTE 240M: nearest
    9: "bt2020",
    10: "bt2020",  # constant luminance, read as the non-constant kind: near enough for samples (ADR 0031)
}
_BY_PRIMARIES: dict[int, Matrix] = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020"}
_RGB, _UNSPECIFIED, _YCGCO, _BT2020_CL = 0, 2, 8, 10
_BY_PRIMARIES_NCL, _BY_PRIMARIES_CL, _ICTCP, _IPT_C2 = 12, 13, 14, 15
_PQ = 16
_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
_FULL_RANGE = 2
_RED_BLUE: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
_RGB_NAMES = (
    *("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8"),
    *("bayer", "xyz", "ya"),  # swscale converts these to RGB first
)
# The convention of players for untagged footage: standard definition is BT.601.
_SD_BELOW_HEIGHT = 720
_NAMES: dict[Matrix, str] = {"bt601": "BT.601", "bt709": "BT.709", "bt2020": "BT.2020"}


class Tagged(Protocol):
    """The colour tags of a decoded frame (H.273 code points)."""

    @property
    def colorspace(self) -> int: ...
    @property
    def color_range(self) -> int: ...
    @property
    def color_trc(self) -> int: ...
    @property
    def color_primaries(self) -> int: ...
    @property
    def height(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ColourReading:
    """How to interpret a frame's pixels. `colour` describes the planar YUV made from it; pixels of a `foreign` kind
    become RGB first. `supported`: the scaler knows the frame's tags. `note` explains to a person where the colours
    differ from the tags.
    """

    colour: Colour
    foreign: Foreign | None = None
    full_range: bool = False
    supported: bool = True
    note: str | None = None


def reading_of(frame: Tagged, pix_fmt: str, *, dolby_vision: bool = False, rpu: bool = False) -> ColourReading:
    """The interpretation of a frame. Without a usable tag: BT.601 below 720 lines, else BT.709.

    `dolby_vision`: the base layer is that of profile 5, whatever its tags say. `rpu`: the frame carries its metadata.
    """
    # Before the tags: for profile 5 they need not be true.
    if dolby_vision and not is_rgb(pix_fmt):
        return ColourReading(
            Colour(), "ipt-rpu" if rpu else "ipt", _is_full(int(frame.color_range), pix_fmt), supported=False
        )
    tags = (int(frame.colorspace), int(frame.color_range), int(frame.color_trc), int(frame.color_primaries))
    return _reading(tags, is_sd=frame.height < _SD_BELOW_HEIGHT, pix_fmt=pix_fmt)


def colour_of(frame: Tagged, pix_fmt: str) -> Colour:
    """The colour of the planar YUV made from this frame."""
    return reading_of(frame, pix_fmt).colour


@lru_cache(maxsize=64)
def _reading(tags: tuple[int, int, int, int], *, is_sd: bool, pix_fmt: str) -> ColourReading:
    matrix, color_range, trc, primaries = tags
    # RGB comes out of the scaler as BT.709 of limited range, whatever its tags say.
    if is_rgb(pix_fmt):
        return ColourReading(Colour(matrix="bt709", transfer=_TRANSFERS.get(trc, "sdr")))
    full = _is_full(color_range, pix_fmt)
    # Other range codes are not defined by H.273, and swscale refuses them.
    known = color_range in (0, 1, _FULL_RANGE)
    if matrix == _YCGCO or (matrix in (_ICTCP, _IPT_C2) and trc == _PQ):
        kind: Foreign = "ycgco" if matrix == _YCGCO else "ictcp" if matrix == _ICTCP else "ipt"
        return ColourReading(Colour(), kind, full, supported=False)
    untagged: Matrix = "bt601" if is_sd else "bt709"
    if matrix in (_BY_PRIMARIES_NCL, _BY_PRIMARIES_CL):
        untagged = _BY_PRIMARIES.get(primaries, untagged)
    used = _MATRICES.get(matrix, untagged)
    return ColourReading(
        Colour(matrix=used, full_range=full, transfer=_TRANSFERS.get(trc, "sdr")),
        full_range=full,
        supported=known and (matrix in (_RGB, _UNSPECIFIED) or (matrix in _MATRICES and matrix != _BT2020_CL)),
        note=_note(matrix, used),
    )


def _note(matrix: int, used: Matrix) -> str | None:
    if matrix == _UNSPECIFIED or (matrix in _MATRICES and matrix != _BT2020_CL):
        return None
    return f"colours are tagged with matrix {matrix} of ITU-T H.273 and are read as {_NAMES[used]}: they may be wrong"


def _is_full(color_range: int, pix_fmt: str) -> bool:
    # FFmpeg's older `yuvj` formats mean full range, even without a tag.
    return color_range == _FULL_RANGE or pix_fmt.startswith("yuvj")


def is_rgb(pix_fmt: str) -> bool:
    """Whether the decoder's pixels are RGB in some layout and not luma and chroma."""
    return pix_fmt.startswith(_RGB_NAMES)


def has_alpha(pix_fmt: str) -> bool:
    """Whether pixels may be transparent."""
    return pix_fmt.startswith(("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya", "pal8", "ayuv", "vuya", "uyva"))


def yuv_to_rgb(planes: npt.NDArray[np.uint8], colour: Colour) -> npt.NDArray[np.uint8]:
    """uint8 [3, h, w] full-resolution Y, Cb, Cr to uint8 [h, w, 3] RGB. PQ and HLG become SDR (ADR 0008)."""
    coefficients, offset = _inverse(colour)
    pixels = planes.reshape(3, -1).astype(np.float32)
    rgb = coefficients @ pixels
    rgb += offset
    if colour.transfer != "sdr":
        rgb = shown_as_sdr(rgb.T / np.float32(255), colour.transfer).T * 255
    np.rint(rgb, out=rgb)
    bounded = rgb.clip(0, 255, out=rgb).astype(np.uint8)
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
