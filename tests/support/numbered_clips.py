"""Clips whose every picture says its own number in its pixels, so that a test knows the truth without asking FFmpeg."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

Pixels = npt.NDArray[np.uint8]

SIZE = (128, 64)
BLOCK = 16
BITS = 12
_DARK, _BRIGHT = 40, 210
_TO_GREY = VideoReformatter()
"""Of all frames: one for each would cost more than decoding does."""


def numbered_luma(number: int) -> Pixels:
    """uint8 [64, 128]: twelve blocks that spell `number`, beside and above a texture that moves from frame to frame."""
    width, height = SIZE
    rows, columns = np.ogrid[0:height, 0:width]
    texture = 120 + 60 * np.sin((columns + 3 * number) / 7.0) * np.cos((rows - 2 * number) / 5.0)
    luma: Pixels = texture.astype(np.uint8)
    for bit in range(BITS):
        top, left = bit // 4 * BLOCK, bit % 4 * BLOCK
        luma[top : top + BLOCK, left : left + BLOCK] = _BRIGHT if number >> bit & 1 else _DARK
    return luma


def number_in(luma: Pixels) -> int:
    """The number that a picture of `numbered_luma` spells, at whatever size it arrives."""
    height, width = luma.shape
    step = width * BLOCK / SIZE[0], height * BLOCK / SIZE[1]
    middles = [(int((bit // 4 + 0.5) * step[1]), int((bit % 4 + 0.5) * step[0])) for bit in range(BITS)]
    return sum(int(luma[top, left] > (_DARK + _BRIGHT) // 2) << bit for bit, (top, left) in enumerate(middles))


def number_of(frame: av.VideoFrame) -> int:
    return number_in(_TO_GREY.reformat(frame, format="gray8").to_ndarray().astype(np.uint8))


def numbered_frames(times: Sequence[int], time_base: Fraction, pix_fmt: str, start: int) -> Iterator[av.VideoFrame]:
    """Frame n shows `start` + n and has the pts `times[n]`."""
    converter = VideoReformatter()
    for number, pts in enumerate(times, start):
        frame = converter.reformat(av.VideoFrame.from_ndarray(numbered_luma(number), format="gray8"), format=pix_fmt)
        frame.pts, frame.time_base = pts, time_base
        yield frame


def write_numbered(  # one keyword for each property a test may vary
    path: Path,
    times: Sequence[int],
    *,
    time_base: Fraction = Fraction(1, 10),
    codec: str = "libx264",
    gop: int = 25,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    shift: int = 0,
    start: int = 0,
) -> Path:
    """Frames at `times` (units of `time_base`) that show `start` and up; `shift` moves every packet, as a cut would."""
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=1 / time_base)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        stream.options = {**(options or {})}
        stream.metadata.update(metadata or {})
        for frame in [*numbered_frames(times, time_base, pix_fmt, start), None]:
            for packet in stream.encode(frame):
                if shift and packet.pts is not None and packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                container.mux(packet)
    return path
