"""Opens MP4 and MOV without FFmpeg's probe, which decodes a large picture to learn what header and first packet say.

Only for H.264 of which both say all that decoding depends on: one sequence parameter set that states the reordering,
which the probe would otherwise guess from pictures, and a first packet that begins with a key picture and changes
nothing (ADR 0083).
"""

from dataclasses import dataclass

import av

from decoders.ffmpeg.container import (
    MediaLimits,
    VideoPacket,
    candidates,
    choose_video,
    container_name,
    open_container,
    packets,
)
from decoders.ffmpeg.encryption import is_encrypted
from decoders.formats.h264 import IDR, SPS, length_bytes, reordered, units
from decoders.protocol import Source
from stream.errors import BadMedia

_TYPE_AT, _TYPE = 4, b"ftyp"
_NO_STREAM = -1


@dataclass(frozen=True, slots=True)
class Unprobed:
    """A container, its film, and the first packet of it, which is already read. `reordered`: how many packets follow
    before the decoder releases a picture.
    """

    container: av.container.InputContainer
    stream: av.VideoStream
    first: VideoPacket
    reordered: int


def open_unprobed(
    source: Source, limits: MediaLimits, end: int | None = None, *, index: int = _NO_STREAM
) -> Unprobed | None:
    """Opens the recording up to byte `end`, and the stream with this index, or the only one that may be the film. What
    the probe finds of other streams, such as where sound begins, is not known. None where this is no such file, or not
    a sound one: open it as any other.
    """
    source.seek(_TYPE_AT)
    if source.read(len(_TYPE)) != _TYPE:
        return None
    try:
        container = open_container(source, limits, end=end, probed=False)
    except BadMedia:
        return None
    try:
        found = _opened(container, index)
    except BadMedia:
        found = None
    except BaseException:
        container.close()
        raise
    if found is None:
        container.close()
    return found


def _opened(container: av.container.InputContainer, index: int) -> Unprobed | None:
    if container_name(container) != "mov" or (index == _NO_STREAM and len(candidates(container)) != 1):
        return None
    stream = choose_video(container, index)
    context = stream.codec_context
    record = context.extradata or b""
    if context.codec.canonical_name != "h264" or index not in (_NO_STREAM, stream.index):
        return None
    # Where nothing is reordered the probe goes on for some pictures, as FFmpeg may still find that something is.
    waiting = reordered(record)
    first = next(packets(container, stream), None) if waiting else None
    if not waiting or first is None or not _begins(first, record):
        return None
    return Unprobed(container, stream, first, waiting)


def _begins(first: VideoPacket, record: bytes) -> bool:
    """Whether a plain decode begins at this packet, with the parameters that the record states."""
    if not first.is_keyframe or first.is_corrupt or first.is_discard or first.pts is None or is_encrypted(first):
        return False
    if first.has_sidedata("new_extradata"):
        return False
    data = bytes(first)
    kinds = {data[at] & 31 for at in units(data, length_bytes(record))}
    return IDR in kinds and SPS not in kinds
