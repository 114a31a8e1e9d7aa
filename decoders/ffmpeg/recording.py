"""Reads one recording: opens it, chooses the film, reads its packets and decodes only the first frame."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TypeAlias

import av
import av.error

from decoders.ffmpeg.container import (
    MediaLimits,
    VideoPacket,
    choose_video,
    container_name,
    decoder_of,
    open_container,
    packets,
    time_base,
)
from decoders.ffmpeg.decode_times import DecodeTimes, reorder_ticks, stream_rate
from decoders.ffmpeg.encryption import encrypted, is_encrypted, is_encrypted_track
from decoders.ffmpeg.facts import picture_facts
from decoders.ffmpeg.recordings import Beginnings, Walk, walk
from decoders.ffmpeg.refusals import still
from decoders.ffmpeg.survey import Surveyed, choose, frame_ticks, listed, rank, survey_packets
from decoders.ffmpeg.timeline import DECODE_DURATIONS, Extent, Sound, asks_for_sound, extents, lay_out, ticks_to_ns
from decoders.ffmpeg.unprobed import open_unprobed
from decoders.formats.elementary import ANIMATED, ELEMENTARY, RATE_ASSUMED
from decoders.memory import raise_if_out_of_memory
from decoders.protocol import Source
from decoders.sources.identity import PacketIndex
from stream.errors import BadMedia, StageError
from stream.events.asset import Media
from stream.events.grid import SECOND_NS

# Four times the reordering limit of H.264 and HEVC, so the picture that is shown last is among them.
TAIL_PACKETS = 64
# Bounds the decoding of a stream that has no good picture.
MAX_PACKETS_TO_FIRST_FRAME = 3000
MAX_BYTES_TO_ANOTHER = 256 << 20
"""How far to search for the next recording behind one that cannot be opened."""

_Head: TypeAlias = av.VideoFrame


@dataclass(frozen=True, slots=True)
class Recording:
    """What the bytes `window` of the file hold. The runs of `media` begin at asset time 0. `surveyed` has the packets
    of every stream that may be the film, by stream index; it is empty where the container's index was enough.
    """

    window: range
    media: Media
    extents: tuple[Extent, ...]
    index: PacketIndex
    parameters: bytes
    stream_id: int
    surveyed: dict[int, Surveyed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """Bytes without a readable picture. `footage`: they seem to hold footage, which is damaged."""

    window: range
    error: BadMedia
    footage: bool = True


def read_recording(
    source: Source, window: range, limits: MediaLimits, wanted: Callable[[int], bool] = lambda _: True
) -> Recording | Unread:
    """The first recording in these bytes. Its window ends where the next recording begins. `wanted` says which stream
    ids may be the film.
    """
    while True:
        try:
            found = _unprobed(source, window, limits) or _read(source, window, limits, wanted)
        except BadMedia as error:
            return Unread(window, error, footage=error.code != "no_video")
        if not isinstance(found, int):
            return found
        window = range(window.start, found)


def _read(
    source: Source, window: range, limits: MediaLimits, wanted: Callable[[int], bool]
) -> Recording | Unread | int:
    """The recording. Or, where it ends before the window, its end: the caller reads it again without the rest."""
    beginnings = Beginnings(window.start)
    try:
        container = open_container(source, limits, window.start, window.stop, beginnings.seen)
    except BadMedia:  # the next recording may be the cause: FFmpeg reads MXF from its end, too
        beginnings.read_on(source, min(window.stop, window.start + MAX_BYTES_TO_ANOTHER))
        end = beginnings.after(window.start)
        if end is None:
            raise
        return end
    try:
        # Before any packet is read: FFmpeg would read another recording's packets with this one's parameters.
        outline = walk(source, container_name(container), window.start, window.stop)
        if outline.end is not None:
            return outline.end
        # Packagers repeat a recording's own head; those places start no recording.
        beginnings.known = outline.repeats
        ranks = None if outline.fragments else listed(container)
        if ranks is not None:
            return _from_index(container, choose(ranks), window, limits)
        surveyed, first = survey_packets(container, beginnings, window.start, wanted)
        if beginnings.after(first) is None:
            beginnings.read_on(source, window.stop)
        end = beginnings.after(first)
        if end is not None:
            return end
        if not any(each.track.packets for each in surveyed.values()):
            return _without_pictures(source, window, container)
        streams = {each.index: each for each in container.streams.video}
        film = choose(
            [rank(streams[index], each.track.packets, each.track.seconds) for index, each in surveyed.items()]
        )
        asks = asks_for_sound(surveyed[film].track, container_name(container))
    finally:
        container.close()
    # Only the film counts. Another stream of the file may be encrypted.
    if is_encrypted_track(source, window.start, film):
        raise encrypted()
    container = open_container(source, limits, window.start, window.stop)
    try:
        if asks:
            # The second survey read to the end. A new container, because a seek back may land in a wrong place.
            surveyed, _ = survey_packets(container, beginnings, window.start, wanted, Sound())
            container.close()
            container = open_container(source, limits, window.start, window.stop)
        return _from_packets(container, film, surveyed, window, limits)
    finally:
        container.close()


def _unprobed(source: Source, window: range, limits: MediaLimits) -> Recording | None:
    """The recording that fills the window, where it can be read without FFmpeg's probe. None where anything about it is
    uncommon or wrong: whoever reads it as any other then says so.
    """
    opened = open_unprobed(source, limits, window.stop) if window.start == 0 else None
    if opened is None:
        return None
    container, film, ahead = opened.container, opened.stream.index, [opened.first]
    try:
        outline = walk(source, container_name(container), window.start, window.stop)
        if outline != Walk() or listed(container) is None:
            return None
        if len(container.streams) > 1:  # the probe finds where the others begin
            container.close()
            container, ahead = open_container(source, limits, window.start, window.stop), []
        stream, decoder = _prepared(container, film, limits)
        waiting = 1 + opened.reordered - len(ahead)
        seen = [*ahead, *islice(packets(container, stream), waiting)]
        head = _first_alone(decoder, seen)
        return None if head is None else _listed_recording(container, stream, head, seen, window)
    except BadMedia:
        return None
    finally:
        container.close()


def _without_pictures(source: Source, window: range, container: av.container.InputContainer) -> Unread:
    """For a recording without packets. Raises `BadMedia` `encrypted`: FFmpeg returns no packet of an encrypted Matroska
    track that it cannot parse.
    """
    if any(is_encrypted_track(source, window.start, stream.index) for stream in container.streams.video):
        raise encrypted()
    return Unread(window, BadMedia("the video stream holds no picture", code="no_frames"), footage=False)


def _from_packets(
    container: av.container.InputContainer, film: int, surveyed: dict[int, Surveyed], window: range, limits: MediaLimits
) -> Recording:
    """The recording from its packets. `container` must be newly opened: decoding of the first
    frame starts at byte 0.
    """
    stream, decoder = _prepared(container, film, limits)
    head, _ = _first_frame(decoder, DecodeTimes(container_name(container), stream).restored(packets(container, stream)))
    found = extents(surveyed[film].track, container_name(container))
    if not any(extent.frames for extent in found):
        raise BadMedia("no picture has a possible time stamp; the stream is damaged", code="no_frames")
    # The first picture that a decode shows counts: earlier key packets may not be decodable.
    found[0] = replace(found[0], start_pts=_pts(head))
    count = sum(extent.frames for extent in found)
    if count < 2 and container_name(container) in ANIMATED | {"mjpeg"}:
        raise still(container_name(container).upper())
    media = _media(container, stream, head, found, count, len(window))
    return Recording(window, media, tuple(found), surveyed[film].index, _parameters(media, stream), stream.id, surveyed)


def _from_index(container: av.container.InputContainer, film: int, window: range, limits: MediaLimits) -> Recording:
    stream, decoder = _prepared(container, film, limits)
    restored = DecodeTimes(container_name(container), stream).restored(packets(container, stream))
    head, seen = _first_frame(decoder, restored)
    return _listed_recording(container, stream, head, seen, window)


def _listed_recording(
    container: av.container.InputContainer, stream: av.VideoStream, head: _Head, seen: list[VideoPacket], window: range
) -> Recording:
    """The recording from the container's index. `seen`: the packets that were read for its first picture."""
    found = _indexed_extent(container, stream, head, seen, len(window))
    index = PacketIndex()
    for entry in stream.index_entries:
        index.add(entry.timestamp, entry.size, key=entry.is_keyframe)
    media = _media(container, stream, head, [found], stream.frames or len(stream.index_entries), len(window))
    return Recording(window, media, (found,), index, _parameters(media, stream), stream.id)


