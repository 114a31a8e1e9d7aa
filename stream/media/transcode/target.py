"""What the output's pictures are: size, place of the source within it, pixels and colours. Pure."""

from dataclasses import dataclass
from fractions import Fraction

from stream.errors import BadMedia
from stream.media.transcode.facts import Facts
from stream.media.transcode.orientation import Upright
from stream.media.transcode.settings import MAX_SIDE, Transcoding

PQ, HLG, BT2020 = 16, 18, 9
_BT709, _BT601, _UNKNOWN, _RGB = 1, 6, 2, 0
_LIMITED, _FULL = 1, 2
_SD_BELOW_HEIGHT = 720

_RGB_NAMES = ("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "pal8", "bayer", "xyz", "x2rgb", "x2bgr")
_WITH_ALPHA = ("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya8", "ya16", "pal8")
_LOSSLESS = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuva420p", "yuva422p", "yuva444p"),
    *("yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv422p12le", "yuv444p12le", "yuv444p16le"),
    *("yuva422p10le", "yuva444p10le", "yuva444p12le", "gray", "gray10le", "gray12le", "gray16le"),
    *("bgr0", "bgra", "gbrp10le", "gbrp12le", "gbrp16le", "gbrap10le", "gbrap12le", "gbrap16le"),
)
_SAME_PIXELS = {
    "yuv420p": ("yuvj420p", "nv12"),
    "yuv422p": ("yuvj422p", "yuyv422", "uyvy422"),
    "yuv444p": ("yuvj444p",),
    "yuv420p10le": ("p010le",),
    "bgr0": ("rgb24", "bgr24", "gbrp", "rgb0"),
    "bgra": ("rgba", "argb", "abgr", "gbrap", "pal8"),
    "gbrp16le": ("rgb48le", "rgb48be"),
    "gbrap16le": ("rgba64le", "rgba64be"),
}
_FFV1 = {name: name for name in _LOSSLESS} | {name: kept for kept, names in _SAME_PIXELS.items() for name in names}
"""Pixel formats to those of FFV1 that hold them without a loss."""


@dataclass(frozen=True, slots=True)
class TargetPictures:
    """`width`, `height`: of the file. `scaled`: size of the whole upright picture; `crop` is cut from its middle,
    `place` is where what is left lies. `matrix`, `primaries`, `transfer`, `range`: H.273 code points of the output,
    `source_*` those the source is read with. `tone_mapped`: HDR becomes SDR.
    """

    width: int
    height: int
    scaled: tuple[int, int]
    crop: tuple[int, int]
    place: tuple[int, int]
    aspect: Fraction
    pixel_format: str
    matrix: int
    primaries: int
    transfer: int
    range: int
    source_matrix: int
    source_range: int
    tone_mapped: bool
    interlaced: bool
    deinterlaced: bool


def is_rgb(pixel_format: str) -> bool:
    return pixel_format.startswith(_RGB_NAMES)


def has_alpha(pixel_format: str) -> bool:
    return pixel_format.startswith(_WITH_ALPHA)


def target_of(settings: Transcoding, facts: Facts) -> TargetPictures:
    """Raises `BadMedia` for a size that cannot be encoded."""
    row = settings.row
    orientation = Upright.of_number(facts.orientation)
    keeps_shape = row.colour_rule == "source" and settings.width is None and settings.height is None
    aspect = Fraction(facts.aspect)
    shown = _shown(facts, orientation, Fraction(1) if keeps_shape else aspect)
    pixels = pixel_format(settings, facts)
    steps = (1, 1) if is_rgb(pixels) else _steps(pixels)
    size = row.size or _size(settings, shown, steps)
    scaled, crop, place = _placed(shown, size, settings, steps)
    if max(*size, *scaled) > MAX_SIDE or min(size) < 2:
        raise BadMedia(f"a picture of {size[0]}x{size[1]} cannot be encoded", code="unsupported_size")
    kept_interlace = (
        (row.interlaced or row.colour_rule == "source")
        and facts.interlaced
        and scaled == (facts.width, facts.height)
        and not orientation.filters
    )
    matrix, primaries, transfer, full = _colours(settings, facts, pixels)
    source_matrix, source_range = reading(facts.colours, facts.pixel_format, facts.height)
    return TargetPictures(
        *size,
        scaled=scaled,
        crop=crop,
        place=place,
        aspect=_aspect(aspect, orientation) if keeps_shape else Fraction(1),
        pixel_format=pixels,
        matrix=matrix,
        primaries=primaries,
        transfer=transfer,
        range=full,
        source_matrix=source_matrix,
        source_range=source_range,
        tone_mapped=facts.colours[2] in (PQ, HLG) and settings.colours == "sdr",
        interlaced=row.interlaced or kept_interlace,
        deinterlaced=facts.interlaced and not kept_interlace,
    )


