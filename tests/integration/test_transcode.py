"""Delivery files of `transcode`, decoded again: pictures, times, sound and tags against what is known of the source."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stream.errors import BadMedia
from stream.events.transfer import Transfer, shown_as_sdr
from stream.media.transcode.facts import facts_of
from tests.support.delivered import delivered, film, heard, loudness, psnr_db
from tests.support.media_examples import film_with_sound
from tests.support.numbered_clips import write_numbered


def test_parts_join_without_a_seam(tmp_path: Path) -> None:
    """Two edges at 10 s and 20 s, GOPs of the source that fit neither, and a rate that no millisecond divides."""
    rate = Fraction(30_000, 1001)
    source = write_numbered(tmp_path / "in.mp4", range(620), time_base=1 / rate, gop=47, options={"bf": "3"})
    path = delivered(source, {"profile": "h264_web"}, tmp_path / "work")
    shown = film(path)
    assert shown.numbers == list(range(620))
    assert shown.times_s == [number / rate for number in range(620)]
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert [packet.pts for packet in packets if packet.is_keyframe] == [1001 * 60 * n for n in range(11)]
    decode = [packet.dts for packet in packets if packet.dts is not None]
    assert len({after - before for before, after in pairwise(decode)}) == 1


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({"profile": "mezzanine", "sound": {"loudness": {"target_lufs": -23}}}, (0.02, 0.05, 0.0)),
        ({"profile": "h264_web", "sound": {"loudness": {"target_lufs": -24, "true_peak_dbtp": -2}}}, (0.02, 0.05, 0.0)),
        ({"profile": "h264_web", "sound": {"loudness": {"target_lufs": -16, "true_peak_dbtp": -3}}}, (0.1, 0.15, 0.95)),
        ({"profile": "vp9", "sound": {"channels": 1, "loudness": {"target_lufs": -23}}}, (0.02, 0.3, 0.0)),
    ],
)
def test_loudness_is_reached_and_true_peak_kept(
    tmp_path: Path, settings: dict[str, Any], level: tuple[float, float, float]
) -> None:
    """Measured on what a player hears, by another reader than the operator's."""
    source = film_with_sound(tmp_path, seconds=3, levels=level)["source"]
    path = delivered(source, settings, tmp_path / "work")
    asked = settings["sound"]["loudness"]
    integrated, peak = loudness(heard(path))
    assert integrated == pytest.approx(asked["target_lufs"], abs=0.5)
    assert peak <= asked.get("true_peak_dbtp", -1.0) + 0.05


def test_one_picture_is_a_film(tmp_path: Path) -> None:
    source = write_numbered(tmp_path / "in.mp4", [0], time_base=Fraction(1, 25))
    for profile in ("h264_web", "prores_422", "av1"):
        shown = film(delivered(source, {"profile": profile}, tmp_path / profile))
        assert shown.numbers == [0]
        assert shown.duration_s == pytest.approx(0.04)


def test_times_that_vary_become_a_steady_rate(tmp_path: Path) -> None:
    """Each place on the grid shows the last picture up to it, and a picture that is held at the end stays."""
    source = write_numbered(tmp_path / "in.mkv", [0, 40, 80, 320, 360, 1000, 1040], time_base=Fraction(1, 1000))
    shown = film(delivered(source, {"profile": "h264_web", "fps": 25}, tmp_path / "work"))
    assert shown.numbers == [0, 1, *[2] * 6, 3, *[4] * 16, 5, 6]
    assert shown.times_s == [Fraction(number, 25) for number in range(27)]


@pytest.mark.parametrize(("fps", "numbers"), [("25", list(range(0, 60, 2))), ("100", sorted([*range(60)] * 2))])
def test_another_rate_picks_pictures_by_time(tmp_path: Path, fps: str, numbers: list[int]) -> None:
    source = write_numbered(tmp_path / "in.mp4", range(60), time_base=Fraction(1, 50))
    shown = film(delivered(source, {"profile": "h264_web", "fps": fps}, tmp_path / "work"))
    assert len(shown.numbers) == len(numbers)
    assert all(abs(seen - wanted) <= 1 for seen, wanted in zip(shown.numbers, numbers, strict=True))
    assert shown.duration_s == pytest.approx(1.2)


