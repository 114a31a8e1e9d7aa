"""Upscaled pictures: sharper than scaled ones, without seams, in the colours of the source, within bounds."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from models.weights.fetch import WeightsCache
from models.weights.pins import PINS
from stream.errors import BadMedia, BadRequest, Unavailable
from stream.media.frames.film import rgb_film, written_as
from stream.media.frames.lossless import set_up
from stream.media.frames.networks import Session, session
from stream.media.transcode.facts import facts_of
from stream.media.transcode.settings import MAX_SIDE
from stream.media.upscale import network
from stream.media.upscale.operator import MAX_PIXELS, Upscale, upscaled
from stream.media.upscale.tiles import MARGIN, MOST, stretches
from tests.support.media_examples import made, operator_beside, work
from tests.support.moving_pictures import Picture, moving, psnr, shown, write_film


@pytest.fixture(scope="module")
def span_of(weights_cache: WeightsCache) -> Callable[[int], Session]:
    def made(factor: int) -> Session:
        files = weights_cache.files("span")
        layers, weights = (files[f"spanx{factor}_ch48.{kind}"] for kind in ("param", "bin"))
        return session(network.onnx_model(layers.read_text(), weights.read_bytes()))

    return made


def silent(_share: float) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def photograph(weights_cache: WeightsCache) -> Picture:
    """A part of a real picture, with fur and edges."""
    picture: Picture = shown(weights_cache.files("clips")["bigbuckbunny.mp4"])[60][300:428, 520:712]
    return picture


@pytest.mark.parametrize("factor", [2, 4])
def test_it_is_nearer_to_the_truth_than_scaling(
    require_weights: Callable[..., None], request: pytest.FixtureRequest, factor: int
) -> None:
    require_weights("span", "clips")
    truth: Picture = request.getfixturevalue("photograph")
    span_of: Callable[[int], Session] = request.getfixturevalue("span_of")
    height, width, _ = truth.shape
    small = np.asarray(Image.fromarray(truth).resize((width // factor, height // factor), Image.Resampling.BICUBIC))
    result = upscaled(span_of(factor), small, factor, silent)
    scaled = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    assert psnr(result, truth) > psnr(scaled, truth) + 1
    assert np.abs(result.mean(axis=(0, 1)) - small.mean(axis=(0, 1))).max() < 1
    # The same depth of 16 bit gives the same picture.
    deep = upscaled(span_of(factor), small.astype(np.uint16) * 257, factor, silent)
    assert np.abs(deep / 257 - result).max() <= 0.51


def test_seams_are_where_the_whole_picture_has_none(
    require_weights: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    require_weights("span")
    net = request.getfixturevalue("span_of")(2)
    picture = np.concatenate([moving(0), moving(1, scene=1)], axis=1)[:48]
    assert picture.shape[1] > MOST
    whole = net.run(None, {network.INPUT: picture.transpose(2, 0, 1)[None].astype(np.float32) / 255})[0][0]
    apart = upscaled(net, picture, 2, silent).astype(float) - np.clip(whole, 0, 1).transpose(1, 2, 0) * 255
    assert np.abs(apart).max() <= 0.51


@pytest.mark.parametrize("length", [1, 2, MOST, MOST + 1, 1920, 8192])
def test_stretches_cover_a_side_once_and_see_what_is_around_them(length: int) -> None:
    made = stretches(length)
    assert [one.kept[1] for one in made[:-1]] == [one.kept[0] for one in made[1:]]
    assert (made[0].kept[0], made[-1].kept[1]) == (0, length)
    for one in made:
        assert 0 < one.kept[1] - one.kept[0] <= MOST
        assert one.seen[0] in (0, one.kept[0] - MARGIN) and one.seen[1] in (length, one.kept[1] + MARGIN)


@pytest.mark.parametrize(("pixels", "kept"), [("yuv420p", "bgr0"), ("yuv422p10le", "gbrp16le")])
def test_colours_are_read_by_their_tags_and_kept(
    require_weights: Callable[..., None], tmp_path: Path, pixels: str, kept: str
) -> None:
    require_weights("span")
    flat = np.full((32, 48, 3), (200, 90, 30), np.uint8)
    source = write_film(tmp_path / "s.mkv", [flat], pix_fmt=pixels, tags=(6, 5, 6, 2))
    operator = operator_beside("upscale", tmp_path)
    task = work(operator, {}, {"source": source}, tmp_path / "work")
    made(operator, task)
    result = task.folder / "picture.mkv"
    facts = facts_of(result, None)
    assert (facts.pixel_format, facts.colours, facts.width, facts.height) == (kept, (0, 5, 6, 2), 96, 64)
    assert np.abs(shown(result)[0][20:40, 30:60].astype(int) - flat[0, 0]).max() <= 3


def test_what_is_too_large_too_wide_or_hdr_is_refused(require_weights: Callable[..., None], tmp_path: Path) -> None:
    require_weights("span")
    operator = operator_beside("upscale", tmp_path)
    blank = np.zeros((16, 2064, 3), np.uint8)
    wide = write_film(tmp_path / "wide.mkv", [blank], rate=Fraction(25))
    with pytest.raises(BadMedia, match="too large") as caught:
        made(operator, work(operator, {"factor": 4}, {"source": wide}, tmp_path / "a"))
    assert caught.value.code == "too_many_pixels"
    hdr = write_film(tmp_path / "hdr.mkv", [moving(0)], pix_fmt="yuv420p10le", tags=(9, 9, 16, 1))
    with pytest.raises(BadMedia, match="transcode it to SDR") as caught:
        made(operator, work(operator, {}, {"source": hdr}, tmp_path / "b"))
    assert caught.value.code == "unsupported_colours"


@pytest.mark.parametrize("size", [(2048, 2048), (4096, 2304), (MAX_SIDE, MAX_PIXELS * 16 // MAX_SIDE), (64, MAX_SIDE)])
@pytest.mark.parametrize("pixels", ["bgr0", "gbrp16le"])
def test_the_largest_results_can_be_written(tmp_path: Path, size: tuple[int, int], pixels: str) -> None:
    facts = facts_of(write_film(tmp_path / "s.mkv", [moving(0)]), None)
    target = replace(written_as(rgb_film(tmp_path, facts), *size), pixel_format=pixels)
    encoder = av.CodecContext.create("ffv1", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    set_up(encoder, facts, target)
    encoder.open()
    assert encoder.is_open


def test_other_factors_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"^factor: "):
        Upscale().check({"factor": 3}, ["source"])


def test_weights_that_are_not_fetched_or_others_are_named() -> None:
    with pytest.raises(Unavailable, match="run `rushes weights fetch span`"):
        Upscale().toolchain(Upscale().check({}, ["source"]))
    with pytest.raises(Unavailable, match="not those that are known"):
        network.onnx_model("7767517\n1 1\nDense a 0 0", b"")


def test_the_digests_of_the_weights_are_in_the_toolchain(require_weights: Callable[..., None], tmp_path: Path) -> None:
    require_weights("span")
    operator = operator_beside("upscale", tmp_path)
    chain = operator.toolchain(operator.check({"factor": 4}, ["source"]))
    (pin,) = (pin for pin in PINS if pin.name == "span")
    wanted = {f"weights {member.name}": member.sha256 for member in pin.members if "x4" in member.name}
    assert len(wanted) == 2 and wanted.items() <= chain.items()
