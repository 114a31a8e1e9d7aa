"""Pixels that are not square: samples are as wide as they are shown, so what is round stays round."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from models.pictures.colour import images_of

WIDTH, HEIGHT = 360, 288
SQUARE = 96


def write_square(path: Path, codec: str, aspect: Fraction) -> None:
    """A bright square as it is shown: in pixels that are wide, so many fewer across."""
    pixels = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    pixels[96 : 96 + SQUARE, 60 : 60 + round(SQUARE / aspect)] = 220
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(2))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        quiet = {"x265-params": "bframes=0:log-level=none:pools=1:frame-threads=1"} if codec == "libx265" else {}
        stream.options = {"preset": "ultrafast", **quiet}
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 2)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(8, 9), Fraction(16, 15)])
def test_a_square_is_shown_as_one(tmp_path: Path, codec: str, suffix: str, aspect: Fraction) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_square(path, codec, aspect)
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    decoder = PyAVDecoder()
    inspection = decoder.inspect(source)
    media = inspection.media
    assert (media.display_width, media.display_height) == (round(WIDTH * aspect), HEIGHT)
    (frames,) = decoder.decode(source, span_of(inspection, path))
    source.close()
    for image in images_of(frames):
        bright = image.mean(axis=2) > 130
        high, wide = bright.any(axis=1).sum(), bright.any(axis=0).sum()
        assert wide == pytest.approx(high, abs=2)
        assert high == pytest.approx(SQUARE * image.shape[0] / HEIGHT, abs=2)
