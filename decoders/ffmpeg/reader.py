"""Frames in display order from any position. The reader does not trust a seek: it checks the packets that follow.

After a seek, the reader drops everything before the first key frame in display order: leading pictures of an open GOP
refer to pictures that were not decoded.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, groupby

import av
import av.error

from decoders.ffmpeg.choice import Choice
from decoders.ffmpeg.container import MediaLimits, VideoPacket, choose_video, decoder_of, open_container, packets
from decoders.ffmpeg.decode_times import DECODE_TIMED, DecodeTimes
from decoders.ffmpeg.encryption import is_encrypted
from decoders.ffmpeg.timeline import REORDER_PACKETS, asset_time_ns, ns_to_ticks, parts_of, seekable, ticks_to_ns
from decoders.ffmpeg.unprobed import open_unprobed
from decoders.memory import raise_if_out_of_memory
from decoders.pictures.presented_frame import PresentedFrame
from decoders.pictures.rescale import Rescaler
from decoders.pictures.shape import PixelAspect
from decoders.protocol import Source
from stream.errors import StageError
from stream.events.asset import Media
from stream.events.grid import SECOND_NS, SEGMENT_NS

# In MPEG-TS, FFmpeg's seek can land a whole GOP late, so each further attempt asks for an earlier time.
SEEK_MARGINS_S = (0, 2, 10, 40)
MAX_PACKETS_TO_KEY = 600
"""How many packets may come before the first key frame. After more, the reader seeks to an earlier place."""

OnError = Callable[[int], None]


class _RunTag:
    """Carries a packet's run number to its frame. Each packet has its own object: PyAV keeps opaque objects by
    identity and forgets an identity when the first of its packets is freed, so small integers would get lost.
    """

    __slots__ = ("run",)

    def __init__(self, run: int) -> None:
        self.run = run


class FrameReader:
    """All recordings of a source, one after another. Reads are sequential; each call of `frames` seeks first."""

    def __init__(
        self, source: Source, media: Media, short_side: int, limits: MediaLimits, *, whole: bool = False
    ) -> None:
        """`whole`: from where the first read begins, everything is decoded."""
        self._source = source
        self._media = media
        self._short_side = short_side
        self._limits = limits
        self._whole = whole
        self._rescaler = Rescaler(media, short_side)
        self._parts = parts_of(media)
        self._opened: tuple[int, _PartReader] | None = None
        self._met_ciphertext = False
        # Opens now: a source that cannot be read then fails before the first frame is asked for.
        self._part(0)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of samples."""
        return self._rescaler.width, self._rescaler.height

    @property
    def seekable(self) -> bool:
        """Whether a read may begin at any position and not only at the beginning."""
        return seekable(self._media)

    @property
    def last_ns(self) -> int:
        """Asset time (ns) when the last picture goes on display, as planned; 0 where it is unknown."""
        return self._media.runs[-1].last_ns

    @property
    def met_ciphertext(self) -> bool:
        """Whether some packets were encrypted. They are reported like packets that the decoder refuses."""
        return self._met_ciphertext or (self._opened is not None and self._opened[1].met_ciphertext)

    def another(self, *, whole: bool = False) -> "FrameReader":
        """Another reader of the same source with its own position. Calls to both may alternate."""
        return FrameReader(self._source, self._media, self._short_side, self._limits, whole=whole)

    def close(self) -> None:
        if self._opened is not None:
            # Kept beyond the part: the span's final error says whether some of it was encrypted.
            self._met_ciphertext |= self._opened[1].met_ciphertext
            self._opened[1].close()
            self._opened = None

    def frames(
        self, from_ns: int, on_error: OnError, choice: Choice | None = None
    ) -> Generator[PresentedFrame, None, None]:
        """Frames from the one on display at `from_ns` (or an earlier key frame) to the end, in decoder output order.

        `on_error` gets the time of each packet that the decoder refused. With a `choice`, packets that its pictures do
        not need are left out where the recording allows it; its pictures are the same.
        """
        for number in self._from(from_ns):
            if choice is not None and self._parts[number].runs[0].start_ns >= max(choice.end_ns, from_ns + 1):
                return
            yield from self._part(number).frames(from_ns, on_error, choice)

    def key_frames(self, from_ns: int, on_error: OnError) -> Generator[PresentedFrame, None, None]:
        """Only key frames, from one at or before `from_ns` where there is one. Nothing else is decoded."""
        for number in self._from(from_ns):
            yield from self._part(number).key_frames(from_ns, on_error)

    def _from(self, time_ns: int) -> range:
        """Numbers of the parts, from the part on display at this time to the last."""
        starts = [part.runs[0].start_ns for part in self._parts]
        return range(max(0, bisect_right(starts, time_ns) - 1), len(starts))

    def _part(self, number: int) -> "_PartReader":
        if self._opened is None or self._opened[0] != number:
            self.close()
            part = self._parts[number]
            self._opened = (number, _PartReader(self._source, part, self._rescaler, self._limits, whole=self._whole))
        return self._opened[1]


