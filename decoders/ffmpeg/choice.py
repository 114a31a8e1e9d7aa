"""Chooses among packets by what each says of itself: those that lead to wanted pictures, or those before a place."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from decoders.ffmpeg.container import VideoPacket
from decoders.ffmpeg.decode_times import DECODE_TIMED
from decoders.ffmpeg.encryption import is_encrypted
from decoders.ffmpeg.needed import CodedPicture, Needed
from decoders.ffmpeg.picture_units import REORDERED, PictureUnits
from decoders.ffmpeg.timeline import asset_time_ns, seekable, ticks_to_ns
from stream.events.media import Media


class Choice(Protocol):
    """Which packets of a recording are decoded."""

    @property
    def end_ns(self) -> int:
        """Nothing that is shown from here on is needed."""

    def of(
        self, following: Iterable[VideoPacket], media: Media, extradata: bytes | None
    ) -> "Iterator[VideoPacket | None]":
        """The chosen ones, in order. None: the decoder gives out what it holds, and begins anew."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The pictures on display at `positions_ns`, ascending and before `end_ns`. Others need not be decoded.
    `passed` gets (time, end) of each picture that is left out, in ns, up to the first at or after the end.
    """

    positions_ns: tuple[int, ...]
    end_ns: int
    passed: Callable[[int, int], None]

    def of(
        self, following: Iterable[VideoPacket], media: Media, extradata: bytes | None
    ) -> "Iterator[VideoPacket | None]":
        """See `Needed.of`. All packets of a recording that says too little of them."""
        return _leading_to(self, following, media, extradata) if _can_leave_out(media) else iter(following)


@dataclass(frozen=True, slots=True)
class UpTo:
    """Packets before the key frame at `end_ns`, where it is certain that nothing behind it is shown before it. Else all
    of them: the caller stops at the first picture that is shown later.
    """

    end_ns: int

    def of(self, following: Iterable[VideoPacket], media: Media, extradata: bytes | None) -> Iterator[VideoPacket]:
        """Only H.264 says so. In others pictures behind a key frame may be shown before it, or nothing is reordered."""
        units = PictureUnits(media.codec, extradata)
        for packet in following:
            key = packet.is_keyframe and media.codec == "h264" and packet.pts is not None
            if key and asset_time_ns(media, packet.pts or 0) >= self.end_ns and units.of(packet).starts:
                return
            yield packet


def _can_leave_out(media: Media) -> bool:
    """Whether packets of the recording can be left out: its packets say when they are shown, and what they are."""
    return seekable(media) and media.container not in DECODE_TIMED and PictureUnits.tell(media)


def _leading_to(
    wanted: Wanted, following: Iterable[VideoPacket], media: Media, extradata: bytes | None
) -> "Iterator[VideoPacket | None]":
    units = PictureUnits(media.codec, extradata)
    run = media.runs[0]

    def coded(packet: VideoPacket) -> CodedPicture[VideoPacket]:
        time_ns = None if packet.pts is None else asset_time_ns(media, packet.pts)
        # Such packets are always decoded: what the decoder says of them counts.
        if time_ns is None or packet.is_discard or not run.start_ns <= time_ns < run.end_ns or is_encrypted(packet):
            return CodedPicture(packet, None)
        facts = units.of(packet)
        return CodedPicture(packet, time_ns, facts.starts, facts.spared)

    def passed(each: CodedPicture[VideoPacket]) -> None:
        if each.time_ns is not None:
            own_ns = ticks_to_ns(each.packet.duration or 0, media.time_base_num, media.time_base_den)
            wanted.passed(each.time_ns, each.time_ns + own_ns)

    positions = [position for position in wanted.positions_ns if position < run.end_ns]
    needed = Needed(positions, min(wanted.end_ns, run.end_ns), REORDERED.get(media.codec, 0), passed)
    return needed.of(map(coded, following))
