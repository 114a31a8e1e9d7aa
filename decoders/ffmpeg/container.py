"""Opens containers from bytes alone: an allow-list of demuxers, no nested files, limits, readable errors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import NoReturn, TypeAlias, cast

import av
import av.error
from av.stream import Discard

from decoders.ffmpeg.encryption import encrypted, is_encrypted
from decoders.ffmpeg.refusals import NOT_PICTURES, no_film, recognised
from decoders.protocol import Source
from stream.errors import BadMedia, StageError

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"  # generic in the stubs only

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,mxf,asf,ivf,nut,gxf,dv,rm,"
    "yuv4mpegpipe,wav,mp3,aac,flac,aiff,amr,caf,w64,ac3,eac3"
)
"""Demuxers that FFmpeg may choose by content. None names other files: no playlists, `concat` or image sequences. Sound
formats are in the list so that sound is not reported as damaged video. Streams without a container and animated
pictures (`ELEMENTARY`, `ANIMATED`) are not: FFmpeg would find them in the remains of damaged films. They open only
with the one demuxer that the first bytes ask for.
"""

# PyAV's default of 32 KiB would call into Python eight times as often.
READ_BYTES = 256 * 1024
# Damaged places can follow each other without end: the limit bounds the work for one file.
MAX_DEMUX_ERRORS = 50
MAX_PACKETS_TO_CIPHERTEXT = 100
_LEAST_PROBE = {"probesize": "32"}
_NO_PICTURE = {"skip_frame": "all"}
"""FFmpeg's probe then reads one packet, and its decoders decode no picture."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders for codecs that store transparency as a second picture beside each packet. FFmpeg's own decoders ignore it.
"""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The largest values that a file may claim. They are checked before memory of that size is allocated."""

    max_pixels: int = 8192 * 8192
    max_streams: int = 100
    max_duration_s: float = 24 * 3600.0


class _SourceWindow:
    """One recording of a source, without a name: FFmpeg cannot guess a format from the name or open it. Each object
    keeps its own position, so several containers can be open over one source.
    """

    def __init__(self, source: Source, start: int, end: int | None, seen: Callable[[int, bytes], None] | None) -> None:
        self._source = source
        self._start = start
        self._end = end
        self._seen = seen
        self._position = start

    def read(self, size: int) -> bytes:
        # The demuxer must see the end here. With the bytes of the next recording it would read on into that one.
        if self._end is not None:
            size = max(0, min(size, self._end - self._position))
        # Every read seeks first: another container over the same source may have moved its position.
        self._source.seek(self._position)
        data = self._source.read(size)
        if self._seen is not None:
            self._seen(self._position, data)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            base = self._source.seek(0, 2) if self._end is None else self._end
        else:
            base = self._position if whence == 1 else self._start
        self._position = max(self._start, base + offset)
        return self.tell()

    def tell(self) -> int:
        return self._position - self._start


def open_container(
    source: Source,
    limits: MediaLimits,
    start: int = 0,
    end: int | None = None,
    seen: Callable[[int, bytes], None] | None = None,
    *,
    probed: bool = True,
) -> av.container.InputContainer:
    """Opens one recording: bytes [start, end) of the source. `seen` gets each block that is read, with its offset.
    Without `probed` FFmpeg decodes nothing to learn more than the header says (see `unprobed`).

    Raises `BadMedia`: `unreadable_container` where no allowed demuxer reads the bytes, `still_picture`,
    `nested_reference`, `too_many_streams`.
    """
    demuxer = recognised(source).demuxer if start == 0 else ""  # later recordings have a container: see `BEGINNINGS`
    options = {
        "format_whitelist": demuxer or DEMUXERS,
        "protocol_whitelist": "none",  # second guard behind `io_open`: no protocol may open a name
        "max_streams": str(limits.max_streams),
    } | ({} if probed else _LEAST_PROBE)
    try:
        container = av.open(
            _SourceWindow(source, start, end, seen),
            "r",
            format=demuxer or None,
            container_options=options,
            options={"max_pixels": str(limits.max_pixels)} | ({} if probed else _NO_PICTURE),
            metadata_errors="replace",
            buffer_size=READ_BYTES,
            io_open=_refuse,
        )
    except av.error.MemoryError:  # FFmpeg also answers ENOMEM to more than `max_streams`
        raise BadMedia(
            f"the file has more than {limits.max_streams} streams, or opening it needs more memory than is allowed",
            code="too_many_streams",
        ) from None
    # These come from our reader or from the memory limit. They are no fault of the container.
    except (StageError, MemoryError):
        raise
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise BadMedia(
            f"no supported container ({_reason(error)}): the file is not a video, or its header is missing or cut off",
            code="unreadable_container",
        ) from None
    if len(container.streams) > limits.max_streams:
        container.close()
        raise BadMedia(f"more than {limits.max_streams} streams", code="too_many_streams")
    return container


