"""Presentation times where the container has none: AVI and ASF hold only decode times, bare streams hold no times.

FFmpeg guesses presentation times for a reordering of one picture and is wrong for more (two B-frames that refer to
each other). But its decoders release pictures in display order, one per packet. So the decode time of the packet that
released a picture is right except for a constant: the number of packets that the first picture waited. FFmpeg also
counts an AVI's packets as it reads them, so packets behind a damaged place come too early. The index has their true
places. Packets of a stream without a container are laid end to end.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av

from decoders.ffmpeg.container import VideoPacket
from decoders.formats.elementary import ELEMENTARY, packet_ticks, picture_rate

DECODE_TIMED = frozenset({"avi", "asf"}) | ELEMENTARY
_CHUNK_HEADER_BYTES = 8
"""The index gives the position of a chunk's header; a packet gives the position of the data after it."""


class DecodeTimes:
    """For one open container of `DECODE_TIMED`: sets `pts` and `dts` of packets to their place in decode order."""

    def __init__(self, container_name: str, stream: av.VideoStream) -> None:
        self._applies = container_name in DECODE_TIMED
        self._places: dict[int, int] = {}
        if container_name == "avi":
            self._places = {entry.pos + _CHUNK_HEADER_BYTES: entry.timestamp for entry in stream.index_entries}
        # A stream without a container has no times to restore, so they are counted from 0.
        self._end = 0 if container_name in ELEMENTARY else None
        rate, _ = stream_rate(stream)
        self._usual = max(1, round(1 / (stream.time_base * rate))) if stream.time_base else 1
        self._listed = sorted(self._places.values())
        self._before: int | None = None

    def restored(
        self, packets: Iterator[VideoPacket], on_lost: Callable[[Sequence[int]], None] = lambda _: None
    ) -> Iterator[VideoPacket]:
        """The same packets. `on_lost` gets places between two packets that the index lists and the demuxer skipped."""
        self._before = None
        for packet in packets:
            self.restore(packet, on_lost)
            yield packet

    def restore(self, packet: VideoPacket, on_lost: Callable[[Sequence[int]], None] = lambda _: None) -> None:
        """Sets the times of the next packet in place. Call it for every packet, in file order."""
        if self._end is not None:
            packet.pts = packet.dts = self._end
            packet.duration = packet_ticks(packet.duration, self._usual)
            self._end += packet.duration
            return
        if not self._applies or packet.dts is None:
            return
        place = self._places.get(packet.pos) if packet.pos is not None else None
        # An ASF file, or a packet that the index of an AVI does not list, keeps the demuxer's own time.
        if place is not None:
            if self._before is not None and place > self._before + 1:
                # An AVI repeats a picture with a chunk of no bytes. The index leaves it out, so nothing is lost.
                listed = self._listed[bisect_right(self._listed, self._before) : bisect_left(self._listed, place)]
                if listed:
                    on_lost(listed)
            packet.dts = self._before = place
        packet.pts = packet.dts


def stream_rate(stream: av.VideoStream) -> tuple[Fraction, bool]:
    """For a stream without a container: pictures per second, and whether the value is only assumed."""
    return picture_rate(stream.codec_context.framerate)


def reorder_ticks(container_name: str, head: av.VideoFrame, end_pts: int) -> int:
    """Ticks from the first picture's own packet to the packet that released it; 0 where the container has presentation
    times. The decoder releases a film that is shorter than the reordering at the end of the stream.
    """
    if container_name not in DECODE_TIMED or head.pts is None:
        return 0
    return max(0, (end_pts if head.dts is None else head.dts) - head.pts)
