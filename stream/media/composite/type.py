"""Sets text: chooses font, size and lines, and draws them with HarfBuzz's shaping (Pillow with raqm)."""

import logging
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, features

from stream.errors import BadMedia, Unavailable
from stream.media.composite.canvas import Drawing, drawing_of
from stream.media.composite.font_files import FontFile, font_file, package_fonts
from stream.media.composite.layers import CaptionsLayer, Fitting, TextLayer, Typography
from stream.media.composite.line_breaks import broken
from stream.media.composite.placement import Rectangle, area_of, box_of, shorter_side, within
from stream.media.composite.settings import CompositeSettings
from stream.media.composite.values import pixels, rgba

_SMALLEST, _LARGEST = 6, 1_500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Face:
    """A font at a size."""

    font: ImageFont.FreeTypeFont
    language: str

    def width(self, line: str, *, direction: str) -> float:
        return self.font.getlength(line, direction=direction, language=self.language)


@dataclass(frozen=True, slots=True)
class Setting:
    """Lines of text at the size at which they fit. `rtl` of each line is that of its paragraph."""

    face: Face
    size: int
    lines: tuple[tuple[str, bool], ...]
    widths: tuple[float, ...]
    leading: float

    @property
    def width(self) -> float:
        return max(self.widths)

    @property
    def height(self) -> float:
        return self.leading * len(self.lines)


def require_raqm() -> None:
    """Raises `Unavailable` (`toolchain_lacks`)."""
    if not features.check("raqm"):
        raise Unavailable(
            "this build of Pillow has no raqm, which complex scripts need; install Pillow's own wheel",
            code="toolchain_lacks",
        )


