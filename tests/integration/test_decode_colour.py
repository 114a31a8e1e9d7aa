"""Colours through the whole path: encoded clip, decode, planes, RGB as the models see it, and the dense view."""

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from models.pictures.colour import images_of
from stream.events.frames import Frames
from tests.support.colour_reference import Triple, coded, sdr_of


def _corners(level: float) -> list[Triple]:
    """The six of the cube that are neither black nor grey."""
    return [(red, green, blue) for red, green, blue in itertools.product((0.0, level), repeat=3)][1:7]


BARS: list[Triple] = [*_corners(0.75), (1.0, 1.0, 1.0), (0.2, 0.5, 0.9)]
DIM: list[Triple] = [*_corners(0.5), (0.75, 0.75, 0.75), (0.58, 0.4, 0.3)]
BAR, HEIGHT = 64, 360
ALLOWED = 2.0
CODES = {"bt601": (6, 6, 6), "bt709": (1, 1, 1), "bt2020": (9, 14, 9)}
"""H.273 code points: matrix, transfer, primaries."""
TRANSFERS = {"pq": 16, "hlg": 18}


@dataclass(frozen=True)
class Tags:
    matrix: str
    full: bool
    bits: int
    transfer: str = "sdr"
    tagged: bool = True


def write_bars(path: Path, colours: list[Triple], tags: Tags, codec: str) -> None:
    """Two frames of vertical bars, lossless, so that what is measured is not the encoder."""
    matrix, trc, primaries = CODES[tags.matrix]
    options = {
        "libx264": {"preset": "ultrafast", "qp": "0"},
        "libx265": {
            "preset": "ultrafast",
            # With B-frames it invents the first time stamp of so short a clip.
            "x265-params": "lossless=1:bframes=0:log-level=none:pools=1:frame-threads=1:"
            f"range={'full' if tags.full else 'limited'}:colormatrix={matrix}:colorprim={primaries}:"
            f"transfer={TRANSFERS.get(tags.transfer, trc)}",
        },
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(2))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = BAR * len(colours), HEIGHT
        stream.pix_fmt = "yuv420p" if tags.bits == 8 else "yuv420p10le"
        stream.options = {**options[codec]}
        context = stream.codec_context
        if tags.tagged:
            context.colorspace, context.color_primaries = matrix, primaries
            context.color_trc = TRANSFERS.get(tags.transfer, trc)
            context.color_range = 2 if tags.full else 1
        for number in range(2):
            frame = _bars(colours, tags)
            frame.pts, frame.time_base = number, Fraction(1, 2)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _bars(colours: list[Triple], tags: Tags) -> av.VideoFrame:
    dtype = np.uint8 if tags.bits == 8 else np.uint16
    columns = np.array([coded(rgb, tags.matrix, full=tags.full, bits=tags.bits) for rgb in colours], dtype)
    frame = av.VideoFrame(BAR * len(colours), HEIGHT, "yuv420p" if tags.bits == 8 else "yuv420p10le")
    for number, plane in enumerate(frame.planes):
        row = np.repeat(columns[:, number], BAR if number == 0 else BAR // 2)
        padded = np.zeros((plane.height, plane.line_size // dtype().itemsize), dtype)
        padded[:, : row.size] = row
        plane.update(padded.tobytes())
    if tags.tagged:
        frame.colorspace, frame.color_range = CODES[tags.matrix][0], 2 if tags.full else 1
    return frame


def decoded(path: Path) -> Frames:
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    decoder = PyAVDecoder()
    (frames,) = decoder.decode(source, span_of(decoder.inspect(source), path))
    source.close()
    return frames


def check(frames: Frames, expected: list[Triple]) -> None:
    """Mean absolute error over each bar's inside, of every sample and of the dense view."""
    wanted = 255 * np.array(expected)
    assert frames.dense is not None
    for image in [*images_of(frames), *frames.dense[:: len(frames.dense) - 1]]:
        inside = _insides(image, len(expected))
        error = np.abs(inside - wanted[:, None, None])
        assert error.mean() <= ALLOWED
        # No bar is wrong for the others' being right, and errors do not lean to one side. A step of 8-bit PQ is 2 to 5
        # levels of sRGB, so one bar may be further off there.
        assert error.mean((1, 2, 3)).max() <= (ALLOWED if frames.colour.transfer == "sdr" else 1.5 * ALLOWED)
        assert np.abs((inside - wanted[:, None, None]).mean()) <= 1


def _insides(image: npt.NDArray[np.uint8], bars: int) -> npt.NDArray[np.float64]:
    """[bars, rows, columns, 3]: away from the edges, where neighbours and chroma lines mix."""
    width = image.shape[1] / bars
    margin = max(1, round(width / 3))
    parts = [image[:, round(n * width) + margin : round((n + 1) * width) - margin] for n in range(bars)]
    least = min(part.shape[1] for part in parts)
    return np.stack([part[:, :least] for part in parts]).astype(float)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("bits", "codec"), [(8, "libx264"), (10, "libx264"), (10, "libx265")])
def test_standard_range_bars(tmp_path: Path, matrix: str, full: bool, bits: int, codec: str) -> None:
    tags = Tags(matrix, full, bits)
    path = tmp_path / "bars.mp4"
    write_bars(path, BARS, tags, codec)
    frames = decoded(path)
    assert frames.colour.model_dump() == {"matrix": matrix, "full_range": full, "transfer": "sdr"}
    check(frames, BARS)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("full", [False, True])
def test_high_dynamic_range_bars(tmp_path: Path, transfer: str, codec: str, full: bool) -> None:
    tags = Tags("bt2020", full, 10, transfer)
    path = tmp_path / "bars.mp4"
    write_bars(path, DIM, tags, codec)
    frames = decoded(path)
    assert frames.colour.model_dump() == {"matrix": "bt2020", "full_range": full, "transfer": transfer}
    check(frames, [sdr_of(rgb, transfer) for rgb in DIM])


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_tags_of_the_stream_survive_other_containers(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bars.{suffix}"
    write_bars(path, DIM, Tags("bt2020", False, 10, "pq"), "libx265")
    check(decoded(path), [sdr_of(rgb, "pq") for rgb in DIM])


def test_an_untagged_small_picture_is_bt601(tmp_path: Path) -> None:
    path = tmp_path / "bars.mp4"
    write_bars(path, BARS, Tags("bt601", False, 8, tagged=False), "libx264")
    check(decoded(path), BARS)


def test_the_measure_sees_a_wrong_matrix(tmp_path: Path) -> None:
    path = tmp_path / "bars.mp4"
    write_bars(path, BARS, Tags("bt601", False, 8), "libx264")
    frames = decoded(path)
    wrong: dict[str, Any] = {"matrix": "bt709"}
    with pytest.raises(AssertionError):
        check(Frames(**{**_fields(frames), "colour": frames.colour.model_copy(update=wrong)}), BARS)


def _fields(frames: Frames) -> dict[str, Any]:
    return {name: getattr(frames, name) for name in frames.__slots__}