def _indexed_extent(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    head: _Head,
    seen: list[VideoPacket],
    size_bytes: int,
) -> Extent:
    """One run from the index: key frames by decode times plus the first packet's reordering, the end from the tail."""
    entries = stream.index_entries
    last = entries[len(entries) - 1]
    shift = next((packet.pts - packet.dts for packet in seen if packet.pts is not None and packet.dts is not None), 0)
    keys = tuple(entry.timestamp + shift for entry in entries if entry.is_keyframe and not entry.is_discard)
    default = frame_ticks(stream)
    shown = _shown(seen, default)
    if last.pos + last.size <= size_bytes:
        try:
            container.seek(entries[max(0, len(entries) - TAIL_PACKETS)].timestamp, stream=stream, any_frame=True)
        except av.error.FFmpegError as error:
            raise_if_out_of_memory(error)
        tail = DecodeTimes(container_name(container), stream).restored(packets(container, stream))
        shown += _shown(tail, default)
        last_pts, own = max(shown, key=lambda each: each[0], default=(0, default))
        # See `DECODE_DURATIONS`: there the last duration belongs to the picture that is decoded last.
        lasting = shown[-1][1] if shown and container_name(container) in DECODE_DURATIONS else own
        end_pts = last_pts + lasting
    else:  # the file is cut off: the header says how long it should be
        last_pts = max(last.timestamp + shift, *(pts for pts, _ in shown))
        end_pts = max(last_pts + default, _pts(head) + (stream.duration or 0))
    return Extent(0, _pts(head), end_pts, last_pts, len(entries), keys)


