"""What plan learns of a source: facts, runs, key frames and identity. Decodes up to the first frame, no further."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

import av
import av.error

from decoders.container import (
    MediaLimits,
    VideoPacket,
    choose_video,
    open_container,
    packets,
    prepare_decoder,
    raise_if_out_of_memory,
)
from decoders.decode_times import DecodeTimes, reorder_ticks
from decoders.geometry import display_size
from decoders.identity import PacketIndex, content_digest
from decoders.protocol import Inspection, Source
from decoders.timeline import Extent, RunCounter, lay_out, plausible, ticks_to_ns
from stream.errors import BadMedia, StageError, Superseded
from stream.events.asset import Media, Run
from stream.events.grid import SECOND_NS

TAIL_PACKETS = 64
MAX_PACKETS_TO_FIRST_FRAME = 3000
MAX_RUNS = 500
_INDEXED = ("mov", "avi")
_Head: TypeAlias = av.VideoFrame


@dataclass(slots=True)
class _Survey:
    """What the packets say: extents of the runs, key frames as (run, pts), and their index."""

    extents: list[Extent] = field(default_factory=lambda: [Extent()])
    keys: list[tuple[int, int]] = field(default_factory=list)
    index: PacketIndex = field(default_factory=PacketIndex)
    packets: int = 0
    all_keys: bool = True

    def add(self, packet: VideoPacket, run: int, default_ticks: int, base: tuple[int, int]) -> None:
        while len(self.extents) <= run:
            self.extents.append(Extent())
        pts = packet.dts if packet.pts is None else packet.pts
        self.index.add(pts or 0, packet.size, key=packet.is_keyframe)
        if pts is None or packet.is_discard or not plausible(pts, packet.dts, *base):
            return
        self.packets += 1
        self.all_keys &= packet.is_keyframe
        self.extents[run].add(pts, packet.duration or default_ticks, key=packet.is_keyframe)
        if packet.is_keyframe:
            self.keys.append((run, pts))


def inspect_source(source: Source, limits: MediaLimits) -> Inspection:
    """Raises `BadMedia` (`unreadable_container`, `no_video`, `unknown_codec`, `too_many_pixels`, `too_many_streams`,
    `too_long`, `too_discontinuous`, `no_frames`) and `Superseded` when the source changed while it was read.
    """
    version = source.version
    container = open_container(source, limits)
    try:
        stream = choose_video(container)
        _check_pixels(stream, limits)
        prepare_decoder(stream, limits)
        head, survey, frame_count = _survey(container, stream, version.size_bytes)
        media = _media(container, stream, head, survey.extents, frame_count, version.size_bytes, limits)
        keyframes = _keyframes_ns(media, survey)
        parameters = f"{media.codec},{media.width},{media.height},{media.pix_fmt}".encode()
        parameters += stream.codec_context.extradata or b""
    finally:
        container.close()
    digest = content_digest(source, version.size_bytes, parameters, survey.index)
    if source.version != version:
        raise Superseded(
            "the source changed while it was inspected; publish it when it is complete", code="source_changed"
        )
    return Inspection(version, digest, media, keyframes)


def _survey(
    container: av.container.InputContainer, stream: av.VideoStream, size_bytes: int
) -> tuple[_Head, _Survey, int | None]:
    """The first frame and the packets: through the index where it is complete, through all of them elsewhere."""
    default = _frame_ticks(stream)
    counter = RunCounter(*_base(stream), container=_name(container))
    survey = _Survey()
    times = DecodeTimes(_name(container), stream)
    following = times.restored(packets(container, stream))
    head, seen = _first_frame(stream, following)
    indexed = _has_index(container, stream)
    for packet in seen:
        survey.add(packet, counter.of(packet.dts), default, _base(stream))
    if indexed:
        shift = next(
            (packet.pts - packet.dts for packet in seen if packet.pts is not None and packet.dts is not None), 0
        )
        survey.extents[0].first_pts = _pts(head)
        _add_index(container, stream, survey, shift=shift, size_bytes=size_bytes)
        return head, survey, stream.frames or len(stream.index_entries)
    for packet in following:
        survey.add(packet, counter.of(packet.dts), default, _base(stream))
    survey.extents[0].first_pts = _pts(head)
    if not survey.packets:
        raise BadMedia("no picture has a time stamp that can be true; the stream is damaged", code="no_frames")
    if len(survey.extents) > MAX_RUNS:
        raise BadMedia(f"time stamps jump {len(survey.extents)} times; the stream is damaged", code="too_discontinuous")
    return head, survey, survey.packets


def _first_frame(stream: av.VideoStream, following: Iterator[VideoPacket]) -> tuple[_Head, list[VideoPacket]]:
    """The first frame a plain decode shows, and the packets that were read for it."""
    seen: list[VideoPacket] = []
    for packet in following:
        seen.append(packet)
        frame = _decoded(stream, packet)
        if frame is not None:
            return frame, seen
        if len(seen) >= MAX_PACKETS_TO_FIRST_FRAME:
            break
    frame = _decoded(stream, None)
    if frame is None:
        raise BadMedia(
            "not a single frame could be decoded; the stream is damaged, encrypted or claims pictures of a size that"
            " cannot be",
            code="no_frames",
        )
    return frame, seen


def _decoded(stream: av.VideoStream, packet: "VideoPacket | None") -> av.VideoFrame | None:
    try:
        frames = stream.codec_context.decode(packet)
    except (StageError, MemoryError):
        raise
    except (av.error.FFmpegError, OSError) as error:
        raise_if_out_of_memory(error)
        return None
    return next((frame for frame in frames if frame.pts is not None or frame.dts is not None), None)


def _has_index(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """MP4, MOV and AVI list every packet; a fragmented file lists none or few of them."""
    entries = len(stream.index_entries)
    return _name(container) in _INDEXED and 0 < entries <= stream.frames and entries > 1


def _add_index(
    container: av.container.InputContainer, stream: av.VideoStream, survey: _Survey, *, shift: int, size_bytes: int
) -> None:
    """Key frames from the index (decode times moved by the first packet's reordering), the end from the tail."""
    entries = stream.index_entries
    survey.keys.clear()
    survey.index = PacketIndex()
    for entry in entries:
        survey.index.add(entry.timestamp, entry.size, key=entry.is_keyframe)
        if entry.is_keyframe and not entry.is_discard:
            survey.keys.append((0, entry.timestamp + shift))
    last = entries[len(entries) - 1]
    extent = survey.extents[0]
    default = _frame_ticks(stream)
    if last.pos + last.size <= size_bytes:
        try:
            container.seek(entries[max(0, len(entries) - TAIL_PACKETS)].timestamp, stream=stream, any_frame=True)
        except av.error.FFmpegError as error:
            raise_if_out_of_memory(error)
        for packet in DecodeTimes(_name(container), stream).restored(packets(container, stream)):
            if packet.pts is not None and not packet.is_discard:
                extent.add(packet.pts, packet.duration or default, key=packet.is_keyframe)
    else:  # cut off: the header's word is what should be there
        extent.add(last.timestamp + shift, default, key=False)
        extent.end_pts = max(extent.end_pts, extent.start_pts + (stream.duration or 0))


def _media(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    head: _Head,
    extents: list[Extent],
    frame_count: int | None,
    size_bytes: int,
    limits: MediaLimits,
) -> Media:
    num, den = _base(stream)
    rotation = -round(head.rotation / 90) * 90 % 360
    width, height = stream.width or head.width, stream.height or head.height
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    shown = display_size(width, height, Fraction(aspect) if aspect else None, rotation)
    runs: tuple[Run, ...] = lay_out(extents, num, den)
    duration_ns = runs[-1].end_ns
    _check_duration(duration_ns, limits)
    return Media(
        container=_name(container),
        codec=stream.codec_context.codec.canonical_name,
        stream_index=stream.index,
        width=width,
        height=height,
        display_width=shown[0],
        display_height=shown[1],
        rotation=rotation,
        pix_fmt=head.format.name,
        interlaced=head.interlaced_frame,
        time_base_num=num,
        time_base_den=den,
        average_rate=float(stream.average_rate) if stream.average_rate and stream.average_rate > 0 else None,
        duration_ns=duration_ns,
        frame_count=frame_count,
        runs=runs,
        reorder_ticks=reorder_ticks(_name(container), head),
        timecode=_timecode(container, stream, head),
        file_offset_ns=_file_offset_ns(container, ticks_to_ns(runs[0].first_pts, num, den)),
        bit_rate=stream.bit_rate or min(size_bytes * 8 * SECOND_NS // duration_ns, 2**63 - 1),
        audio_streams=len(container.streams.audio),
    )


def _keyframes_ns(media: Media, survey: _Survey) -> tuple[int, ...]:
    """Asset times, ascending. MPEG-PS flags every packet: then the container does not tell."""
    if media.container == "mpeg" and survey.all_keys and survey.packets > 1:
        return ()
    times = {
        media.runs[run].start_ns
        + ticks_to_ns(pts - media.runs[run].first_pts, media.time_base_num, media.time_base_den)
        for run, pts in survey.keys
        if run < len(media.runs)
    }
    return tuple(sorted(time_ns for time_ns in times if 0 <= time_ns < media.duration_ns))


def _check_pixels(stream: av.VideoStream, limits: MediaLimits) -> None:
    if stream.width * stream.height > limits.max_pixels:
        raise BadMedia(
            f"claims {stream.width} x {stream.height} pixels; the limit is {limits.max_pixels} pixels a frame",
            code="too_many_pixels",
        )


def _check_duration(duration_ns: int, limits: MediaLimits) -> None:
    if duration_ns == 0:
        raise BadMedia("not a single packet has a time that can be true; the stream is damaged", code="no_frames")
    if duration_ns > limits.max_duration_s * SECOND_NS:
        raise BadMedia(
            f"claims to last {duration_ns / SECOND_NS:.0f} s; the limit is {limits.max_duration_s:.0f} s",
            code="too_long",
        )


def _file_offset_ns(container: av.container.InputContainer, first_ns: int) -> int:
    """From where players begin to count to the first picture. They count from the earliest time stamp of any stream;
    priming samples of sound before 0 are not played.
    """
    start_ns = max(0, container.start_time or 0) * SECOND_NS // av.time_base
    return max(0, first_ns - start_ns)


def _timecode(container: av.container.InputContainer, stream: av.VideoStream, head: _Head) -> str | None:
    """The first picture's, as the container states it (tmcd track, MXF, Matroska tag), else as the coded picture does
    (GOP header of MPEG-2, picture timing of H.264 and HEVC).
    """
    others = (other.metadata for other in container.streams)
    for metadata in (stream.metadata, container.metadata, *others, head.metadata):
        for name, value in metadata.items():
            if name.lower() == "timecode" and value:
                return str(value)[:32]
    return None


def _name(container: av.container.InputContainer) -> str:
    return container.format.name.split(",", maxsplit=1)[0]


def _base(stream: av.VideoStream) -> tuple[int, int]:
    base = stream.time_base
    if not base:
        raise BadMedia("the video stream has no time base", code="unreadable_container")
    return base.numerator, base.denominator


def _frame_ticks(stream: av.VideoStream) -> int:
    """One frame's duration where a packet does not say."""
    num, den = _base(stream)
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(Fraction(den, num) / rate)) if rate else 1


def _pts(frame: _Head) -> int:
    pts = frame.dts if frame.pts is None else frame.pts
    assert pts is not None
    return pts
