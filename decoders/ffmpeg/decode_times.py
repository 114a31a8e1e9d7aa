"""AVI and ASF hold decode times alone, streams without a container none. What a picture's own time is there, in spite
of reordering and damage.

FFmpeg guesses presentation times for one picture of reordering and is wrong with more (two B-frames that refer to each
other). Its decoders, however, release pictures in display order, one a packet, so the decode time of the packet that
released a picture is right but for a constant: how many packets the first picture waited. FFmpeg also counts an AVI's
packets as it meets them, so behind a damaged place they would come too early; the index says where each belongs.
Packets of a stream without a container are laid end to end.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av

from decoders.ffmpeg.container import VideoPacket
from decoders.formats.elementary import ELEMENTARY, packet_ticks, picture_rate

DECODE_TIMED = frozenset({"avi", "asf"}) | ELEMENTARY
_CHUNK_HEADER_BYTES = 8
"""The index points at a chunk's header, a packet at what follows it."""


class DecodeTimes:
    """For one open container: packets with `pts` = `dts` = their place in decode order, where it is of that kind."""

    def __init__(self, container_name: str, stream: av.VideoStream) -> None:
        self._applies = container_name in DECODE_TIMED
        self._places: dict[int, int] = {}
        if container_name == "avi":
            self._places = {entry.pos + _CHUNK_HEADER_BYTES: entry.timestamp for entry in stream.index_entries}
        self._end = 0 if container_name in ELEMENTARY else None
        rate, _ = stream_rate(stream)
        self._usual = max(1, round(1 / (stream.time_base * rate))) if stream.time_base else 1
        self._listed = sorted(self._places.values())
        self._before: int | None = None

    def restored(
        self, packets: Iterator[VideoPacket], on_lost: Callable[[Sequence[int]], None] = lambda _: None
    ) -> Iterator[VideoPacket]:
        """The same packets. `on_lost` gets the places that the index lists between two of them and that never came."""
        self._before = None
        for packet in packets:
            self.restore(packet, on_lost)
            yield packet

    def restore(self, packet: VideoPacket, on_lost: Callable[[Sequence[int]], None] = lambda _: None) -> None:
        """One packet after another."""
        if self._end is not None:
            packet.pts = packet.dts = self._end
            packet.duration = packet_ticks(packet.duration, self._usual)
            self._end += packet.duration
            return
        if not self._applies or packet.dts is None:
            return
        place = self._places.get(packet.pos) if packet.pos is not None else None
        if place is not None:
            if self._before is not None and place > self._before + 1:
                # An AVI repeats a picture by a chunk without bytes, which the index leaves out: nothing is lost there.
                listed = self._listed[bisect_right(self._listed, self._before) : bisect_left(self._listed, place)]
                if listed:
                    on_lost(listed)
            packet.dts = self._before = place
        packet.pts = packet.dts


def stream_rate(stream: av.VideoStream) -> tuple[Fraction, bool]:
    """Of a stream without a container: pictures a second, and whether that is only assumed."""
    return picture_rate(stream.codec_context.framerate)


def reorder_ticks(container_name: str, head: av.VideoFrame, end_pts: int) -> int:
    """How much later than its own packet the first picture was released; 0 where containers know presentation times.
    A film that is shorter than the reordering is released at its end.
    """
    if container_name not in DECODE_TIMED or head.pts is None:
        return 0
    return max(0, (end_pts if head.dts is None else head.dts) - head.pts)