class Typesetter:
    """Sets the texts of one layer, which may be many: one for each caption. `where` names the layer in messages.

    Raises `BadMedia`: `bad_font`, and from `drawing` `missing_glyphs`, `text_does_not_fit`, `outside_safe_area`.
    """

    def __init__(
        self, settings: CompositeSettings, layer: TextLayer | CaptionsLayer, where: str, inputs: Mapping[str, Path]
    ) -> None:
        self._settings = settings
        self._layer = layer
        self._where = where
        self._fonts = [font_file(inputs[name], name) for name in layer.fonts]
        self._box = box_of(settings, layer)
        self._short = shorter_side(settings)

    def drawing(self, text: str) -> Drawing:
        """The text in its place."""
        text = _cleaned(text)
        font = self._font_for(text)
        try:
            return self._laid(text, font)
        except (OSError, ValueError, OverflowError):
            # FreeType and HarfBuzz meet the tables of a font when they draw with it.
            raise BadMedia(f"the font {font.name!r} cannot be used: it is damaged", code="bad_font") from None

    def _laid(self, text: str, font: FontFile) -> Drawing:
        padding = round(pixels(self._layer.box.padding, self._short)) if self._layer.box else 0
        room = (self._box.width - 2 * padding, self._box.height - 2 * padding)
        found = self._fitted(text, font, room)
        size = (int(np.ceil(found.width)) + 2 * padding, int(np.ceil(found.height)) + 2 * padding)
        # A plate is as wide as its lines, so it is aligned by its anchor; bare text is aligned in the whole box.
        if not self._layer.box:
            size = (self._box.width, size[1])
        return self._drawn(found, within(self._box, size, self._layer.anchor), padding)

    def _font_for(self, text: str) -> FontFile:
        needed = sorted({character for character in text if _has_glyph(character)})
        best, missing = "", [*needed, ""]
        # The fonts of the packages have 60 MB: they are read as far as they are needed.
        for font in chain(self._fonts, package_fonts(self._layer.language)):
            lacking = [character for character in needed if not font.has(character)]
            if not lacking:
                return font
            if len(lacking) < len(missing):
                best, missing = font.name, lacking
        told = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing[:10])
        raise BadMedia(
            f"{self._where}: no font has all characters of the text; the nearest, {best}, lacks {told}."
            " Give a font that has them as an input and name it in `fonts`",
            code="missing_glyphs",
        )

    def _fitted(self, text: str, font: FontFile, room: tuple[int, int]) -> Setting:
        wanted = self._layer.size
        if isinstance(wanted, Fitting):
            low, high = self._pixels(wanted.min), self._pixels(wanted.max)
        else:
            low = high = self._pixels(wanted)
        best = self._set(text, font, low, room)
        if best is None:
            raise BadMedia(
                f"{self._where}: the text does not fit its box of {self._box.width} x {self._box.height} pixels at"
                f" {low} pixels, its smallest size, in at most {self._layer.max_lines} lines; shorten it, or allow a"
                " smaller size or a larger box",
                code="text_does_not_fit",
            )
        while low < high:
            middle = (low + high + 1) // 2
            tried = self._set(text, font, middle, room)
            if tried is None:
                high = middle - 1
            else:
                low, best = middle, tried
        return self._set(text, font, best.size, room, even=True) or best

    def _pixels(self, length: float | str) -> int:
        return min(max(_SMALLEST, round(pixels(length, self._short))), _LARGEST)

    def _set(
        self, text: str, font: FontFile, size: int, room: tuple[int, int], *, even: bool = False
    ) -> Setting | None:
        """The text at one size, or None where it does not fit."""
        face = Face(_loaded(font, size, self._layer.weight), self._layer.language)
        lines: list[tuple[str, bool]] = []
        for paragraph in text.split("\n"):
            rtl = _is_rtl(paragraph, self._layer.direction)
            width = partial(face.width, direction=_named(rtl))
            found = (
                _balanced(paragraph, width, room[0]) if even else broken(paragraph, partial(_within, width, room[0]))
            )
            if found is None:
                return None
            lines += [(line, rtl) for line in found]
        leading = size * self._layer.line_height
        if len(lines) > self._layer.max_lines or leading * len(lines) > room[1]:
            return None
        widths = tuple(face.width(line, direction=_named(rtl)) for line, rtl in lines)
        return Setting(face, size, tuple(lines), widths, leading)

    def _drawn(self, found: Setting, block: Rectangle, padding: int) -> Drawing:
        layer = self._layer
        outline = round(pixels(layer.outline.width, self._short)) if layer.outline else 0
        blur = pixels(layer.shadow.blur, self._short) if layer.shadow else 0.0
        # Italics, marks above letters and swashes reach over the lines' boxes.
        margin = found.size + outline + int(3 * blur)
        if layer.shadow:
            margin += int(max(abs(pixels(layer.shadow.x, self._short)), abs(pixels(layer.shadow.y, self._short))))
        mask_size = (block.width + 2 * margin, block.height + 2 * margin)
        inner = Rectangle(margin + padding, margin + padding, block.width - 2 * padding, block.height - 2 * padding)
        ink = _mask(found, inner, mask_size, layer, 0)
        edge = _mask(found, inner, mask_size, layer, outline) if outline else ink
        block = self._inside(edge, block, margin)
        picture = Image.new("RGBA", mask_size, (0, 0, 0, 0))
        if layer.box:
            radius = round(pixels(layer.box.radius, self._short))
            plate = rounded(block.width, block.height, radius)
            _paint(picture, plate, layer.box.colour, (margin, margin))
        if layer.shadow:
            shift = round(pixels(layer.shadow.x, self._short)), round(pixels(layer.shadow.y, self._short))
            _paint(picture, edge.filter(ImageFilter.GaussianBlur(blur)), layer.shadow.colour, shift)
        if layer.outline:
            _paint(picture, edge, layer.outline.colour, (0, 0))
        _paint(picture, ink, layer.colour, (0, 0))
        bounds = picture.getchannel("A").getbbox() or (0, 0, 1, 1)
        rgba_array = np.asarray(picture.crop(bounds))
        return drawing_of(rgba_array, block.left - margin + bounds[0], block.top - margin + bounds[1])

    def _inside(self, edge: Image.Image, block: Rectangle, margin: int) -> Rectangle:
        """The block, moved by what accents and swashes reach over its edges, so that all ink is inside of the area."""
        bounds = edge.getbbox()
        if bounds is None:
            return block
        left, top = block.left - margin + bounds[0], block.top - margin + bounds[1]
        ink = Rectangle(left, top, bounds[2] - bounds[0], bounds[3] - bounds[1])
        area = area_of(self._settings, self._layer.area)
        if area.holds(ink) and (self._layer.box is None or area.holds(block)):
            return block
        if area.holds(block) and ink.width <= area.width and ink.height <= area.height:
            right = max(area.left - ink.left, 0) + min(area.right - ink.right, 0)
            down = max(area.top - ink.top, 0) + min(area.bottom - ink.bottom, 0)
            return Rectangle(block.left + right, block.top + down, block.width, block.height)
        if self._layer.outside == "warn":
            _log.warning("%s: text lies outside of its area (%s)", self._where, self._layer.area)
            return block
        raise BadMedia(
            f"{self._where}: the text reaches from {ink.left}, {ink.top} to {ink.right}, {ink.bottom} and leaves its"
            f" area {self._layer.area}, {area.left}, {area.top} to {area.right}, {area.bottom}; move it, or set"
            " `outside: warn`",
            code="outside_safe_area",
        )