@pytest.mark.parametrize("sound_s", [0.5, 2.0])
def test_sound_lasts_as_long_as_the_picture(tmp_path: Path, sound_s: float) -> None:
    source = film_with_sound(tmp_path, seconds=1.0, beep_s=0.2, sound_s=sound_s)["source"]
    path = delivered(source, {"profile": "prores_422_lt"}, tmp_path / "work")
    assert film(path).duration_s == pytest.approx(1.0)
    sound = heard(path)
    assert sound.shape == (2, 48_000)
    assert (np.abs(sound[:, 30_000:]).max() > 0.01) == (sound_s > 1)


def test_a_time_code_that_another_rate_would_falsify_is_left_out(tmp_path: Path) -> None:
    source = write_numbered(
        tmp_path / "in.mov", range(10), time_base=Fraction(1, 25), metadata={"timecode": "01:02:03:04"}
    )
    path = delivered(source, {"profile": "prores_422", "sound": None, "fps": 50}, tmp_path / "fifty")
    with av.open(str(path)) as container:
        assert not any("timecode" in stream.metadata for stream in container.streams)


def painted(path: Path, pixels: np.ndarray, *, pix_fmt: str, tags: tuple[int, int, int, int], frames: int = 3) -> Path:
    """Equal pictures of RGB pixels, lossless, with tags of matrix, primaries, transfer and range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = pix_fmt
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = tags
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24" if pixels.dtype == np.uint8 else "rgb48le")
            if pix_fmt.startswith("yuv"):
                frame = frame.reformat(
                    format=pix_fmt,
                    dst_colorspace=MATRICES[tags[0]],
                    dst_color_range="JPEG" if tags[3] == 2 else "MPEG",
                )
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def patches(values: list[tuple[int, int, int]], size: int = 32) -> np.ndarray:
    return np.concatenate([np.full((size, size, 3), value, np.uint8) for value in values], axis=1)


MATRICES = {1: 1, 6: 5, 9: 9}
"""Code points of H.273 to those of FFmpeg's scaler."""

COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (200, 100, 50),
    (30, 90, 160),
]