def container_name(container: av.container.InputContainer) -> str:
    """The first of FFmpeg's names for the container."""
    return container.format.name.split(",", maxsplit=1)[0]


def time_base(stream: av.stream.Stream) -> Fraction:
    """Seconds per tick. Raises `BadMedia` `unreadable_container` where the stream has none."""
    if not stream.time_base:
        raise BadMedia(f"the {stream.type} stream has no time base", code="unreadable_container")
    return stream.time_base


def candidates(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams that may be the film: no cover pictures, and FFmpeg has a decoder. Raises `BadMedia`:
    `no_video`, `still_picture`, `unknown_codec`, `encrypted`.
    """
    found = [stream for stream in container.streams.video if not stream.disposition & NOT_PICTURES]
    if not found:
        raise no_film(container)
    readable = [stream for stream in found if stream.codec_context is not None]
    if not readable:
        if any(is_encrypted(packet) for packet in islice(all_packets(container, found), MAX_PACKETS_TO_CIPHERTEXT)):
            raise encrypted()
        raise BadMedia(
            "no decoder for the video stream: its codec is not known, or it is encrypted", code="unknown_codec"
        )
    return readable


def choose_video(container: av.container.InputContainer, index: int) -> av.VideoStream:
    """The stream that the plan stage chose as the film. The demuxer discards the others."""
    readable = candidates(container)
    # `index` is the plan's. Where no such stream is readable any more, the first readable one serves.
    chosen = next((stream for stream in readable if stream.index == index), readable[0])
    only(container, [chosen])
    return chosen


def only(container: av.container.InputContainer, streams: Sequence[av.stream.Stream]) -> None:
    """Makes the demuxer read these streams and discard the others."""
    wanted = {stream.index for stream in streams}
    for stream in container.streams:
        stream.discard = Discard.default if stream.index in wanted else Discard.all


def decoder_of(stream: av.VideoStream, limits: MediaLimits) -> av.VideoCodecContext:
    """The decoder of the stream, with one thread and the pixel limit."""
    context = stream.codec_context
    alpha = _WITH_ALPHA.get(context.codec.canonical_name) if stream.metadata.get("alpha_mode") == "1" else None
    if alpha is not None:
        with_alpha = av.CodecContext.create(alpha, "r")
        assert isinstance(with_alpha, av.VideoCodecContext)
        context = with_alpha
    context.options = {"max_pixels": str(limits.max_pixels)}
    # The child processes are the parallelism. With one thread an error also appears at the packet that caused it.
    context.thread_count = 1
    # Frames then carry the run's tag of their packet through reordering (`reader._RunTag`).
    context.copy_opaque = True
    return context


def packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[VideoPacket]:
    """Packets of the stream. Damaged places and the empty packet at the end are left out."""
    return cast("Iterator[VideoPacket]", all_packets(container, [stream]))


def all_packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream]
) -> Iterator["av.Packet[av.stream.Stream]"]:
    """Like `packets`, for several streams in file order."""
    for _ in range(MAX_DEMUX_ERRORS):
        try:
            for packet in container.demux(list(streams)):
                # An empty packet without a time is PyAV's flush at the end. One with a time repeats a picture and
                # counts.
                if packet.size or packet.pts is not None:
                    yield packet
        except IndexError:  # damage can add streams after PyAV counted them; its flush at the end then fails
            return
        except av.error.MemoryError:  # FFmpeg also answers ENOMEM to a packet with an impossible, damaged size
            continue
        except (StageError, MemoryError):
            raise
        except (av.error.FFmpegError, OSError):
            continue
        return


def _refuse(*_: object) -> NoReturn:
    raise BadMedia("the file refers to another file; rushes does not open other files", code="nested_reference")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or type(error).__name__)
