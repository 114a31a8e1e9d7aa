"""Joins the packets of parts into the delivered file. Nothing here depends on who made the parts, or when."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import PacketSideData

from stream.children.scheduling import schedule_as_others_do
from stream.errors import BadMedia
from stream.media.transcode.encoding import SAMPLE_RATE, set_up_pictures, set_up_sound
from stream.media.transcode.facts import Facts
from stream.media.transcode.opening import AnyPacket
from stream.media.transcode.packets import Coded, read
from stream.media.transcode.settings import Transcoding
from stream.media.transcode.target import TargetPictures

_MOV = {"movflags": "+faststart"}
_OPTIONS = {"mp4": _MOV, "mov": _MOV}
_WITH_TIME_CODE = ("mov", "mxf", "matroska")
_SKIP_SAMPLES = 11  # AV_PKT_DATA_SKIP_SAMPLES
_REPORT_PACKETS = 500


def join(
    path: Path,
    settings: Transcoding,
    facts: Facts,
    target: TargetPictures,
    parts: Sequence[tuple[int, int, Path]],
    sound: tuple[int, Path] | None,
    report: Callable[[float], None],
) -> None:
    """`parts`: first picture, number of pictures and file of each, in order. `sound`: number of channels, and file.
    Raises `BadMedia` `part_damaged` where a part does not hold what it should.
    """
    row = settings.row
    options = {"fflags": "+bitexact", **_OPTIONS.get(row.muxer, {})}
    with av.open(str(path), "w", format=row.muxer, container_options=options) as container:
        pictures = container.add_stream(row.encoder, rate=Fraction(facts.rate))
        assert isinstance(pictures, av.VideoStream)
        set_up_pictures(pictures.codec_context, settings, facts, target)
        pictures.time_base = facts.frame_s
        if facts.time_code and row.muxer in _WITH_TIME_CODE:
            # As a tag of the whole file in Matroska; as a track or a header's field elsewhere.
            (container if row.muxer == "matroska" else pictures).metadata["timecode"] = facts.time_code
        tracks = _sound_streams(container, settings, sound)
        coded = [_pictures(parts)]
        if sound is not None:
            coded.append(_in_seconds(read(sound[1]), Fraction(1, SAMPLE_RATE)))
        # This opens the encoders too, though the parts are coded already.
        container.start_encoding()
        schedule_as_others_do()
        count = 0
        for _, packet in heapq.merge(*coded, key=lambda item: item[0]):
            stream = pictures if packet.track < 0 else tracks[packet.track]
            container.mux(_packet(packet, stream, facts))
            count += packet.track < 0
            if count % _REPORT_PACKETS == 0:
                report(min(1.0, count / facts.frames))
    if count != facts.frames:
        raise BadMedia(f"the parts hold {count} of {facts.frames} pictures: make them again", code="part_damaged")


def _sound_streams(
    container: av.container.OutputContainer, settings: Transcoding, sound: tuple[int, Path] | None
) -> list[av.AudioStream]:
    if sound is None:
        return []
    count = sound[0] if settings.row.sound.tracks == "mono" else 1
    streams = []
    for _ in range(count):
        stream = container.add_stream(settings.row.sound.codec, rate=SAMPLE_RATE)
        assert isinstance(stream, av.AudioStream)
        set_up_sound(stream.codec_context, settings, sound[0] // count)
        stream.time_base = Fraction(1, SAMPLE_RATE)
        streams.append(stream)
    return streams


def _pictures(parts: Sequence[tuple[int, int, Path]]) -> Iterator[tuple[Fraction | float, Coded]]:
    """All pictures with the times of the grid. Decode times run evenly, by the largest reordering of any part ahead."""
    ahead = 0
    for _, frames, path in parts:
        times = [packet.pts for packet in read(path, payloads=False)]
        if sorted(times) != list(range(frames)):
            raise BadMedia(f"a part holds {len(times)} of {frames} pictures: make it again", code="part_damaged")
        ahead = max(ahead, *(number - pts for number, pts in enumerate(times)))
    number = 0
    for first, _, path in parts:
        for packet in read(path):
            dts = number - ahead
            number += 1
            timed = replace(packet, pts=first + packet.pts, dts=dts, duration=1, track=-1)
            yield dts, timed


def _in_seconds(packets: Iterator[Coded], tick: Fraction) -> Iterator[tuple[Fraction, Coded]]:
    return ((packet.dts * tick, packet) for packet in packets)


def _packet(coded: Coded, stream: av.VideoStream | av.AudioStream, facts: Facts) -> AnyPacket:
    packet: AnyPacket = av.Packet(coded.payload)
    packet.stream = stream
    packet.time_base = facts.frame_s if coded.track < 0 else Fraction(1, SAMPLE_RATE)
    packet.pts, packet.dts, packet.duration = coded.pts, coded.dts, coded.duration
    packet.is_keyframe = coded.key
    if coded.trimmed:
        packet.set_sidedata(_trimming(coded.trimmed))
    return packet


def _trimming(samples: int) -> PacketSideData:
    """Samples at the packet's end that players leave out (FFmpeg: `skip_samples`)."""
    make: Any = PacketSideData  # its stub leaves the constructor out
    data: PacketSideData = make(_SKIP_SAMPLES, 10)
    data.update(bytes(4) + samples.to_bytes(4, "little") + bytes(2))
    return data