def colours_of(path: Path) -> np.ndarray:
    """RGB in the middle of each patch, by the file's own tags; BT.709 where a file of ours says so."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    full = "JPEG" if int(frame.color_range) == 2 else "MPEG"
    matrix = MATRICES.get(int(frame.colorspace), 1)
    pixels = frame.reformat(format="rgb24", src_colorspace=matrix, src_color_range=full, dst_color_range="JPEG")
    return pixels.to_ndarray()[16, 16::32].astype(int)


@pytest.mark.parametrize(
    ("pix_fmt", "tags"),
    [
        ("bgr0", (0, 1, 1, 2)),
        ("yuv444p", (1, 1, 1, 1)),
        ("yuv420p", (6, 6, 6, 1)),
        ("yuv422p", (6, 6, 6, 2)),
        ("yuv444p10le", (1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("profile", ["mezzanine", "h264_web", "prores_4444"])
def test_colours_stay(tmp_path: Path, pix_fmt: str, tags: tuple[int, int, int, int], profile: str) -> None:
    source = painted(tmp_path / "in.mkv", patches(COLOURS), pix_fmt=pix_fmt, tags=tags)
    settings: dict[str, Any] = {"profile": profile, **({"crf": 1} if profile == "h264_web" else {})}
    path = delivered(source, settings, tmp_path / "work")
    within = 2 if profile == "mezzanine" else 3
    assert np.abs(colours_of(path) - colours_of(source)).max() <= within
    assert np.abs(colours_of(path) - np.array(COLOURS)).max() <= within + 2


@pytest.mark.parametrize(("transfer", "name"), [(16, "pq"), (18, "hlg")])
def test_hdr_is_kept_or_shown_as_it_was_understood(tmp_path: Path, transfer: int, name: Transfer) -> None:
    values = patches([(value, value // 2 + 40, 255 - value) for value in range(0, 256, 32)]).astype(np.uint16) * 257
    source = painted(tmp_path / "in.mkv", values, pix_fmt="yuv444p10le", tags=(9, 9, transfer, 1))
    kept = film(delivered(source, {"profile": "h265_10bit"}, tmp_path / "kept"))
    assert kept.tags == (9, 9, transfer, 1)
    path = delivered(source, {"profile": "mezzanine", "colours": "sdr"}, tmp_path / "sdr")
    wanted = shown_as_sdr((values[16, 16::32] / 65535).astype(np.float32), name) * 255
    assert np.abs(colours_of(path) - wanted).max() <= 2
    web = film(delivered(source, {"profile": "h264_web", "crf": 1}, tmp_path / "web"))
    assert web.tags == (1, 1, 1, 1)


def test_a_turned_picture_is_delivered_upright(tmp_path: Path, corpus_dir: Path) -> None:
    path = delivered(corpus_dir / "rotated_90.mov", {"profile": "h264_web"}, tmp_path / "work")
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (320, 568, 0)


def test_fields_become_pictures(tmp_path: Path, corpus_dir: Path) -> None:
    path = delivered(corpus_dir / "derived" / "montage_mpeg2_interlaced.mpg", {"profile": "h264_web"}, tmp_path / "web")
    assert not film(path).interlaced


def test_odd_sides_lose_their_last_line_and_nothing_else(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(60, 190, (63, 95, 1), np.uint8).repeat(3, axis=2)
    source = painted(tmp_path / "in.mkv", noise, pix_fmt="yuv444p", tags=(1, 1, 1, 1))
    shown = film(delivered(source, {"profile": "h264_web", "crf": 1}, tmp_path / "work"))
    assert shown.size == (94, 62)
    assert psnr_db(shown.luma[0], film(source).luma[0][:62, :94]) > 45


@pytest.mark.parametrize(("fit", "bars"), [("contain", 64), ("cover", 0), ("stretch", 0)])
def test_another_shape_is_filled_as_asked(tmp_path: Path, fit: str, bars: int) -> None:
    white = np.full((64, 128, 3), 255, np.uint8)
    source = painted(tmp_path / "in.mkv", white, pix_fmt="yuv420p", tags=(1, 1, 1, 1))
    settings: dict[str, Any] = {"profile": "h264_web", "width": 256, "height": 256, "fit": fit}
    column = film(delivered(source, settings, tmp_path / "work")).luma[0][:, 128]
    assert abs(int((column < 120).sum()) - 2 * bars) <= 2


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_that_was_cut_off_is_not_delivered(tmp_path: Path, suffix: str) -> None:
    whole = write_numbered(
        tmp_path / f"whole.{suffix}",
        range(300),
        time_base=Fraction(1, 25),
        container_options={"movflags": "+faststart"} if suffix == "mp4" else None,
    )
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(BadMedia, match="cut off") as caught:
        delivered(cut, {"profile": "h264_web"}, tmp_path / "work")
    assert caught.value.code == "cut_off"


@pytest.mark.parametrize("profile", ["h265_10bit", "av1"])
def test_the_metadata_of_hdr10_stays(tmp_path: Path, profile: str) -> None:
    """That of the mastering display and of the light level, as in a file that x265 wrote."""
    light = (13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 50, 1000, 400)
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    source = write_numbered(
        tmp_path / "in.mp4",
        range(5),
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={
            "x265-params": f"log-level=none:hdr10=1:master-display={display}:max-cll=1000,400:colorprim=bt2020"
            ":transfer=smpte2084:colormatrix=bt2020nc:pools=none:frame-threads=1"
        },
    )
    assert facts_of(source, None).light == light
    path = delivered(source, {"profile": profile, "width": 256}, tmp_path / "work")
    kept = facts_of(path, None)
    assert kept.colours[:3] == (9, 9, 16)
    # SVT-AV1 keeps chromaticities in units of 1/65536 and light in others again.
    assert kept.light == pytest.approx(light, abs=60, rel=0.01)
