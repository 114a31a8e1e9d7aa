"""A film is the same whatever was in memory before it: an encoder must read nothing that nobody has written."""

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stream.media.transcode.encoding import x264_code
from tests.support.programs import ROOT, program

WIDTH, HEIGHT, FRAMES = 112, 80, 12


def moving_texture(folder: Path) -> None:
    """Blocks that a camera passes over: plain pictures give an encoder nothing to plan."""
    drawn = np.random.default_rng(3).integers(0, 255, (30, 34), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(folder / "source.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            grey = drawn[2 * number : 2 * number + HEIGHT, 3 * number : 3 * number + WIDTH]
            planes = np.vstack([grey, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def digest(inputs: Path, folder: Path, filled_with: int) -> str:
    """Of the film that a process makes whose memory is full of this byte wherever nothing was written (glibc)."""
    environment = {**os.environ, "MALLOC_PERTURB_": str(filled_with)}
    command = program("make_media", "transcode", inputs, folder)
    ran = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environment, text=True)
    return ran.stdout


def test_a_film_does_not_depend_on_what_its_process_did_before(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    moving_texture(inputs)
    fresh = digest(inputs, tmp_path / "fresh", 0)
    assert fresh.startswith("video.mp4 ")
    assert fresh == digest(inputs, tmp_path / "used", 85)


@pytest.mark.parametrize(
    ("processor", "code"),
    [("x86_64-v4", ":asm=AVX2"), ("x86_64-v3", ":asm=AVX2"), ("x86_64-v1", ":asm=SSE4.2"), ("aarch64", "")],
)
def test_x264_runs_no_code_for_avx_512(processor: str, code: str) -> None:
    assert x264_code(processor) == code
