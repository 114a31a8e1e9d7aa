"""The sound of a file as 48 kHz stereo, in blocks, placed by its own times."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from stream.errors import BadMedia
from stream.media.composite.containers import MAX_ERRORS, opened
from stream.media.composite.settings import SAMPLE_RATE

_MAX_CHANNELS = 16
# Time stamps of containers are rounded to milliseconds; less than this is no gap.
_GAP_SAMPLES = SAMPLE_RATE // 25
_MAX_GAP_S = 3600

Samples = npt.NDArray[np.float32]
"""float32 [n, 2], full scale is 1."""


def samples_of(path: Path, name: str, tick: Callable[[], None]) -> Iterator[Samples]:
    """All sound of a file in order; `tick` is called for each frame. Time 0 is the first picture where the file has
    pictures, else the first sound: pictures and sound of one file stay together.

    Raises `BadMedia` (`unreadable_container`, `no_sound`, `unknown_codec`).
    """
    with opened(path, name) as container:
        stream = _sound(container, name)
        resampler = av.AudioResampler(format="flt", layout=_target(stream), rate=SAMPLE_RATE)
        start = _first_picture(path, name) if container.streams.video else None
        written = 0
        for frame in _frames(container, stream, tick):
            time = Fraction(frame.pts) * _base(stream) if frame.pts is not None else None
            if start is None:
                start = time
            for made in _resampled(resampler, frame, name):
                block = _stereo(made)
                if time is not None and start is not None:
                    due = round((time - start) * SAMPLE_RATE)
                    time = None
                    if due - written > _GAP_SAMPLES or (not written and due > 0):
                        yield from _silence(due - written)
                        written = due
                    elif not written and due < 0:
                        # What comes before the first picture is not part of the film.
                        block = block[min(len(block), -due) :]
                        if not len(block):
                            continue
                written += len(block)
                yield block
        for made in _resampled(resampler, None, name):
            yield _stereo(made)


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None, name: str) -> list[av.AudioFrame]:
    try:
        return resampler.resample(frame)
    except (av.error.FFmpegError, OSError, ValueError):
        raise BadMedia(f"the sound {name!r} changes its format on the way; convert it first", code="no_sound") from None


def _silence(samples: int) -> Iterator[Samples]:
    if samples > _MAX_GAP_S * SAMPLE_RATE:
        return
    for start in range(0, samples, SAMPLE_RATE):
        yield np.zeros((min(SAMPLE_RATE, samples - start), 2), np.float32)


def _target(stream: AudioStream) -> str:
    # FFmpeg makes stereo of mono at -3 dB; one channel is copied to both instead.
    return "mono" if stream.codec_context.channels == 1 else "stereo"


def _stereo(frame: av.AudioFrame) -> Samples:
    values = frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.float32)
    # A file may hold numbers that are none; one would silence the whole mix.
    values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
    return values if values.shape[1] == 2 else np.repeat(values, 2, axis=1)


def _sound(container: InputContainer, name: str) -> AudioStream:
    for stream in container.streams.audio:
        if stream.codec_context is None:
            raise BadMedia(f"there is no decoder for the sound of {name!r}", code="unknown_codec")
        if stream.codec_context.channels > _MAX_CHANNELS:
            raise BadMedia(f"the sound {name!r} has more than {_MAX_CHANNELS} channels", code="no_sound")
        stream.codec_context.thread_count = 1
        return stream
    raise BadMedia(f"the input {name!r} holds no sound", code="no_sound")


def _first_picture(path: Path, name: str) -> Fraction | None:
    with opened(path, name) as container:
        stream = container.streams.video[0]
        # The cover of a song is a picture too, and has no time of its own.
        if stream.codec_context is None or stream.disposition & stream.disposition.attached_pic:
            return None
        errors = 0
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    if frame.pts is not None:
                        return frame.pts * (stream.time_base or Fraction(1, 90_000))
            except (av.error.FFmpegError, OSError, ValueError):
                errors += 1
                if errors > MAX_ERRORS:
                    return None
    return None


def _base(stream: AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, SAMPLE_RATE)


def _frames(container: InputContainer, stream: AudioStream, tick: Callable[[], None]) -> Iterator[av.AudioFrame]:
    errors = 0
    packets = container.demux(stream)
    while errors <= MAX_ERRORS:
        frames: list[av.AudioFrame] = []
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except (av.error.FFmpegError, OSError, ValueError):
            errors += 1
        tick()
        yield from frames
