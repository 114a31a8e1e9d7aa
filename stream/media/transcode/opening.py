"""Opens an input from its bytes alone, with an allow-list of demuxers, limits and readable errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import av
import av.error
from av.stream import Discard, Disposition

from stream.errors import BadMedia

AnyPacket: TypeAlias = "av.Packet[Any]"  # generic in the stubs only

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,mxf,asf,ivf,nut,gxf,yuv4mpegpipe,"
    "wav,mp3,aac,flac,aiff,w64,caf"
)
"""None of them names other files: no playlists, no `concat`, no image sequences."""

MAX_STREAMS = 100
MAX_PIXELS = 8192 * 8192
MAX_DAMAGED = 50
"""Places in a file that cannot be demuxed, after which it is given up."""

_READ_BYTES = 1 << 20
_DECODER = {"max_pixels": str(MAX_PIXELS)}
_COVERS = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Raises `BadMedia` `unreadable_container`, or `too_many_streams`."""
    # FFmpeg gets no name, so that it can neither guess a format from one nor open its neighbours.
    with path.open("rb") as file:
        try:
            container = av.open(
                file,
                "r",
                container_options={
                    "format_whitelist": DEMUXERS,
                    "protocol_whitelist": "none",
                    "max_streams": str(MAX_STREAMS),
                },
                options=_DECODER,
                metadata_errors="replace",
                buffer_size=_READ_BYTES,
                io_open=_refuse,
            )
        except av.error.MemoryError:
            raise BadMedia(f"the file has more than {MAX_STREAMS} streams", code="too_many_streams") from None
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise BadMedia(
                f"the file is no video or sound that is read here, or its header is cut off ({type(error).__name__})",
                code="unreadable_container",
            ) from None
        with container:
            yield container


def _refuse(*_arguments: Any) -> NoReturn:
    raise BadMedia("the file refers to another file", code="nested_reference")


def film(container: av.container.InputContainer) -> av.VideoStream:
    """The first film that has a decoder. Raises `BadMedia` `no_video` or `unknown_codec`."""
    films = [stream for stream in container.streams.video if not stream.disposition & _COVERS]
    if not films:
        raise BadMedia("the file holds no film", code="no_video")
    known = [stream for stream in films if stream.codec_context is not None and stream.time_base]
    if not known:
        raise BadMedia("there is no decoder for the film, or it is encrypted", code="unknown_codec")
    return known[0]


def sound(container: av.container.InputContainer) -> av.AudioStream | None:
    """The sound that the file marks as its own, else the first that has a decoder."""
    known = [stream for stream in container.streams.audio if stream.codec_context is not None and stream.time_base]
    return next((stream for stream in known if stream.disposition & Disposition.default), known[0] if known else None)


def prepare(container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream) -> None:
    """Makes the demuxer read this stream alone, and its decoder use one thread."""
    for other in container.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all
    if stream.codec_context is not None:
        stream.codec_context.thread_count = 1
        stream.codec_context.options = dict(_DECODER)


def packets(
    container: av.container.InputContainer, streams: Sequence[av.VideoStream | av.AudioStream]
) -> Iterator[AnyPacket]:
    """Damaged places are stepped over, and the empty packet at the end is left out. Raises `BadMedia`
    `unreadable_container` for too many of them.
    """
    damaged = 0
    demuxed = container.demux(*streams)
    while True:
        try:
            packet = next(demuxed)
        except StopIteration:
            return
        except av.error.FFmpegError:
            damaged += 1
            if damaged > MAX_DAMAGED:
                raise BadMedia(f"over {MAX_DAMAGED} damaged places", code="unreadable_container") from None
            demuxed = container.demux(*streams)
            continue
        if packet.size:
            yield packet


def seconds_per_tick(stream: av.stream.Stream) -> Fraction:
    assert stream.time_base is not None, "streams without one are not chosen"
    return stream.time_base