def _shown(following: Iterable[VideoPacket], default: int) -> list[tuple[int, int]]:
    """(pts, duration) in ticks of each packet that has a time and is displayed."""
    return [
        (packet.pts, packet.duration or default)
        for packet in following
        if packet.pts is not None and not packet.is_discard
    ]


def _prepared(
    container: av.container.InputContainer, film: int, limits: MediaLimits
) -> tuple[av.VideoStream, av.VideoCodecContext]:
    stream = choose_video(container, film)
    _check_pixels(stream, limits)
    return stream, decoder_of(stream, limits)


def _parameters(media: Media, stream: av.VideoStream) -> bytes:
    """The codec parameters of the stream, for the content digest."""
    facts = f"{media.codec},{media.width},{media.height},{media.pix_fmt}".encode()
    return facts + (stream.codec_context.extradata or b"")


def _first_frame(decoder: av.VideoCodecContext, following: Iterator[VideoPacket]) -> tuple[_Head, list[VideoPacket]]:
    """The first frame of a plain decode, and the packets that were read for it. Raises `BadMedia` `encrypted` or
    `no_frames`.
    """
    seen: list[VideoPacket] = []
    for packet in following:
        seen.append(packet)
        frame = _decoded(decoder, packet)
        if frame is not None:
            return frame, seen
        if len(seen) >= MAX_PACKETS_TO_FIRST_FRAME:
            break
    frame = _decoded(decoder, None)  # a film shorter than the reordering comes out only at the flush
    if frame is None:
        if any(is_encrypted(packet) for packet in seen):
            raise encrypted()
        raise BadMedia(
            "no frame could be decoded; the stream is damaged or encrypted, or claims an impossible picture size",
            code="no_frames",
        )
    return frame, seen


def _decoded(decoder: av.VideoCodecContext, packet: "VideoPacket | None") -> av.VideoFrame | None:
    # A decoder reads an empty packet as the end of the stream, and ciphertext as damage.
    if packet is not None and (not packet.size or is_encrypted(packet)):
        return None
    try:
        frames = decoder.decode(packet)
    except (StageError, MemoryError):
        raise
    except (av.error.FFmpegError, OSError) as error:
        raise_if_out_of_memory(error)
        return None
    return next((frame for frame in frames if frame.pts is not None or frame.dts is not None), None)


