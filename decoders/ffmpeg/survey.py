"""Surveys the packets of one recording: which stream is the film, and its packets. Decodes nothing."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

import av

from decoders.ffmpeg.container import all_packets, candidates, container_name, only, time_base
from decoders.ffmpeg.decode_times import DecodeTimes
from decoders.ffmpeg.recordings import Beginnings
from decoders.ffmpeg.timeline import Sound, Track
from decoders.sources.identity import PacketIndex
from stream.errors import BadMedia

FILM_FRAMES = 24
FILM_SHARE = 4
"""A stream is a poster or preview if it has under `FILM_FRAMES` pictures and under 1/`FILM_SHARE` of another stream's
pictures, or under 1/`FILM_SHARE` of its length.
"""


@dataclass(frozen=True, slots=True)
class Rank:
    """What the choice of the film depends on."""

    index: int
    frames: int
    seconds: float
    area: int
    default: bool


@dataclass(slots=True)
class Surveyed:
    """The packets of one stream. `places` are their byte offsets in the recording, -1 where
    unknown; `sizes` are bytes.
    """

    stream_id: int
    track: Track
    index: PacketIndex = field(default_factory=PacketIndex)
    places: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))


def choose(ranks: Sequence[Rank]) -> int:
    """The index of the film's stream: the default one, else the largest. A poster or preview never wins over a film."""
    frames, seconds = max(each.frames for each in ranks), max(each.seconds for each in ranks)

    def key(each: Rank) -> tuple[bool, bool, int, int, int]:
        many = each.frames >= FILM_FRAMES or each.frames * FILM_SHARE >= frames
        long = each.seconds * FILM_SHARE >= seconds
        return many and long, each.default, each.area, each.frames, -each.index

    return max(ranks, key=key).index


def rank(stream: av.VideoStream, frames: int, seconds: float) -> Rank:
    # Players begin with the stream that the container marks as the default.
    default = bool(stream.disposition & av.stream.Disposition.default)
    return Rank(stream.index, frames, seconds, stream.width * stream.height, default)


def frame_ticks(stream: av.VideoStream) -> int:
    """The duration of a frame in ticks, for packets that state none."""
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (time_base(stream) * rate))) if rate else 1


def listed(container: av.container.InputContainer) -> list[Rank] | None:
    """Ranks of the streams from the container's index, or None where the index may be incomplete. MP4, MOV and AVI list
    every packet, except fragmented files; with one entry per stream, a fragmented file looks the same.
    """
    if container_name(container) not in ("mov", "avi"):
        return None
    ranks: list[Rank] = []
    for stream in candidates(container):
        entries = stream.index_entries
        # More entries than the header counts: the demuxer added those of fragments, but maybe not all of them.
        if len(entries) > stream.frames:
            return None
        ticks = entries[len(entries) - 1].timestamp - entries[0].timestamp if len(entries) else 0
        ranks.append(rank(stream, len(entries), float(ticks * time_base(stream))))
    return ranks if max(each.frames for each in ranks) > 1 else None


def survey_packets(
    container: av.container.InputContainer,
    beginnings: Beginnings,
    start: int,
    wanted: Callable[[int], bool],
    sound: Sound | None = None,
) -> tuple[dict[int, Surveyed], int]:
    """Every packet of the streams that may be the film, by stream index, and the byte where the first lies. `wanted`
    says which stream ids count; `sound` observes the packets of sound. Stops early where another recording begins,
    because FFmpeg reads its packets with wrong parameters. Raises `BadMedia`.
    """
    name = container_name(container)
    videos = [stream for stream in candidates(container) if wanted(stream.id)]
    if not videos:
        raise BadMedia("the video stream is missing", code="no_video")
    others: Mapping[int, Fraction] = {}
    if sound is not None:
        others = {each.index: time_base(each) for each in container.streams.audio}
    # Sound is demuxed only in a second pass: most files have no gap that asks for it.
    only(container, [*videos, *(container.streams[index] for index in others)])
    surveyed = {each.index: Surveyed(each.id, Track(time_base(each), frame_ticks(each))) for each in videos}
    times = {each.index: DecodeTimes(name, each) for each in videos}
    first: int | None = None  # bytes before the first packet belong to the head
    for each in all_packets(container, [*videos, *(container.streams[index] for index in others)]):
        packet = cast("av.Packet[av.VideoStream]", each)
        index = packet.stream_index
        if index in others:
            if packet.dts is not None and sound is not None:
                sound.observe(index, float(packet.dts * others[index]))
            continue
        times[index].restore(packet)
        if first is None and packet.pos is not None:
            first = start + packet.pos
        if beginnings.places and beginnings.after(start if first is None else first) is not None:
            break
        _add(surveyed[index], packet, sound)
    return surveyed, start if first is None else first


def _add(surveyed: Surveyed, packet: "av.Packet[av.VideoStream]", sound: Sound | None) -> None:
    pts = packet.dts if packet.pts is None else packet.pts
    surveyed.index.add(pts or 0, packet.size, key=packet.is_keyframe)
    surveyed.places.append(-1 if packet.pos is None else packet.pos)
    surveyed.sizes.append(packet.size)
    surveyed.track.add(
        pts,
        packet.dts,
        packet.duration or 0,
        key=packet.is_keyframe,
        discarded=packet.is_discard,
        sound=sound,
    )
