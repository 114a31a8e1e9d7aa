"""`rushes jobs check`: what a template would become and cost, with a picture of each variant, and nothing begun."""

import base64
import io
import json
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from stream.cli.app import app
from stream.errors import BadRequest

TEMPLATE = """
version: 1
name: swatches
assets: {logo: logo.png}
parameters: {mode: product, axes: {colour: ["#c02020", "#20a020"], crf: [30, 40]}}
stages:
  - name: compose
    operator: composite
    inputs: {logo: "asset:logo"}
    settings:
      {width: 128, height: 64, duration: 2, background: "${colour}", layers: [{kind: logo, input: logo, width: 20%}]}
  - {name: film, operator: transcode, inputs: {picture: "stage:compose"}, settings: {profile: h264_web, crf: "${crf}"}}
finals: [film]
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    Image.new("RGB", (32, 32), "white").save(tmp_path / "logo.png")
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    return tmp_path / "t.yaml"


def check(template: Path, *words: str) -> Result:
    state = ["--state", str(template.parent / "state")]
    return CliRunner().invoke(app, [*state, "jobs", "check", str(template), *words], catch_exceptions=True)


def test_a_check_tells_what_will_be_done_and_begins_nothing(template: Path) -> None:
    prices = template.parent / "prices.toml"
    prices.write_text('currency = "CHF"\ncpu_hour = 3600\n')
    told = json.loads(check(template, "--prices", str(prices), "--renderers", "4", "--json").stdout)
    assert len(told["variants"]) == 4
    # Two colours are composed, and each of them is encoded twice.
    assert [stage["computed"] for stage in told["stages"]] == [2, 4, 4]
    assert {stage["estimate"]["measured_tasks"] for stage in told["stages"]} == {0}
    estimate = told["estimate"]
    assert estimate["low_cpu_s"] < estimate["cpu_s"] < estimate["high_cpu_s"]
    assert told["money"]["currency"] == "CHF"
    assert told["money"]["likely"] == pytest.approx(estimate["cpu_s"], abs=0.001)
    assert "money" not in json.loads(check(template, "--json").stdout), "no price is invented"
    assert "nothing was measured yet" in check(template).stdout.replace("\n", " ")
    assert not (template.parent / "state").exists()


def test_pictures_show_each_variant_as_it_will_be(template: Path) -> None:
    done = check(template, "--previews", str(template.parent / "pages" / "first"), "--most-previews", "3")
    assert done.exit_code == 0, done.output
    page = (template.parent / "pages" / "first" / "index.html").read_text()
    assert "3 of 4 variants" in page
    pictures = [Image.open(io.BytesIO(base64.b64decode(each))) for each in re.findall(r"base64,([^\"]+)\"", page)]
    corners = [picture.convert("RGB").getpixel((3, 3)) for picture in pictures]
    assert [picture.size for picture in pictures] == [(128, 64)] * 2
    red, green = corners
    assert isinstance(red, tuple)
    assert isinstance(green, tuple)
    assert red[0] > 150 > red[1]
    assert green[1] > 120 > green[0]
    # The other film of a colour has the same picture.
    assert page.count("as #c02020") + page.count("as c02020") == 1
    assert not (template.parent / "state").exists()


def test_a_picture_that_cannot_be_used_is_found_with_its_row_before_anything_is_begun(template: Path) -> None:
    (template.parent / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture" * 10)
    done = check(template, "--previews", str(template.parent / "pages"))
    assert isinstance(done.exception, BadRequest)
    assert "row 1 " in done.exception.message
    assert "stages[0] (compose): the picture 'logo'" in done.exception.message
    assert "row 3 " in done.exception.message
    assert (template.parent / "pages" / "index.html").is_file()
    assert not (template.parent / "state").exists()


def test_pictures_and_fonts_that_are_bombs_cost_their_rows_alone(template: Path) -> None:
    """A few kilobytes that unfold into gigabytes, and tables that claim more than there is."""
    folder = template.parent
    chunks = _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + _chunk(b"IDAT", zlib.compress(bytes(1 << 20))))
    (folder / "bomb.ttf").write_bytes(b"\0\1\0\0\xff\xff" + b"\xff" * 100_000)
    text = TEMPLATE.replace("logo: logo.png", "logo: logo.png, bomb: bomb.png, font: bomb.ttf")
    text = text.replace('colour: ["#c02020", "#20a020"], crf: [30, 40]', "file: [logo, bomb, font], crf: [30], t: [x]")
    text = text.replace('inputs: {logo: "asset:logo"}', 'inputs: {logo: "asset:${file}"}').replace(
        "${colour}", "#000000"
    )
    template.write_text(text)
    done = check(template, "--previews", str(folder / "pages"))
    assert isinstance(done.exception, BadRequest)
    assert "row 2 (bomb_30_x): stages[0] (compose): the picture 'logo' cannot be used" in done.exception.message
    assert "row 3 (font_30_x): stages[0] (compose): the picture 'logo' cannot be used" in done.exception.message
    assert "row 1" not in done.exception.message
    assert (folder / "pages" / "index.html").read_text().count("base64,") == 1


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_stills_that_will_wait_for_a_person_are_named_before_the_job_begins(template: Path) -> None:
    moderated = "publish: {understand: true, moderation: {nsfw_below: 0.6}}\n"
    template.write_text(TEMPLATE.replace("[film]", "[film, compose/poster.png]") + moderated)
    said = check(template)
    assert said.exit_code == 0
    assert "nothing moderates compose/poster.png" in said.stderr
    told = json.loads(check(template, "--json").stdout)
    assert told["waiting_for_release"] == ["compose/poster.png"]
    template.write_text(TEMPLATE + moderated)
    assert "nothing moderates" not in check(template).stderr


def test_an_estimate_of_footage_says_that_nobody_knows_its_length(template: Path) -> None:
    (template.parent / "film.mp4").write_bytes(b"whatever")
    template.write_text(
        "version: 1\nname: film\nassets: {film: film.mp4}\n"
        "stages: [{name: smooth, operator: interpolate, inputs: {film: 'asset:film'}}]\nfinals: [smooth]\n"
    )
    said = check(template).stdout.replace("\n", " ")
    assert (
        "of smooth nothing was measured yet and how many pictures there are is not known, so that is a guess." in said
    )
    assert "times more or less" not in said
    assert said.startswith("1 variant ")
    assert [stage["sized"] for stage in json.loads(check(template, "--json").stdout)["stages"]] == [False, False]
