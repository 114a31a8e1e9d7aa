"""The lossless result: FFV1 in Matroska, of which each picture stands by itself, and the source's sound as it was."""

import errno
import heapq
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.error

from stream.errors import BadMedia
from stream.media.frames.film import LOSSLESS, Pixels, frame_of
from stream.media.transcode import encoding, opening
from stream.media.transcode.facts import Facts
from stream.media.transcode.packets import PacketWriter, read
from stream.media.transcode.target import TargetPictures

PICTURE = "picture.mkv"
_MAX_LEAD_S = 10
"""Sound that begins earlier before the first picture than this is left out."""
_MAX_TRACKS = 16
_REPORT_PACKETS = 500
_LOOKED_AT = 5000
_FEW_SLICES_PIXELS, _MANY_SLICES = 1 << 22, 30
_Timed = tuple[Fraction, opening.AnyPacket]


def write_part(path: Path, facts: Facts, target: TargetPictures, made: Iterable[Sequence[Pixels]]) -> None:
    """The pictures of a part, by their planes. What decides their bytes is the same as in `join`."""
    encoder = av.CodecContext.create("ffv1", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    set_up(encoder, facts, target)
    with PacketWriter(path) as packets:
        for number, planes in enumerate(made):
            frame = frame_of(list(planes), target)
            frame.pts, frame.time_base = number, facts.frame_s
            for packet in encoding.coded(encoder.encode(frame)):
                packets.write(packet)
        for packet in encoding.coded(encoder.encode(None)):
            packets.write(packet)


def check_sound(source: Path) -> None:
    """Before anything is made of a film: whether its sound could be copied at the end. Raises `BadMedia`
    (`unsupported_sound`).
    """
    options = {"fflags": "+bitexact"}  # in the sandbox random ids cost 30 ms
    with (
        opening.opened(source) as heard,
        av.open(io.BytesIO(), "w", format="matroska", container_options=options) as container,
    ):
        tracks = _tracks(heard, container)
        left = {copy.index for copy in tracks.values()}
        for _, packet in islice(_sound(heard, tracks, Fraction(0)), _LOOKED_AT):
            if packet.stream.index in left:
                left.remove(packet.stream.index)
                _mux(container, packet)
            if not left:
                return


def set_up(context: av.VideoCodecContext, facts: Facts, target: TargetPictures) -> None:
    """All that decides the bytes of the pictures."""
    encoding.set_up_pictures(context, LOSSLESS, facts, target)
    if target.width * target.height > _FEW_SLICES_PIXELS:
        # FFV1 takes no slice that is too large for its counters.
        context.options = {**context.options, "slices": str(_MANY_SLICES)}


def join(
    path: Path,
    facts: Facts,
    target: TargetPictures,
    parts: Sequence[Path],
    source: Path,
    report: Callable[[float], None],
) -> None:
    """`facts`: of the result, whose first picture is the source's. Packets of sound are copied, and keep their distance
    from the pictures. Raises `BadMedia`: `part_damaged`, `unsupported_sound`.
    """
    options = {"fflags": "+bitexact"}
    with (
        path.open("wb") as file,
        av.open(file, "w", format="matroska", container_options=options) as container,
        opening.opened(source) as heard,
    ):
        stream = container.add_stream("ffv1", rate=Fraction(facts.rate))
        assert isinstance(stream, av.VideoStream)
        set_up(stream.codec_context, facts, target)
        stream.time_base = facts.frame_s
        if facts.time_code:
            container.metadata["timecode"] = facts.time_code
        tracks = _tracks(heard, container)
        lead = _lead(source, facts, list(tracks))
        shift = lead - facts.start_s
        count = 0
        for _, packet in heapq.merge(
            _pictures(parts, stream, facts, lead), _sound(heard, tracks, shift), key=lambda item: item[0]
        ):
            _mux(container, packet)
            count += packet.stream is stream
            if count % _REPORT_PACKETS == 0:
                report(min(1.0, count / facts.frames))
    if count != facts.frames:
        raise BadMedia(f"the parts hold {count} of {facts.frames} pictures: make them again", code="part_damaged")


def _pictures(parts: Sequence[Path], stream: av.VideoStream, facts: Facts, lead: Fraction) -> Iterator[_Timed]:
    ticks = round(lead / opening.seconds_per_tick(stream))
    number = 0
    for part in parts:
        for coded in read(part):
            packet: opening.AnyPacket = av.Packet(coded.payload)
            packet.stream, packet.time_base = stream, facts.frame_s
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, True
            if ticks:
                # Sound before the first picture moves all pictures; the grid of the pictures does not fit it.
                packet.time_base = Fraction(1, 90_000)
                packet.pts = packet.dts = round((number * facts.frame_s + lead) * 90_000)
                packet.duration = round(facts.frame_s * 90_000)
            yield number * facts.frame_s + lead, packet
            number += 1


def _tracks(heard: av.container.InputContainer, container: av.container.OutputContainer) -> dict[int, av.AudioStream]:
    """By the index of each sound of the source, its copy."""
    streams = heard.streams.audio
    if len(streams) > _MAX_TRACKS:
        raise BadMedia(f"the film has {len(streams)} tracks of sound; at most {_MAX_TRACKS}", code="unsupported_sound")
    made: dict[int, av.AudioStream] = {}
    for stream in streams:
        try:
            made[stream.index] = container.add_stream_from_template(stream)
        except (av.error.FFmpegError, ValueError, AttributeError):
            raise _uncopied() from None
    return made


def _lead(source: Path, facts: Facts, indexes: Sequence[int]) -> Fraction:
    """How long the first sound begins before the first picture, in seconds."""
    earliest = facts.start_s
    for index in indexes:
        with opening.opened(source) as container:
            stream = container.streams[index]
            assert isinstance(stream, av.AudioStream)
            opening.prepare(container, stream)
            first = next(opening.packets(container, [stream]), None)
            if first is not None and (time := _time(first)) is not None:
                earliest = min(earliest, time)
    return min(facts.start_s - earliest, Fraction(_MAX_LEAD_S))


def _sound(heard: av.container.InputContainer, tracks: dict[int, av.AudioStream], shift: Fraction) -> Iterator[_Timed]:
    if not tracks:
        return
    for stream in heard.streams:
        stream.discard = av.stream.Discard.default if stream.index in tracks else av.stream.Discard.all
    for packet in opening.packets(heard, [heard.streams.audio[place] for place in range(len(tracks))]):
        time = _time(packet)
        if time is None:
            raise _uncopied()
        base = packet.time_base
        moved = round(shift / base)
        packet.pts = None if packet.pts is None else packet.pts + moved
        packet.dts = None if packet.dts is None else packet.dts + moved
        if time + shift < 0:
            continue
        packet.stream = tracks[packet.stream.index]
        packet.time_base = base
        yield time + shift, packet


def _time(packet: opening.AnyPacket) -> Fraction | None:
    time = packet.pts if packet.pts is not None else packet.dts
    return None if time is None else time * packet.time_base


def _mux(container: av.container.OutputContainer, packet: opening.AnyPacket) -> None:
    try:
        container.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        raise _uncopied() from None


def _uncopied() -> BadMedia:
    return BadMedia(
        "the sound cannot be copied into Matroska as it is, or has no times: transcode the film first",
        code="unsupported_sound",
    )


_DISK = (errno.ENOSPC, errno.EDQUOT)
"""A full disk is no fault of the sound."""
