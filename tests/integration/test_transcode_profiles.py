"""Every row of the catalogue of profiles, decoded again and compared with its source; a new row is compared too."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from stream.events.transfer import Transfer, shown_as_sdr
from stream.media.transcode.profiles import PROFILES, Profile
from tests.support.delivered import delivered, film, heard, loudness, onset_s, psnr_db
from tests.support.media_examples import film_with_sound
from tests.support.numbered_clips import write_numbered

SECONDS, BEEP_S = 1.2, 0.6
SIZE = {"width": 256, "height": 128}
LEAST_PSNR_DB = 32.0
WITHIN_OF_255 = {"source": 2, "bt709": 4}
"""The largest error of a flat colour, by the rule for colours: pixels as they are, or encoded with a loss."""
COLOURS = [
    *((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)),
    *((0, 0, 0), (128, 128, 128), (200, 100, 50), (30, 90, 160)),
]
HDR_COLOURS = np.array([(value, value // 2 + 40, 255 - value) for value in range(0, 256, 32)], np.uint16)
Luma = npt.NDArray[np.uint8]
_SOUNDS = {(row.muxer, row.sound): name for name, row in PROFILES.items()}
_DEEP = sorted(name for name, row in PROFILES.items() if row.high_dynamic_range)
_WITH_TIME_CODE = ("mov", "mxf", "matroska")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film_with_sound(tmp_path_factory.mktemp("source"), seconds=SECONDS, beep_s=BEEP_S)["source"]


@pytest.fixture(scope="module")
def lossless(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Luma]:
    folder = tmp_path_factory.mktemp("reference") / "work"
    return film(delivered(source, {"profile": "mezzanine", **SIZE, "sound": None}, folder)).luma


def sized(row: Profile) -> dict[str, Any]:
    return {} if row.size else SIZE


def as_sized(luma: Luma) -> Luma:
    """A picture that a profile made larger, without its bars and of the size of the others."""
    high, wide = luma.shape
    if (wide, high) == (SIZE["width"], SIZE["height"]):
        return luma
    bar = (high - wide // 2) // 2
    shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma[bar : high - bar]), format="gray8")
    return np.asarray(
        shown.reformat(width=SIZE["width"], height=SIZE["height"], interpolation="AREA").to_ndarray(), np.uint8
    )


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_pictures_times_and_sound_stay(source: Path, lossless: list[Luma], tmp_path: Path, profile: str) -> None:
    row = PROFILES[profile]
    path = delivered(source, {"profile": profile, **sized(row)}, tmp_path / "work")
    shown = film(path)
    assert shown.numbers == list(range(30))
    assert all(abs(time - Fraction(number, 25)) < Fraction(1, 900) for number, time in enumerate(shown.times_s))
    assert shown.duration_s == pytest.approx(SECONDS, abs=0.021)
    assert shown.size == (row.size or (256, 128))
    assert shown.rate == 25
    assert shown.interlaced == row.interlaced
    if row.colour_rule == "bt709":
        assert shown.tags == (1, 1, 1, 1)
    assert min(map(psnr_db, map(as_sized, shown.luma), lossless)) > LEAST_PSNR_DB
    sound = heard(path)
    assert sound.shape[0] == 2
    assert abs(sound.shape[1] - SECONDS * 48_000) < 1024
    # A third of a picture, where one picture is what may not be seen.
    assert abs(onset_s(sound) - BEEP_S) < 0.012


def turned_patches(path: Path) -> Path:
    """The colours beside each other, stored on their side without a loss; what is shown has 256 x 128 pixels."""
    upright = np.concatenate([np.full((128, 32, 3), colour, np.uint8) for colour in COLOURS], axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 256, "yuv444p"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
        stream.set_display_rotation(-90)
        stored = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(upright)), format="rgb24")
        for number in range(3):
            frame = stored.reformat(format="yuv444p", dst_colorspace=1, dst_color_range="MPEG")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_turned_film_is_upright_and_has_its_colours(tmp_path: Path, profile: str) -> None:
    row = PROFILES[profile]
    path = delivered(turned_patches(tmp_path / "in.mov"), {"profile": profile}, tmp_path / "work")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height, frame.rotation) for frame in frames] == [(*(row.size or (256, 128)), 0)] * 3
    for frame in frames:
        assert np.abs(colours_in(frame) - COLOURS).max() <= WITHIN_OF_255[row.colour_rule]


def colours_in(frame: av.VideoFrame) -> npt.NDArray[np.int64]:
    """[8, 3]: R'G'B' in the middle of each patch of a picture in BT.709."""
    pixels = frame.reformat(format="rgb24", src_colorspace=1, src_color_range="MPEG", dst_color_range="JPEG")
    return pixels.to_ndarray()[frame.height // 2, frame.width // 16 :: frame.width // 8].astype(np.int64)


def hdr_patches(path: Path, transfer: int) -> Path:
    """BT.2020 in 10 bit, as PQ or HLG, without a loss."""
    pixels = np.ascontiguousarray(np.broadcast_to((HDR_COLOURS * 257).repeat(32, axis=0), (128, 256, 3)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 128, "yuv444p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, transfer, 1
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le")
        for number in range(3):
            made = frame.reformat(format="yuv444p10le", dst_colorspace=9, dst_color_range="MPEG")
            made.pts, made.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(made))
        container.mux(stream.encode(None))
    return path


def code_values(path: Path) -> npt.NDArray[np.float64]:
    """[3, 8]: Y, Cb and Cr in the middle of each patch, in units of 8 bit."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    planes = frame.reformat(format="yuv444p16le").to_ndarray().reshape(3, 128, 256)
    return planes[:, 64, 16::32].astype(np.float64) / 256


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize("profile", _DEEP)
def test_hdr_stays_where_a_profile_has_the_bits(tmp_path: Path, profile: str, transfer: Transfer) -> None:
    point = {"pq": 16, "hlg": 18}[transfer]
    source = hdr_patches(tmp_path / "in.mkv", point)
    path = delivered(source, {"profile": profile}, tmp_path / "work")
    assert film(path).tags == (9, 9, point, 1)
    assert np.abs(code_values(path) - code_values(source)).max() <= WITHIN_OF_255[PROFILES[profile].colour_rule]


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - _DEEP))
def test_hdr_becomes_sdr_where_it_has_not(tmp_path: Path, profile: str) -> None:
    path = delivered(hdr_patches(tmp_path / "in.mkv", 16), {"profile": profile}, tmp_path / "work")
    assert film(path).tags == (1, 1, 1, 1)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    wanted = shown_as_sdr((HDR_COLOURS / 255).astype(np.float32), "pq") * 255
    assert np.abs(colours_in(frame) - wanted).max() <= WITHIN_OF_255["bt709"]


@pytest.mark.parametrize("profile", sorted(_SOUNDS.values()))
def test_loudness_is_reached_and_true_peak_kept_in_every_sound(tmp_path: Path, profile: str) -> None:
    """By a limiter too: the clicks are above the ceiling. Measured on what a player hears, by another reader."""
    source = film_with_sound(tmp_path, seconds=3, levels=(0.05, 0.2, 0.9))["source"]
    asked: dict[str, Any] = {"target_lufs": -23, "true_peak_dbtp": -3}
    settings = {"profile": profile, **sized(PROFILES[profile]), "sound": {"loudness": asked}}
    path = delivered(source, settings, tmp_path / "work")
    integrated, peak = loudness(heard(path))
    assert integrated == pytest.approx(-23, abs=0.5)
    assert peak <= -3 + 0.05


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_time_code_stays_where_a_file_can_hold_it(tmp_path: Path, profile: str) -> None:
    source = write_numbered(
        tmp_path / "in.mov", range(3), time_base=Fraction(1, 25), metadata={"timecode": "01:02:03:04"}
    )
    path = delivered(source, {"profile": profile, **sized(PROFILES[profile]), "sound": None}, tmp_path / "work")
    with av.open(str(path)) as container:
        holders = [container.metadata, *(stream.metadata for stream in container.streams)]
    told = {name.lower(): value for held in holders for name, value in held.items()}
    expected = "01:02:03:04" if PROFILES[profile].muxer in _WITH_TIME_CODE else None
    assert told.get("timecode") == expected