class _PartReader:
    """One recording with one open container. `media` holds the facts of this recording, with its runs at their place in
    the asset. `met_ciphertext`: some packets were encrypted; they are reported like packets that the decoder refuses.
    """

    def __init__(
        self, source: Source, media: Media, rescaler: Rescaler, limits: MediaLimits, *, whole: bool = False
    ) -> None:
        self._source = source
        self._media = media
        self._limits = limits
        self._rescaler = rescaler
        self._start_ns = media.runs[0].start_ns
        self._first_packets = [run.first_packet for run in media.runs]
        self._default_ns = round(SECOND_NS / media.average_rate) if media.average_rate else 0
        self._fed: deque[int] = deque(maxlen=REORDER_PACKETS)
        self._readable = media.stream_index >= 0
        self._fresh = False
        self._ahead: list[VideoPacket] = []
        self.met_ciphertext = False
        self._open(whole=whole)

    def close(self) -> None:
        if self._readable:
            self._container.close()

    def frames(
        self, from_ns: int, on_error: OnError, choice: Choice | None = None
    ) -> Generator[PresentedFrame, None, None]:
        """Like `FrameReader.frames`; from the recording's beginning where that is later than `from_ns`."""
        if not self._readable:
            return self._report_unread(on_error)
        if from_ns > self._start_ns and seekable(self._media):
            for margin_s in SEEK_MARGINS_S:
                found = self._started(from_ns, margin_s, on_error, choice)
                if found is not None:
                    yield from found
                    return
        self._rewind()
        yield from self._decoded(self._chosen(self._packets(on_error), choice), on_error)

    def key_frames(self, from_ns: int, on_error: OnError) -> Generator[PresentedFrame, None, None]:
        """Like `FrameReader.key_frames`.

        Each key frame is decoded alone: a decoder that gets only key frames of open GOPs reorders and loses some.
        """
        if not self._readable:
            return self._report_unread(on_error)
        following = self._key_packets(from_ns, on_error)
        context = self._context
        context.skip_frame = "NONKEY"
        try:
            for packet in following:
                # `_decoded` ends with a flush. After one, a decoder takes packets again only when its buffers are
                # reset.
                context.flush_buffers()
                self._fed.clear()
                yield from self._decoded([packet], on_error)
        finally:
            # In `finally`: the next span uses the same decoder and needs all frames.
            context.skip_frame = "DEFAULT"
            context.flush_buffers()

    def _key_packets(self, from_ns: int, on_error: OnError) -> Iterator[VideoPacket]:
        """Key packets from the last one at or before `from_ns` that a seek finds, else from the beginning."""
        for margin_s in SEEK_MARGINS_S if seekable(self._media) else ():
            following = self._sought(from_ns, margin_s, on_error)
            if following is not None:
                return (packet for packet in following if packet.is_keyframe)
        # No seek led to a key frame. Reading from byte 0 is slow but right.
        self._rewind()
        return (packet for packet in self._packets(on_error) if packet.is_keyframe)

    def _sought(self, from_ns: int, margin_s: int, on_error: OnError) -> Iterator[VideoPacket] | None:
        """Packets from a key packet at or before `from_ns`, or None if the seek did not lead to one."""
        target_ns = from_ns - margin_s * SECOND_NS
        if target_ns <= self._start_ns or not self._seek(target_ns):
            return None
        following = self._packets(on_error)
        first = self._first_key_packet(following)
        if first is None or (first.pts is not None and asset_time_ns(self._media, first.pts) > from_ns):
            return None
        return chain([first], following)

    def _started(
        self, from_ns: int, margin_s: int, on_error: OnError, choice: Choice | None
    ) -> Iterator[PresentedFrame] | None:
        """Frames from a key frame at or before `from_ns`, or None if the seek did not lead to one. Errors are held back
        until then: an attempt that is given up reports none.
        """
        errors: list[int] = []
        following = self._sought(from_ns, margin_s, errors.append)
        if following is None:
            return None
        frames = self._decoded(self._chosen(following, choice), errors.append)
        for _, frame in zip(range(MAX_PACKETS_TO_KEY), frames, strict=False):
            if frame.frame.key_frame:
                # Checked on the frame as well: the packet may have had no time.
                if frame.time_ns > from_ns:
                    return None
                return self._reporting(chain([frame], frames), errors, on_error)
        return None

    def _reporting(
        self, frames: Iterator[PresentedFrame], errors: list[int], on_error: OnError
    ) -> Iterator[PresentedFrame]:
        for frame in frames:
            # Before the frame, so that the sampler knows of the loss when it completes the cell.
            while errors:
                on_error(errors.pop(0))
            yield frame
        for time_ns in errors:
            on_error(time_ns)

    def _first_key_packet(self, following: Iterator[VideoPacket]) -> "VideoPacket | None":
        for _, packet in zip(range(MAX_PACKETS_TO_KEY), following, strict=False):
            if packet.is_keyframe:
                return packet
        return None

    def _chosen(self, following: Iterator[VideoPacket], choice: Choice | None) -> "Iterator[VideoPacket | None]":
        return following if choice is None else choice.of(following, self._media, self._context.extradata)

    def _packets(self, on_error: OnError) -> Iterator[VideoPacket]:
        """Packets, each tagged with its run. Frames carry the tag through reordering."""
        self._fresh = False
        media = self._media
        many = len(media.runs) > 1
        following = chain(self._ahead, packets(self._container, self._stream))
        restored = self._times.restored(following, lambda lost: self._report_lost(lost, on_error))
        for number, packet in enumerate(restored):
            # A tag is an object for each packet, and most recordings have only one run.
            if many:
                packet.opaque = _RunTag(bisect_right(self._first_packets, number) - 1)
            if packet.dts is not None:
                self._fed.append(packet.dts)
            yield packet

    def _decoded(self, following: "Iterable[VideoPacket | None]", on_error: OnError) -> Iterator[PresentedFrame]:
        for packet in chain(following, [None]):  # None makes the decoder release what it holds for reordering
            if packet is not None and is_encrypted(packet):
                self.met_ciphertext = True
                self._report(packet, on_error)
                continue
            if packet is not None and not packet.size:
                continue  # "repeat the last picture" (Theora, AVI); a decoder reads an empty packet as the end
            try:
                decoded = self._context.decode(packet)
            except (StageError, MemoryError):
                raise
            except (av.error.FFmpegError, OSError) as error:
                raise_if_out_of_memory(error)
                self._report(packet, on_error)
                continue
            finally:
                if packet is None:  # what follows begins anew; after a release a decoder takes nothing else
                    self._context.flush_buffers()
            self._see_aspect()
            for waiting, frame in zip(range(len(decoded), 0, -1), decoded, strict=True):
                shown = self._placed(frame, waiting)
                if shown is not None:
                    yield shown

    def _see_aspect(self) -> None:
        """Notes a pixel aspect that differs from the plan. The decoder knows it before the frames come out."""
        aspect = self._context.sample_aspect_ratio
        stated = float(aspect) if aspect else 1.0
        self._rescaler.aspect_varies |= abs(stated - self._media.coded_aspect) > PixelAspect.NEAR

    def _report(self, packet: "VideoPacket | None", on_error: OnError) -> None:
        pts = None if packet is None else packet.dts if packet.pts is None else packet.pts
        if packet is not None and pts is not None:
            on_error(asset_time_ns(self._media, pts, _run(packet.opaque)))

    def _report_lost(self, places: Sequence[int], on_error: OnError) -> None:
        _once_a_cell((asset_time_ns(self._media, pts) for pts in places), on_error)

    def _report_unread(self, on_error: OnError) -> None:
        _once_a_cell(range(self._start_ns, self._media.runs[-1].end_ns, SECOND_NS), on_error)

    def _shown_pts(self, frame: av.VideoFrame, waiting: int) -> int | None:
        """The frame's own time, or in a `DECODE_TIMED` container the time of its release (see `DecodeTimes`).

        Frames that the decoder releases at the end, `waiting` frames from the last, take the places of the last
        packets. A key frame that was decoded alone has the place of its own packet. In an open GOP that is too early
        by the number of its leading pictures.
        """
        if self._media.container not in DECODE_TIMED:
            return frame.dts if frame.pts is None else frame.pts
        if frame.dts is not None:
            return frame.dts - self._media.reorder_ticks
        return self._fed[-waiting] if waiting <= len(self._fed) else frame.pts

    def _placed(self, frame: av.VideoFrame, waiting: int) -> PresentedFrame | None:
        orientation = self._rescaler.orientation(frame)
        pts = self._shown_pts(frame, waiting)
        if pts is None:
            return None
        media = self._media
        run = _run(frame.opaque)
        time_ns = asset_time_ns(media, pts, run)
        if not media.runs[run].start_ns <= time_ns < media.runs[run].end_ns:
            return None  # an impossible time stamp; the plan stage did not count it either
        own_ns = ticks_to_ns(frame.duration, media.time_base_num, media.time_base_den) or self._default_ns
        return PresentedFrame(time_ns, time_ns + own_ns, pts, frame.is_corrupt, frame, orientation, self._rescaler)

    def _seek(self, time_ns: int) -> bool:
        media = self._media
        ticks = media.runs[0].first_pts + ns_to_ticks(
            time_ns - self._start_ns, media.time_base_num, media.time_base_den
        )
        try:
            self._container.seek(ticks, stream=self._stream)
        except (StageError, MemoryError):
            raise
        except (av.error.FFmpegError, OSError) as error:
            raise_if_out_of_memory(error)
            return False
        self._fresh = False
        self._ahead = []
        self._fed.clear()
        return True

    def _rewind(self) -> None:
        """Opens the container again at byte 0: a seek to the beginning can land in a wrong
        place like any other seek.
        """
        if not self._fresh:
            self._container.close()
            self._open()

    def _open(self, *, whole: bool = False) -> None:
        if not self._readable:
            return
        part = self._media.parts[0] if self._media.parts else None
        known = None
        # Decoding from a key picture on learns from it what the probe would have.
        if whole and part is None and (self._media.container, self._media.codec) == ("mov", "h264"):
            known = open_unprobed(self._source, self._limits, index=self._media.stream_index)
        if known is not None:
            self._container, self._stream, self._ahead = known.container, known.stream, [known.first]
        else:
            window = (0, None) if part is None else (part.start_byte, part.end_byte)
            self._container = open_container(self._source, self._limits, *window)
            self._stream, self._ahead = choose_video(self._container, self._media.stream_index), []
        self._context = decoder_of(self._stream, self._limits)
        self._times = DecodeTimes(self._media.container, self._stream)
        self._fresh = True


def _once_a_cell(times_ns: Iterable[int], on_error: OnError) -> None:
    """Reports one error for each cell that has consecutive losses: the number of lost packets is unknown."""
    for _, lost in groupby(times_ns, lambda time_ns: time_ns // SEGMENT_NS):
        on_error(next(lost))


def _run(tag: object) -> int:
    return tag.run if isinstance(tag, _RunTag) else 0
