"""The sound as encoded packets: one encode from first to last sample, at the loudness that was asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from stream.errors import BadMedia
from stream.media.protocol import Task
from stream.media.transcode import encoding
from stream.media.transcode.encoding import SAMPLE_RATE
from stream.media.transcode.facts import Facts
from stream.media.transcode.loudness import MeasuredLoudness, amplified, frame_of, limited, measured
from stream.media.transcode.opening import AnyPacket
from stream.media.transcode.packets import PacketWriter, read
from stream.media.transcode.settings import Loudness, Transcoding
from stream.media.transcode.sound import Samples, sound_of

_WITHIN_LU = 0.1
_ACCEPTED_LU = 0.5
_ROUNDS = 6
_MARGIN_DB = 0.1


@dataclass(frozen=True, slots=True)
class _Level:
    """What is done to the sound. `ceiling_dbtp`: None leaves the limiter out."""

    gain_db: float = 0.0
    ceiling_dbtp: float | None = None


def write_sound(path: Path, source: Path, settings: Transcoding, facts: Facts, channels: int, task: Task) -> None:
    """The output holds one packet file. Raises `BadMedia` `loudness_unreachable`."""

    def blocks() -> Iterator[Samples]:
        for block in sound_of(source, facts, channels):
            task.report(0.0)
            yield block

    wanted = settings.sound.loudness if settings.sound is not None else None
    if wanted is None:
        _encode(path, blocks(), settings, channels)
        return
    found = measured(blocks(), channels)
    level = _Level() if found.silent else _first(wanted, found)
    for number in range(_ROUNDS):
        path.unlink(missing_ok=True)
        _encode(path, _levelled(blocks(), level, channels), settings, channels)
        if found.silent:
            return
        reached = measured(_decoded(path, settings, channels), channels)
        if _right(wanted, reached, _WITHIN_LU if number < _ROUNDS - 2 else _ACCEPTED_LU):
            return
        level = _next(wanted, reached, level)
    raise BadMedia(
        f"the sound cannot reach {wanted.target_lufs:g} LUFS with true peaks below {wanted.true_peak_dbtp:g} dBTP: "
        f"it reached {reached.integrated_lufs:.1f} LUFS; lower target_lufs or raise true_peak_dbtp",
        code="loudness_unreachable",
    )


def _first(wanted: Loudness, found: MeasuredLoudness) -> _Level:
    """One gain for all. The limiter is used only where that would pass the true peak."""
    gain = wanted.target_lufs - found.integrated_lufs
    passes = found.true_peak_dbtp + gain > wanted.true_peak_dbtp
    return _Level(gain, wanted.true_peak_dbtp - _MARGIN_DB if passes else None)


def _right(wanted: Loudness, reached: MeasuredLoudness, within: float) -> bool:
    near = abs(reached.integrated_lufs - wanted.target_lufs) <= within
    return near and reached.true_peak_dbtp <= wanted.true_peak_dbtp


def _next(wanted: Loudness, reached: MeasuredLoudness, level: _Level) -> _Level:
    """What the limiter and a lossy codec changed is made up for."""
    gain = level.gain_db + wanted.target_lufs - reached.integrated_lufs
    over = reached.true_peak_dbtp - wanted.true_peak_dbtp
    ceiling = level.ceiling_dbtp
    if over > 0:
        ceiling = (wanted.true_peak_dbtp if ceiling is None else ceiling) - over - _MARGIN_DB
    return _Level(gain, ceiling)


def _levelled(blocks: Iterator[Samples], level: _Level, channels: int) -> Iterator[Samples]:
    louder = amplified(blocks, level.gain_db)
    return louder if level.ceiling_dbtp is None else limited(louder, channels, level.ceiling_dbtp)


def _encode(path: Path, blocks: Iterator[Samples], settings: Transcoding, channels: int) -> None:
    tracks = channels if settings.row.sound.tracks == "mono" else 1
    each = channels // tracks
    encoders = [_encoder(settings, each) for _ in range(tracks)]
    position = 0
    with PacketWriter(path) as packets:
        for block in blocks:
            for track, encoder in enumerate(encoders):
                frame = frame_of(np.clip(block[track * each : (track + 1) * each], -1, 1), each, position)
                _write(packets, encoder.encode(frame), track)
            position += block.shape[1]
        for track, encoder in enumerate(encoders):
            _write(packets, encoder.encode(None), track)


def _encoder(settings: Transcoding, channels: int) -> av.AudioCodecContext:
    context = cast("av.AudioCodecContext", av.CodecContext.create(settings.row.sound.codec, "w"))
    encoding.set_up_sound(context, settings, channels)
    context.open()
    return context


def _write(packets: PacketWriter, made: list[AnyPacket], track: int) -> None:
    for packet in encoding.coded(made, track):
        packets.write(packet)


def _decoded(path: Path, settings: Transcoding, channels: int) -> Iterator[Samples]:
    """What a player will hear, from time 0 on, so that the codec's own peaks are measured too."""
    tracks = channels if settings.row.sound.tracks == "mono" else 1
    decoders = [_decoder(settings, channels // tracks) for _ in range(tracks)]
    waiting: list[list[Samples]] = [[] for _ in range(tracks)]
    for coded in read(path):
        packet: AnyPacket = av.Packet(coded.payload)
        packet.pts, packet.duration, packet.time_base = coded.pts, coded.duration, Fraction(1, SAMPLE_RATE)
        for block in decoders[coded.track](packet, coded.trimmed):
            waiting[coded.track].append(block)
        if all(waiting):
            together = np.concatenate([one.pop(0) for one in waiting])
            if together.shape[1]:
                yield together


def _decoder(settings: Transcoding, channels: int) -> Callable[[AnyPacket, int], Iterator[Samples]]:
    encoder = _encoder(settings, channels)
    name = {"libopus": "opus"}.get(settings.row.sound.codec, settings.row.sound.codec)
    context = cast("av.AudioCodecContext", av.CodecContext.create(name, "r"))
    context.sample_rate, context.layout = SAMPLE_RATE, encoder.layout
    context.thread_count = 1
    if encoder.extradata:
        context.extradata = encoder.extradata
    resampler = av.AudioResampler(format="fltp", layout=encoding.layout_of(channels), rate=SAMPLE_RATE)

    def decode(packet: AnyPacket, trimmed: int) -> Iterator[Samples]:
        assert packet.pts is not None, "packets of files have times"
        for frame in context.decode(packet):
            # The encoder's run-up lies before time 0. Gating blocks are counted from 0, so it would move them all.
            # Some decoders leave it out themselves.
            early = max(0, -packet.pts - ((packet.duration or 0) - frame.samples))
            for part in resampler.resample(frame):
                block = np.asarray(part.to_ndarray(), np.float32)
                yield block[:, early : block.shape[1] - trimmed]

    return decode
