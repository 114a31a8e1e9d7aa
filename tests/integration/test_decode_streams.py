"""Streams without a container and animated pictures: every picture at its time, and words for what is no film."""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from benchmarks.testbed.clips import scene_frame, write_clip
from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.reader import FrameReader
from decoders.protocol import Inspection, Source
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia
from stream.events.grid import SECOND_NS


def opened(path: Path) -> Source:
    return open_source(str(path), SourcePolicy().with_roots(path.parent))


def times_s(path: Path, found: Inspection) -> list[float]:
    errors: list[int] = []
    source = opened(path)
    frames = list(FrameReader(source, found.media, 90, MediaLimits()).frames(0, errors.append))
    source.close()
    assert not errors
    return [frame.time_ns / SECOND_NS for frame in frames]


def inspected(path: Path) -> Inspection:
    source = opened(path)
    try:
        return PyAVDecoder().inspect(source)
    finally:
        source.close()


B_FRAMES = {"bf": "3", "b_strategy": "0"}
NO_RATE = {"x265-params": "log-level=none:vui-timing-info=0:bframes=3:pools=1:frame-threads=1"}


@pytest.mark.parametrize(
    ("name", "codec", "fps", "stated", "options", "pix_fmt"),
    [
        ("a.h264", "libx264", Fraction(30), True, B_FRAMES, "yuv420p"),
        ("a.264", "libx264", Fraction(24000, 1001), True, {}, "yuv420p"),
        ("a.hevc", "libx265", Fraction(24), True, {}, "yuv420p"),
        ("b.hevc", "libx265", Fraction(30), False, NO_RATE, "yuv420p"),
        ("a.m2v", "mpeg2video", Fraction(30000, 1001), True, {"bf": "2"}, "yuv420p"),
        ("a.m1v", "mpeg1video", Fraction(50), True, {}, "yuv420p"),
        ("a.mjpeg", "mjpeg", Fraction(10), False, {}, "yuvj420p"),
    ],
)
def test_pictures_of_a_stream_are_laid_end_to_end(
    tmp_path: Path, name: str, codec: str, fps: Fraction, stated: bool, options: dict[str, str], pix_fmt: str
) -> None:
    """In the order of display, at the rate that the stream states, else at 25 a second, which is said."""
    clip = write_clip(tmp_path / name, seconds=3, fps=fps, codec=codec, options=options, pix_fmt=pix_fmt, gop=25)
    rate = fps if stated else Fraction(25)
    found = inspected(clip.path)
    assert found.media.duration_ns == pytest.approx(float(clip.frames / rate) * SECOND_NS, abs=1000)
    assert found.media.average_rate == pytest.approx(float(rate))
    assert bool(found.media.notes) is not stated
    assert all("25 frames a second" in note for note in found.media.notes)
    assert times_s(clip.path, found) == pytest.approx([float(number / rate) for number in range(clip.frames)], abs=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("suffix", ["h264", "avi"])
def test_a_film_shorter_than_the_reordering(tmp_path: Path, frames: int, suffix: str) -> None:
    """Its pictures are released at its end only."""
    clip = write_clip(tmp_path / f"a.{suffix}", codec="libx264", options=B_FRAMES, pts=range(frames), scenes=1)
    found = inspected(clip.path)
    assert found.media.duration_ns == frames * SECOND_NS // 25
    assert times_s(clip.path, found) == [number / 25 for number in range(frames)]


def test_a_later_span_of_a_stream_is_as_in_the_whole(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.h264", seconds=25, fps=10, options=B_FRAMES, gop=30, scenes=[4, 7, 9, 5]).path
    found = inspected(path)
    assert found.media.duration_ns == 25 * SECOND_NS
    source, decoder = opened(path), PyAVDecoder()
    whole = list(decoder.decode(source, span_of(found, path)))
    alone = span_of(found, path).model_copy(update={"first_segment": 2, "end_segment": 3})
    (last,) = PyAVDecoder().decode(source, alone)
    source.close()
    assert [cell.segment for cell in whole] == [0, 1, 2]
    assert last.samples == whole[2].samples
    assert last.dense_times_ns == whole[2].dense_times_ns


def pictures(count: int) -> Sequence[Image.Image]:
    return [Image.fromarray(scene_frame(number, 0, (64, 48))) for number in range(count)]


@pytest.mark.parametrize(("name", "kind"), [("a.gif", "GIF"), ("a.png", "PNG")])
def test_each_picture_of_an_animation_has_its_own_time(tmp_path: Path, name: str, kind: str) -> None:
    path, (first, *others) = tmp_path / name, pictures(4)
    first.save(path, kind, save_all=True, append_images=others, duration=[100, 2500, 40, 8000], loop=0)
    found = inspected(path)
    assert times_s(path, found) == [0, 0.1, 2.6, 2.64]
    assert found.media.duration_ns == pytest.approx(10.64 * SECOND_NS)
    source = opened(path)
    cells = list(PyAVDecoder().decode(source, span_of(found, path)))
    source.close()
    assert [cell.segment for cell in cells] == [0, 1]
    assert not any(cell.damaged for cell in cells)


def test_raw_pictures_with_a_head_are_footage(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.y4m", seconds=2, fps=10, codec="rawvideo")
    found = inspected(clip.path)
    assert times_s(clip.path, found) == pytest.approx([number / 10 for number in range(20)])


def still(kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    first, *others = pictures(3)
    if more:
        first.save(out, kind, append_images=others, **more)
    else:
        first.save(out, kind)
    return out.getvalue()


def sound(path: Path, *, cover: bool) -> bytes:
    """AAC in MP4, with a cover picture where that is asked for."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000)
        assert isinstance(stream, av.AudioStream)
        art = container.add_stream("mjpeg", rate=1) if cover else None
        if isinstance(art, av.VideoStream):
            art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if isinstance(art, av.VideoStream):
            picture = av.VideoFrame.from_ndarray(scene_frame(0, 0, (64, 48)), format="rgb24")
            container.mux(art.encode(picture.reformat(format="yuvj420p")))
            container.mux(art.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("GIF", "still_picture", "a still picture (GIF)"),
        ("PNG", "still_picture", "a still picture (PNG)"),
        ("JPEG", "still_picture", "a still picture (JPEG)"),
        ("WEBP", "still_picture", "a still picture (WebP)"),
        ("moving WEBP", "still_picture", "an animated WebP picture; convert it to MP4"),
        ("sound", "no_video", "this is sound; publish the film"),
        ("cover", "no_video", "this is sound with a cover picture; publish the film"),
        ("playlist", "unreadable_container", "it names other files"),
        ("zip", "unreadable_container", "unpack it"),
        ("text", "unreadable_container", "a text file"),
        ("vc1", "unreadable_container", "a VC-1 stream without a container; convert it"),
    ],
)
def test_a_refusal_says_what_the_file_is(tmp_path: Path, kind: str, code: str, words: str) -> None:
    contents: dict[str, Callable[[], bytes]] = {
        "moving WEBP": lambda: still("WEBP", save_all=True, duration=100),
        "sound": lambda: sound(tmp_path / "made.m4a", cover=False),
        "cover": lambda: sound(tmp_path / "made.m4a", cover=True),
        "playlist": lambda: b"#EXTM3U\n#EXTINF:10,\na.ts\n",
        "zip": lambda: b"PK\3\4" + bytes(100),
        "text": lambda: b"not a film\n",
        "vc1": lambda: bytes.fromhex("0000010fc800") + bytes(100),
    }
    path = tmp_path / "clip.mp4"
    path.write_bytes(contents[kind]() if kind in contents else still(kind))
    with pytest.raises(BadMedia) as refused:
        inspected(path)
    assert refused.value.code == code
    assert words in refused.value.message


def test_a_gif_that_ends_after_one_picture_is_still(tmp_path: Path) -> None:
    """Its first picture reaches beyond the bytes that are looked at first."""
    noise = np.random.default_rng(1).integers(0, 255, (400, 400, 3), dtype=np.uint8)
    path = tmp_path / "a.gif"
    Image.fromarray(noise).save(path)
    assert path.stat().st_size > 100_000
    with pytest.raises(BadMedia) as refused:
        inspected(path)
    assert refused.value.code == "still_picture"