def pixel_format(settings: Transcoding, facts: Facts) -> str:
    """The profile's, or for `source` the one that holds the source's pixels without a loss."""
    named = settings.row.pixel_format
    alpha = has_alpha(facts.pixel_format)
    if named == "yuv444p10le" and settings.profile == "prores_4444" and alpha:
        return "yuva444p10le"
    if named != "source":
        return named
    if facts.colours[2] in (PQ, HLG) and settings.colours == "sdr":
        return "gbrp16le"
    deep = "gbrap16le" if alpha else "gbrp16le"
    return _FFV1.get(facts.pixel_format, deep if is_rgb(facts.pixel_format) else "yuv444p16le")


def reading(colours: tuple[int, int, int, int], pixels: str, height: int) -> tuple[int, int]:
    """(matrix, range) with which pixels are read: without a tag BT.601 below 720 lines, else BT.709 (ADR 0031)."""
    matrix, _, _, stated = colours
    if is_rgb(pixels):
        return _RGB, _FULL
    full = stated == _FULL or pixels.startswith("yuvj")
    known = {1: _BT709, 4: _BT601, 5: _BT601, 6: _BT601, 7: 7, 9: BT2020, 10: BT2020}
    return known.get(matrix, _BT601 if height < _SD_BELOW_HEIGHT else _BT709), _FULL if full else _LIMITED


def _colours(settings: Transcoding, facts: Facts, pixels: str) -> tuple[int, int, int, int]:
    """(matrix, primaries, transfer, range) of the output."""
    _, primaries, transfer, _ = facts.colours
    matrix, stated = reading(facts.colours, facts.pixel_format, facts.height)
    high = transfer in (PQ, HLG)
    if settings.row.colour_rule == "source" and not (high and settings.colours == "sdr"):
        if is_rgb(pixels):
            return _RGB, primaries, transfer, _FULL
        return (_BT709 if matrix == _RGB else matrix), primaries, transfer, _LIMITED if matrix == _RGB else stated
    if high and settings.colours == "keep":
        return BT2020, BT2020, transfer, _LIMITED
    return (_RGB, _BT709, _BT709, _FULL) if is_rgb(pixels) else (_BT709, _BT709, _BT709, _LIMITED)


def _aspect(aspect: Fraction, orientation: Upright) -> Fraction:
    return 1 / aspect if orientation.transposed and aspect else aspect


def _shown(facts: Facts, orientation: Upright, aspect: Fraction) -> tuple[int, int]:
    """The upright picture in square pixels; the longer way is widened, so that no line is lost."""
    width, height = facts.width, facts.height
    if aspect > 0 and Fraction(1, 16) < aspect < 16:
        if aspect > 1:
            width = max(1, round(width * aspect))
        else:
            height = max(1, round(height / aspect))
    return (height, width) if orientation.transposed else (width, height)


def _steps(pixels: str) -> tuple[int, int]:
    """Sides are multiples of these, as chroma is shared by pixels."""
    if pixels.startswith(("yuv420", "yuva420")):
        return 2, 2
    if pixels.startswith(("yuv422", "yuva422")):
        return 2, 1
    return 1, 1


def _size(settings: Transcoding, shown: tuple[int, int], steps: tuple[int, int]) -> tuple[int, int]:
    row = settings.row
    exact = row.colour_rule == "source"
    across, down = Fraction(shown[0]), Fraction(shown[1])
    if settings.width is not None and settings.height is not None:
        return settings.width, settings.height
    if settings.width is not None:
        return settings.width, _multiple(down * settings.width / across, steps[1])
    if settings.height is not None:
        return _multiple(across * settings.height / down, steps[0]), settings.height
    if row.within is not None:
        longer, shorter = row.within
        limits = (longer, shorter) if across >= down else (shorter, longer)
        scale = min(Fraction(1), limits[0] / across, limits[1] / down)
        if scale < 1:
            return _multiple(across * scale, steps[0]), _multiple(down * scale, steps[1])
    if exact:
        return shown
    # An odd last row or column is left out: nothing else of the picture changes.
    return max(2, shown[0] // steps[0] * steps[0]), max(2, shown[1] // steps[1] * steps[1])


def _multiple(length: Fraction, step: int) -> int:
    return max(2, step * round(length / step))


def _placed(
    shown: tuple[int, int], size: tuple[int, int], settings: Transcoding, steps: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(size to scale to, size of what is cut from it, its place)."""
    if all(0 <= have - want < step for have, want, step in zip(shown, size, steps, strict=True)):
        return shown, size, (0, 0)
    scales = [Fraction(want, have) for want, have in zip(size, shown, strict=True)]
    if settings.fit == "stretch" or abs(scales[0] / scales[1] - 1) < Fraction(1, 100):
        return size, size, (0, 0)
    scale = min(scales) if settings.fit == "contain" else max(scales)
    wide, high = (_multiple(side * scale, step) for side, step in zip(shown, steps, strict=True))
    crop = min(wide, size[0]), min(high, size[1])
    left, top = ((full - part) // 2 // step * step for full, part, step in zip(size, crop, steps, strict=True))
    return (wide, high), crop, (left, top)