def rounded(width: int, height: int, radius: int) -> Image.Image:
    """The mask of a rectangle with round corners, drawn four times as large for smooth edges where it has any."""
    radius = max(0, min(radius, width // 2, height // 2))
    mask = Image.new("L", (width, height), 255)
    if radius:
        corner = Image.new("L", (radius * 4, radius * 4), 0)
        ImageDraw.Draw(corner).ellipse((0, 0, radius * 8 - 1, radius * 8 - 1), fill=255)
        small = corner.resize((radius, radius), Image.Resampling.BOX)
        for turn, place in enumerate(
            ((0, 0), (0, height - radius), (width - radius, height - radius), (width - radius, 0))
        ):
            mask.paste(small.rotate(90 * turn), place)
    return mask


def _mask(found: Setting, inner: Rectangle, size: tuple[int, int], layer: Typography, stroke: int) -> Image.Image:
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    ascent, descent = found.face.font.getmetrics()
    # The line's own height stands in the middle of its share of the block.
    baseline = inner.top + (found.leading + ascent - descent) / 2
    for (line, rtl), width in zip(found.lines, found.widths, strict=True):
        left = inner.left + (inner.width - width) * _share(layer.align, rtl)
        draw.text(
            (left, baseline), line, fill=255, font=found.face.font, anchor="ls", direction=_named(rtl),
            language=found.face.language, stroke_width=stroke,
        )  # fmt: skip
        baseline += found.leading
    return mask


def _share(align: str, rtl: bool) -> float:
    if align == "center":
        return 0.5
    if align in {"left", "right"}:
        return float(align == "right")
    return float((align == "end") != rtl)


def _paint(picture: Image.Image, mask: Image.Image, colour: str, place: tuple[int, int]) -> None:
    red, green, blue, alpha = rgba(colour)
    if alpha < 255:
        mask = ImageChops.multiply(mask, Image.new("L", mask.size, alpha))
    layer = Image.new("RGBA", picture.size, (red, green, blue, 0))
    cover = Image.new("L", picture.size, 0)
    cover.paste(mask, place)
    layer.putalpha(cover)
    picture.alpha_composite(layer)


def _loaded(font: FontFile, size: int, weight: int) -> ImageFont.FreeTypeFont:
    try:
        loaded = ImageFont.truetype(str(font.path), size, layout_engine=ImageFont.Layout.RAQM)
    except (OSError, ValueError, MemoryError):
        raise BadMedia(f"the font {font.name!r} cannot be used: FreeType does not read it", code="bad_font") from None
    try:
        axes = loaded.get_variation_axes()
    except (OSError, NotImplementedError):
        return loaded  # a font with one weight
    loaded.set_variation_by_axes([_chosen(axis, weight) for axis in axes])
    return loaded


def _greedy(paragraph: str, width: Callable[[str], float], room: int) -> list[str] | None:
    return broken(paragraph, partial(_within, width, room))


def _balanced(paragraph: str, width: Callable[[str], float], room: int) -> list[str] | None:
    """The lines of a paragraph, as few as there must be and then as even as they can be."""
    best = _greedy(paragraph, width, room)
    if best is None or len(best) == 1:
        return best
    low, high = room // len(best), room
    while high - low > 4:
        middle = (low + high) // 2
        tried = _greedy(paragraph, width, middle)
        if tried is not None and len(tried) == len(best):
            high, best = middle, tried
        else:
            low = middle
    return best


def _within(width: Callable[[str], float], room: int, line: str) -> bool:
    return width(line) <= room


def _chosen(axis: ImageFont.Axis, weight: int) -> float:
    wanted = weight if axis.get("name") == b"Weight" else axis["default"] or 0
    return float(min(max(wanted, axis["minimum"] or 0), axis["maximum"] or wanted))


def _cleaned(text: str) -> str:
    """Composed (NFC), with lines ended by line feeds, tabs as spaces and other controls taken out."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(character for character in text if character == "\n" or unicodedata.category(character) != "Cc")


def _has_glyph(character: str) -> bool:
    # Joiners, marks of direction and variation selectors steer the shaping; they have no picture of their own.
    return (
        not character.isspace() and unicodedata.category(character) != "Cf" and not 0xFE00 <= ord(character) <= 0xFE0F
    )


def _is_rtl(paragraph: str, direction: str) -> bool:
    if direction != "auto":
        return direction == "rtl"
    for character in paragraph:
        if (kind := unicodedata.bidirectional(character)) in {"L", "R", "AL"}:
            return kind != "L"
    return False


def _named(rtl: bool) -> str:
    return "rtl" if rtl else "ltr"
