"""Cropping and Dolby Vision, which FFmpeg reads from a container's header and PyAV does not offer (thin edge).

FFmpeg passes both to a muxer, so this module writes an empty file with the stream and reads that file. It parses only
FFmpeg's own output, so every container gives one form: clean apertures (`clap`), Matroska's PixelCrop, Dolby Vision's
boxes and descriptors. Matroska's header has both facts. MOV has the cropping for codecs that Matroska does not take.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.error

from decoders.formats.ebml import elements, within
from decoders.memory import raise_if_out_of_memory
from stream.errors import StageError
from stream.events.media import Crop

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_CROPS = (0x54BB, 0x54AA, 0x54CC, 0x54DD)  # top, bottom, left, right
_ADDITION, _ADDITION_TYPE, _ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
_DOLBY_VISION = (int.from_bytes(b"dvcC"), int.from_bytes(b"dvvC"), int.from_bytes(b"dvwC"))
_PROFILES_OF_BOTH_KINDS = (10, 20)
_CHILDREN_AT = {b"moov": 8, b"trak": 8, b"mdia": 8, b"minf": 8, b"stbl": 8, b"stsd": 16}
_SAMPLE_ENTRY_BYTES = 86
"""The fixed part of a visual sample entry (ISO/IEC 14496-12, 12.1.3), before its boxes."""


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """`crop` and `dolby_vision` as in `Media`."""

    crop: Crop = (0, 0, 0, 0)
    dolby_vision: int | None = None


def header_facts(stream: av.VideoStream) -> HeaderFacts:
    """Facts from the header; the defaults where neither muxer takes the stream's codec."""
    matroska = _header(stream, "matroska", {})
    if matroska is not None:
        return _of_matroska(matroska)
    # Without `empty_moov` the muxer writes the header only when the file is finished.
    mov = _header(stream, "mov", {"movflags": "empty_moov"})
    return HeaderFacts() if mov is None else HeaderFacts(crop=_of_mov(mov))


def _header(stream: av.VideoStream, muxer: str, options: dict[str, str]) -> bytes | None:
    written = io.BytesIO()
    # Without random ids: the sandbox has no source of randomness, and FFmpeg's own takes 30 ms of CPU.
    options = {"fflags": "+bitexact"} | options
    try:
        # Opaque: the muxer takes the codec parameters as they are, so no encoder has to exist for the codec.
        with av.open(written, "w", format=muxer, options=options) as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (StageError, MemoryError):
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise_if_out_of_memory(error)
        return None
    return written.getvalue()


def _of_matroska(data: bytes) -> HeaderFacts:
    crop = [0, 0, 0, 0]
    profile = None
    for entry in within(data, (_SEGMENT, _TRACKS, _ENTRY)):
        for video in (value for kind, value in elements(entry) if kind == _VIDEO):
            for kind, value in elements(video):
                if kind in _CROPS:
                    crop[_CROPS.index(kind)] = int.from_bytes(value)
        for addition in (dict(elements(value)) for kind, value in elements(entry) if kind == _ADDITION):
            record = addition.get(_ADDITION_DATA, b"")
            if int.from_bytes(addition.get(_ADDITION_TYPE, b"")) in _DOLBY_VISION and len(record) > 4:
                profile = _incompatible(record)
    return HeaderFacts((crop[0], crop[1], crop[2], crop[3]), profile)


def _incompatible(record: bytes) -> int | None:
    """The profile of a Dolby Vision configuration record if its base layer is compatible with no other format."""
    # Byte 2 has the profile in its upper seven bits, byte 4 the compatibility id in its upper four.
    profile, compatible = record[2] >> 1, record[4] >> 4
    return profile if profile == 5 or (profile in _PROFILES_OF_BOTH_KINDS and not compatible) else None


def _of_mov(data: bytes) -> Crop:
    """The crop that a `clap` box states (ISO/IEC 14496-12, 12.1.4): a size and the offset of
    its centre, as fractions.
    """
    entry = _sample_entry(data)
    for kind, value in _boxes(entry[_SAMPLE_ENTRY_BYTES:]):
        # 8 bytes of header and four fractions of 8 bytes.
        if kind == b"clap" and len(value) >= 40:
            width, height = struct.unpack_from(">HH", entry, 32)
            wide, tall, right, down = (
                numerator / denominator
                for numerator, denominator in struct.iter_unpack(">iI", value[8:40])
                if denominator
            )
            left, top = (width - wide) / 2 + right, (height - tall) / 2 + down
            edges = (top, height - tall - top, left, width - wide - left)
            return tuple(max(0, round(edge)) for edge in edges)
    return (0, 0, 0, 0)


def _sample_entry(data: bytes) -> bytes:
    """The bytes of the first visual sample entry, with its header."""
    for kind, value in _boxes(data):
        if kind == b"stsd":
            return value[16:]
        if kind in _CHILDREN_AT and (found := _sample_entry(value[_CHILDREN_AT[kind] :])):
            return found
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (type, box with its header) for each box."""
    position = 0
    while position + 8 <= len(data):
        # At least the header: a size of 0 must not stop the walk.
        size = max(8, int.from_bytes(data[position : position + 4]))
        yield data[position + 4 : position + 8], data[position : position + size]
        position += size
