"""The input's sound as blocks of samples on the output's time: from its first picture to its last, exactly."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import av.error
import numpy as np
import numpy.typing as npt

from stream.media.transcode import opening
from stream.media.transcode.encoding import SAMPLE_RATE, layout_of
from stream.media.transcode.facts import Facts
from stream.media.transcode.settings import Transcoding

Samples: TypeAlias = npt.NDArray[np.float32]
"""[channels, samples], full scale is 1."""

BLOCK = 1 << 14
_TOLERANCE = SAMPLE_RATE // 50
"""Times that are off by less are rounding of the container, not a gap."""


def samples_of(facts: Facts) -> int:
    """How many there are of each channel."""
    return round(facts.seconds * SAMPLE_RATE)


def channels_of(path: Path, settings: Transcoding, facts: Facts) -> int:
    """0 where there is no sound, or none is wanted."""
    if settings.sound is None or facts.sound is None:
        return 0
    known = settings.row.sound.channels
    asked = settings.sound.channels
    if asked == "source":
        with opening.opened(path) as container:
            stream = opening.sound(container)
            asked_count = 0 if stream is None else stream.codec_context.layout.nb_channels
    else:
        asked_count = asked
    return asked_count if asked_count in known else 2


def sound_of(path: Path, facts: Facts, channels: int) -> Iterator[Samples]:
    """Blocks of at most `BLOCK`, `samples_of` in all. Gaps, and what a shorter sound lacks, are silent."""
    left = samples_of(facts)
    for block in _placed(path, facts, channels):
        for start in range(0, min(block.shape[1], left), BLOCK):
            part = block[:, start : min(start + BLOCK, left)]
            yield part
        left -= min(left, block.shape[1])
        if not left:
            return
    while left:
        part = np.zeros((channels, min(BLOCK, left)), np.float32)
        left -= part.shape[1]
        yield part


def _placed(path: Path, facts: Facts, channels: int) -> Iterator[Samples]:
    position = 0
    total = samples_of(facts)
    for start, block in _resampled(path, facts, channels):
        at = position if abs(start - position) < _TOLERANCE and position else start
        while at > position and position < total:
            silence = np.zeros((channels, min(BLOCK, at - position, total - position)), np.float32)
            position += silence.shape[1]
            yield silence
        kept = block[:, max(0, position - at) :]
        position += kept.shape[1]
        if kept.shape[1]:
            yield kept
        if position >= total:
            return


def _resampled(path: Path, facts: Facts, channels: int) -> Iterator[tuple[int, Samples]]:
    """Blocks, each with the place of its first sample."""
    origin = facts.start_s
    resampler: av.AudioResampler | None = None
    shape: object = None
    with opening.opened(path) as container:
        stream = opening.sound(container)
        if stream is None:
            return
        opening.prepare(container, stream)
        for frame in _frames(container, stream):
            if (frame.format.name, frame.layout.name, frame.sample_rate) != shape:
                if resampler is not None:
                    yield from _blocks(resampler.resample(None), origin)
                shape = frame.format.name, frame.layout.name, frame.sample_rate
                resampler = av.AudioResampler(format="fltp", layout=layout_of(channels), rate=SAMPLE_RATE)
            assert resampler is not None
            yield from _blocks(resampler.resample(frame), origin)
        if resampler is not None:
            yield from _blocks(resampler.resample(None), origin)


def _blocks(frames: list[av.AudioFrame], origin: Fraction) -> Iterator[tuple[int, Samples]]:
    for frame in frames:
        if frame.pts is not None and frame.time_base is not None:
            block = np.asarray(frame.to_ndarray(), np.float32)
            yield round((frame.pts * frame.time_base - origin) * SAMPLE_RATE), block


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """What can be decoded and has a time."""
    for packet in opening.packets(container, [stream]):
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in frames if frame.pts is not None)
    try:
        yield from (frame for frame in stream.codec_context.decode() if frame.pts is not None)
    except av.error.FFmpegError:
        return
