"""Text of `composite`: fonts, order of glyphs, lines, sizes, and what is refused."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from stream.errors import BadMedia
from stream.media.composite.canvas import Drawing, Planes
from stream.media.composite.font_files import font_file, package_fonts
from stream.media.composite.layers import TextLayer
from stream.media.composite.line_breaks import broken
from stream.media.composite.placement import area_of
from stream.media.composite.settings import checked
from stream.media.composite.type import Typesetter

CANVAS = checked({"width": 640, "height": 360, "duration": 1}, [])


def drawing(text: str, **settings: Any) -> Drawing:
    layer = TextLayer.model_validate({"kind": "text", "text": text, "size": 48, **settings})
    return Typesetter(CANVAS, layer, "layers[0]", {}).drawing(layer.text)


def refused(text: str, **settings: Any) -> BadMedia:
    with pytest.raises(BadMedia) as caught:
        drawing(text, **settings)
    assert caught.value.message.startswith("layers[0]: ")
    return caught.value


def ink_of_glyphs(runs: list[str], font: ImageFont.FreeTypeFont) -> Planes:
    """Runs of one direction each, put down from left to right: the order is the caller's and not the library's."""
    picture = Image.new("L", (1200, 200), 0)
    left = 100.0
    for run in runs:
        ImageDraw.Draw(picture).text((left, 100), run, fill=255, font=font, anchor="ls")
        left += font.getlength(run)
    return np.asarray(picture.crop(picture.getbbox()))


def alike(ink: Planes, other: Planes) -> float:
    """How ink is spread over the columns; smoothed, as kerning moves glyphs by a pixel or two."""
    columns = min(ink.shape[1], other.shape[1])
    profiles = [np.convolve(picture[:, :columns].sum(axis=0), np.ones(21)) for picture in (ink, other)]
    return float(np.corrcoef(profiles)[0, 1])


@pytest.mark.parametrize(
    ("text", "font", "runs"),
    [
        ("שעון Nova 25", "NotoSansHebrew", ["Nova 25", " ", "ןועש"]),
        ("שעון 25% (הנחה)", "NotoSansHebrew", ["(החנה)", " ", "25%", " ", "ןועש"]),
        ("Nova שעון", "NotoSansHebrew", ["Nova ", "ןועש"]),
    ],
)
def test_right_to_left_text_has_its_glyphs_in_visual_order(text: str, font: str, runs: list[str]) -> None:
    file = next(found for found in package_fonts("he") if found.name == font)
    # Without raqm each run is drawn as it stands, one glyph a character: the reference is the order that is seen.
    reference = ImageFont.truetype(str(file.path), 48, layout_engine=ImageFont.Layout.BASIC)
    reference.set_variation_by_axes([400, 100])
    alpha = drawing(text, language="he").alpha
    assert alpha is not None
    wanted = ink_of_glyphs(runs, reference)
    assert abs(alpha.shape[1] - wanted.shape[1]) <= 3
    assert alike(alpha, wanted) > 0.93
    # In the order of reading, the same glyphs make another picture.
    assert alike(alpha, ink_of_glyphs([run[::-1] for run in reversed(runs)], reference)) < 0.8


def test_arabic_letters_join() -> None:
    # ruff: noqa: RUF001 - the letters are meant
    joined = drawing("سلام", language="ar").alpha
    apart = drawing("س\u200cل\u200cا\u200cم", language="ar").alpha
    assert joined is not None
    assert apart is not None
    assert joined.shape[1] < apart.shape[1]


@pytest.mark.parametrize(
    "text",
    [
        "Zeit für Größe",
        "Время",
        "ساعة جديدة",
        "שעון חדש",
        "समय",
        "সময়",
        "நேரம்",
        "సమయం",
        "เวลา",
        "静かな時間",
        "시간",
        "时间",
    ],
)
def test_packages_have_fonts_for_many_scripts(text: str) -> None:
    alpha = drawing(text).alpha
    assert alpha is not None
    assert alpha.max() > 200


def test_missing_glyphs_are_named_with_the_font() -> None:
    error = refused("Hot 🔥 deal")
    assert error.code == "missing_glyphs"
    assert "🔥 (U+1F525)" in error.message
    assert "NotoSans" in error.message


def test_the_largest_size_that_fits_is_taken_and_lines_are_even() -> None:
    tall = {"size": {"min": 12, "max": 120}, "width": 400, "height": 200}
    short, long = (drawing(text, **tall) for text in ("Now", "Everything that you wanted, and a little more, for less"))
    assert short.planes.shape[1] > 60
    assert long.planes.shape[1] <= 200
    assert long.planes.shape[2] > 300
    assert refused("word " * 300, **tall).code == "text_does_not_fit"


def test_ink_outside_of_the_safe_area_is_an_error_or_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    corner = {"anchor": "top-left", "align": "left", "x": "-3%"}
    assert area_of(CANVAS, "title_safe").left == 32
    error = refused("Edge", **corner)
    assert error.code == "outside_safe_area"
    assert drawing("Edge", outside="warn", **corner).left < 32
    assert [record.message for record in caplog.records] == ["layers[0]: text lies outside of its area (title_safe)"]
    assert drawing("Edge", area="action_safe", **corner | {"x": 0}).left >= 22


def test_lines_of_japanese_do_not_begin_with_closing_marks() -> None:
    assert broken("静かな、時間。", lambda line: len(line) <= 3) == ["静か", "な、時", "間。"]
    assert broken("one two three", lambda line: len(line) <= 7) == ["one two", "three"]
    assert broken("unbreakable", lambda line: len(line) <= 7) is None


@pytest.mark.parametrize("content", [b"", b"ttcf" + bytes(100), b"<svg/>", b"\0\1\0\0\0\1" + bytes(40)])
def test_what_is_no_font_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "brand.ttf"
    path.write_bytes(content)
    with pytest.raises(BadMedia, match="the font 'brand' cannot be used") as caught:
        font_file(path, "brand")
    assert caught.value.code == "bad_font"


def test_a_forged_table_of_characters_ends_soon(tmp_path: Path) -> None:
    """Every segment claims all characters: read as told, it would be a billion steps."""
    count = 0x3FFF
    words = [b"\xff\xff" * count, bytes(2), bytes(2 * count), b"\0\1" * count, b"\0\2" * count]
    table = (
        struct.pack(">HHHHI", 0, 1, 3, 1, 12) + struct.pack(">HHHHHHH", 4, 0, 0, 2 * count, 0, 0, 0) + b"".join(words)
    )
    path = tmp_path / "forged.ttf"
    path.write_bytes(b"\0\1\0\0" + struct.pack(">HHHH4sIII", 1, 0, 0, 0, b"cmap", 0, 28, len(table)) + table)
    with pytest.raises(BadMedia, match="its tables are cut off"):
        font_file(path, "forged")