def _first_alone(decoder: av.VideoCodecContext, seen: list[VideoPacket]) -> av.VideoFrame | None:
    """The picture of the first packet, which is a key packet, without the others, for which a plain decode waits. None
    where that may show another picture, or this one otherwise.
    """
    pts = [packet.pts for packet in seen]
    if not pts or pts[0] is None or any(each is None or each <= pts[0] for each in pts[1:]):
        return None
    # Its pixels are not looked at.
    decoder.options |= {"skip_loop_filter": "all"}
    try:
        frames = [*decoder.decode(seen[0]), *decoder.decode(None)]
    except (StageError, MemoryError):
        raise
    except (av.error.FFmpegError, OSError) as error:
        raise_if_out_of_memory(error)
        return None
    # The second field of an interlaced picture may come in a packet of its own.
    whole = len(frames) == 1 and not frames[0].is_corrupt and not frames[0].interlaced_frame
    return frames[0] if whole and frames[0].pts == pts[0] else None


def _media(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    head: _Head,
    found: list[Extent],
    frame_count: int,
    size_bytes: int,
) -> Media:
    base = time_base(stream)
    runs = lay_out(found, base.numerator, base.denominator)
    duration_ns = runs[-1].end_ns
    if duration_ns == 0:
        raise BadMedia("no packet has a possible time; the stream is damaged", code="no_frames")
    name = container_name(container)
    rate, assumed = stream_rate(stream) if name in ELEMENTARY else (stream.average_rate, False)
    facts = asdict(picture_facts(name, stream, head))
    facts["notes"] += (RATE_ASSUMED,) if assumed else ()
    return Media(
        container=name,
        codec=stream.codec_context.codec.canonical_name,
        stream_index=stream.index,
        **facts,
        time_base_num=base.numerator,
        time_base_den=base.denominator,
        average_rate=float(rate) if rate and rate > 0 else None,
        duration_ns=duration_ns,
        frame_count=frame_count,
        runs=runs,
        reorder_ticks=reorder_ticks(name, head, found[-1].end_pts),
        timecode=_timecode(container, stream, head),
        file_offset_ns=_file_offset_ns(container, ticks_to_ns(runs[0].first_pts, base.numerator, base.denominator)),
        # The columns of the stores are signed 64-bit integers.
        bit_rate=stream.bit_rate or min(size_bytes * 8 * SECOND_NS // duration_ns, 2**63 - 1),
        audio_streams=len(container.streams.audio),
    )


def _check_pixels(stream: av.VideoStream, limits: MediaLimits) -> None:
    if stream.width * stream.height > limits.max_pixels:
        raise BadMedia(
            f"claims {stream.width} x {stream.height} pixels; the limit is {limits.max_pixels} pixels a frame",
            code="too_many_pixels",
        )


def _file_offset_ns(container: av.container.InputContainer, first_ns: int) -> int:
    """From where players begin to count to the first picture (ns). They count from the earliest time stamp of any
    stream, but not from sound's priming samples before 0.
    """
    # FFmpeg states `start_time` in microseconds (`av.time_base`).
    start_ns = max(0, container.start_time or 0) * SECOND_NS // av.time_base
    return max(0, first_ns - start_ns)


def _timecode(container: av.container.InputContainer, stream: av.VideoStream, head: _Head) -> str | None:
    """The first picture's timecode. The container states it (tmcd track, MXF, Matroska tag), else the coded picture
    (GOP header of MPEG-2, picture timing of H.264 and HEVC).
    """
    others = (other.metadata for other in container.streams)
    for metadata in (stream.metadata, container.metadata, *others, head.metadata):
        for name, value in metadata.items():
            if name.lower() == "timecode" and value:
                return str(value)[:32]  # tags are free text
    return None


def _pts(frame: _Head) -> int:
    pts = frame.dts if frame.pts is None else frame.pts
    assert pts is not None
    return pts
