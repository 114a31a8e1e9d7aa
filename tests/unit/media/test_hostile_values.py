"""Numbers, captions and fonts that are made to fill the memory, to never end, or to mean two things."""

import struct
from pathlib import Path
from typing import Any

import pytest

from stream.errors import BadMedia, BadRequest
from stream.media.catalogue import OperatorCatalogue
from stream.media.composite.captions import cues_of
from stream.media.composite.font_files import font_file

OPERATORS = OperatorCatalogue()
CLIP = {"width": 64, "height": 64, "duration": 1}
CUE = b"WEBVTT\n\n00:00.000 --> 00:01.000\n"


@pytest.mark.parametrize(
    "rate",
    ["1e999999999", "1e-999999999", "1_0", "\u0661\u0660", "0x10", "nan", "25/0", "25/000", " 25", "25\n", "1e1", True],
)
@pytest.mark.parametrize(
    ("operator", "settings"), [("transcode", {"profile": "h264_web"}), ("interpolate", {}), ("composite", CLIP)]
)
def test_a_rate_is_digits_or_two_of_them(operator: str, settings: dict[str, Any], rate: str | bool) -> None:
    inputs = [] if operator == "composite" else ["source"]
    with pytest.raises(BadRequest, match="fps: ") as caught:
        OPERATORS.checked(operator, {**settings, "fps": rate}, inputs)
    assert caught.value.code == "template_invalid"


@pytest.mark.parametrize("number", ["nan", "inf", "1e309", "1_0", "\u0661\u0660", " 1", "0x1", True])
@pytest.mark.parametrize(
    ("operator", "field", "settings"),
    [
        ("transcode", "crf", {"profile": "h264_web"}),
        ("package", "sprite_s", {}),
        ("restyle", "strength", {"style": "woodcut"}),
        ("composite", "duration", CLIP),
        ("generate", "walk_seconds", {"model": "label-gan", "prompt": "a painted green eye"}),
    ],
)
def test_a_number_is_written_in_one_way(
    operator: str, field: str, settings: dict[str, Any], number: str | bool
) -> None:
    inputs = [] if operator in ("composite", "generate") else ["source"]
    with pytest.raises(BadRequest, match=f"{field}: ") as caught:
        OPERATORS.checked(operator, {**settings, field: number}, inputs)
    assert caught.value.code == "template_invalid"


def test_numbers_of_rows_may_be_quoted() -> None:
    settings = {"profile": "h264_web", "crf": "20.5", "fps": "23.976"}
    checked = OPERATORS.checked("transcode", settings, ["source"])
    assert (checked["crf"], checked["fps"]) == (20.5, "2997/125")
    assert OPERATORS.checked("composite", {**CLIP, "duration": "1.2"}, [])["duration"] == 1.2


@pytest.mark.parametrize("text", [b"<" * 900_000, b"&#" + b"1" * 9_000 + b";", b"<b>" * 2_000])
def test_a_cue_that_would_be_read_for_ever_is_refused_with_its_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "words.vtt").write_bytes(CUE + text)
    with pytest.raises(BadMedia, match="line 3: the cue has more than 4000 characters with its tags") as caught:
        cues_of(tmp_path / "words.vtt", "words")
    assert caught.value.code == "bad_captions"


def test_tags_and_entities_of_a_cue_are_read_over(tmp_path: Path) -> None:
    (tmp_path / "words.vtt").write_bytes(CUE + b"<v Ann>Two &lt; <i.loud>three</i> &amp; &#x2192;")
    assert [cue.text for cue in cues_of(tmp_path / "words.vtt", "words")] == ["Two < three & →"]


def test_a_font_with_more_characters_than_any_has_is_refused(tmp_path: Path) -> None:
    groups = 70_000
    ranges = struct.pack(">III", 0x20, 0x10FFFF, 1) * groups
    table = struct.pack(">HHHHI", 0, 1, 3, 10, 12) + struct.pack(">HHIII", 12, 0, 16 + len(ranges), 0, groups) + ranges
    head = b"\0\1\0\0" + struct.pack(">HHHH", 1, 0, 0, 0) + struct.pack(">4sIII", b"cmap", 0, 28, len(table))
    (tmp_path / "brand.ttf").write_bytes(head + table)
    with pytest.raises(BadMedia, match="the font 'brand' cannot be used") as caught:
        font_file(tmp_path / "brand.ttf", "brand")
    assert caught.value.code == "bad_font"
