"""The lossless file: FFV1 pictures and PCM sound in Matroska, the same bytes whoever made its parts.

Each picture is coded by itself, so packets can be put together from parts as if they came from one run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from stream.media.composite.canvas import Planes
from stream.media.composite.settings import SAMPLE_RATE, CompositeSettings

THREADS = 1
_OPTIONS = {
    "level": "3",
    "g": "1",
    "slices": "4",
    "slicecrc": "1",
    "coder": "1",
    "context": "0",
    "threads": str(THREADS),
}
_BT709, _LIMITED = 1, 1


class Intermediate:
    """Writes packets in the order of frames, each with its sound behind it."""

    def __init__(self, container: OutputContainer, settings: CompositeSettings, *, sound: bool, pictures: bool) -> None:
        self._container = container
        self._settings = settings
        self._video = _video(container, settings) if pictures else None
        self._audio = _audio(container, settings) if sound else None

    def encoded(self, canvas: Planes) -> bytes:
        """One picture of the canvas as a packet."""
        assert self._video is not None
        whole = self._settings.pixel_format == "yuv444p"
        frame = av.VideoFrame.from_ndarray(canvas, format="yuv444p") if whole else _subsampled(canvas)
        _tag(frame)
        frame.pts = None
        (packet,) = self._video.encode(frame)
        return bytes(packet)

    def put(self, index: int, picture: bytes | None, sound: bytes | None) -> None:
        """`index` counts frames from the start of this file."""
        for stream, data in ((self._video, picture), (self._audio, sound)):
            if stream is None or data is None:
                continue
            packet = av.Packet(data)
            packet.stream = stream
            if stream is self._video:
                packet.time_base = 1 / self._settings.rate
                packet.pts = packet.dts = index
                packet.duration = 1
            else:
                packet.time_base = Fraction(1, SAMPLE_RATE)
                packet.pts = packet.dts = self._settings.sample_at(index)
                packet.duration = self._settings.sample_at(index + 1) - packet.pts
            packet.is_keyframe = True
            self._container.mux(packet)


@contextmanager
def writing(
    path: Path, settings: CompositeSettings, *, sound: bool = True, pictures: bool = True
) -> Iterator[Intermediate]:
    # Bitexact: no random ids, no date and no version of the muxer.
    options = {"fflags": "+bitexact"}
    with path.open("wb") as target, av.open(target, "w", format="matroska", container_options=options) as container:
        yield Intermediate(container, settings, sound=sound, pictures=pictures)


def packets(path: Path, kind: str) -> Iterator[bytes]:
    """The packets of one of our own files in order; `kind` is `video` or `audio`."""
    with path.open("rb") as file, av.open(file, "r", format="matroska") as container:
        stream = container.streams.video[0] if kind == "video" else container.streams.audio[0]
        for packet in container.demux(stream):
            if packet.size:
                yield bytes(packet)


def silence(settings: CompositeSettings) -> Iterator[bytes]:
    """The sound of each frame where there is none."""
    for frame in range(settings.frames):
        samples = settings.sample_at(frame + 1) - settings.sample_at(frame)
        yield bytes(samples * 2 * settings.sample_bits // 8)


def _video(container: OutputContainer, settings: CompositeSettings) -> VideoStream:
    stream = container.add_stream("ffv1", rate=settings.rate, options=_OPTIONS)
    stream.width, stream.height = settings.width, settings.height
    stream.pix_fmt = settings.pixel_format
    context = stream.codec_context
    context.time_base = 1 / settings.rate
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    context.sample_aspect_ratio = Fraction(1)
    context.flags |= av.codec.context.Flags.bitexact
    context.open()
    return stream


def _audio(container: OutputContainer, settings: CompositeSettings) -> AudioStream:
    stream = container.add_stream(f"pcm_s{settings.sample_bits}le", rate=SAMPLE_RATE, layout="stereo")
    assert isinstance(stream, AudioStream)
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    return stream


def _subsampled(canvas: Planes) -> av.VideoFrame:
    """4:2:0 with chroma at the left, as BT.709 video has it (H.273, type 0)."""
    frame = av.VideoFrame(canvas.shape[2], canvas.shape[1], "yuv420p")
    # A chroma sample is the mean of three columns, the middle one counted twice, and two rows.
    wide = np.pad(canvas[1:].astype(np.uint16), ((0, 0), (0, 0), (1, 0)), mode="edge")
    across = wide[:, :, :-1:2] + 2 * wide[:, :, 1::2] + wide[:, :, 2::2]
    chroma = ((across[:, 0::2] + across[:, 1::2] + 4) >> 3).astype(np.uint8)
    for plane, values in zip(frame.planes, (canvas[0], chroma[0], chroma[1]), strict=True):
        _fill(plane, values)
    return frame


def _fill(plane: "av.video.plane.VideoPlane", values: Planes) -> None:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    rows[:, : plane.width] = values


def _tag(frame: av.VideoFrame) -> None:
    frame.colorspace = _BT709
    frame.color_range = _LIMITED
    frame.color_primaries = _BT709
    frame.color_trc = _BT709
