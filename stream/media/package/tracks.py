"""CMAF tracks (ISO/IEC 23000-19): the film's packets as they are, one file for each track, an index at its start."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error

from stream.errors import BadMedia
from stream.media.package.codecs import codec_of
from stream.media.transcode import opening

MUXERS = ("h264", "hevc", "av1", "aac")
SOUND_FRAGMENT_S = 2
_FLAGS = "+dash+default_base_moof+global_sidx+delay_moov+skip_trailer"
"""Not `cmaf`, with which FFmpeg writes negative composition offsets: it then reads pictures two frames too late itself.
An edit list, which CMAF allows too, is read alike by browsers and by FFmpeg.
"""
_BRAND, _BRAND_OF_FFMPEG = b"cmfc", b"mp41"
_MAX_INDEX_BYTES = 1 << 24
_REPORT_PACKETS = 500


@dataclass(frozen=True, slots=True)
class CmafFragment:
    """A range of the file, which begins with a key frame and can be played by itself."""

    start: int
    size: int
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class CmafTrack:
    """`header_bytes`: what players read first; then comes the index, then the fragments."""

    name: str
    codec: str
    header_bytes: int
    fragments: tuple[CmafFragment, ...]
    width: int = 0
    height: int = 0
    rate: Fraction = Fraction(0)
    channels: int = 0
    sample_rate: int = 0

    @property
    def seconds(self) -> Fraction:
        return sum((fragment.seconds for fragment in self.fragments), Fraction(0))

    @property
    def index(self) -> tuple[int, int]:
        """First and last byte."""
        return self.header_bytes, self.fragments[0].start - 1

    @property
    def peak_bits_per_s(self) -> int:
        return max(int(fragment.size * 8 / fragment.seconds) + 1 for fragment in self.fragments)

    @property
    def mean_bits_per_s(self) -> int:
        return int(sum(fragment.size for fragment in self.fragments) * 8 / self.seconds) + 1


def picture_track(source: Path, path: Path, report: Callable[[float], None]) -> CmafTrack:
    with opening.opened(source) as container:
        stream = opening.film(container)
        context = stream.codec_context
        codec = codec_of(context.codec.canonical_name, context.extradata)
        facts = context.width, context.height, stream.average_rate or Fraction(0)
        _copied(container, stream, path, {"movflags": f"{_FLAGS}+frag_keyframe"}, report)
    return CmafTrack(path.name, codec, *_parsed(path), width=facts[0], height=facts[1], rate=facts[2])


def sound_track(source: Path, path: Path, report: Callable[[float], None]) -> CmafTrack:
    """Raises `BadMedia` `no_sound`."""
    with opening.opened(source) as container:
        stream = opening.sound(container)
        if stream is None:
            raise BadMedia("the film has no sound: set sound to false", code="no_sound")
        context = stream.codec_context
        codec = codec_of(context.codec.canonical_name, context.extradata)
        facts = context.layout.nb_channels, context.sample_rate
        options = {"movflags": _FLAGS, "frag_duration": str(SOUND_FRAGMENT_S * 1_000_000)}
        _copied(container, stream, path, options, report)
    return CmafTrack(path.name, codec, *_parsed(path), channels=facts[0], sample_rate=facts[1])


def _copied(
    container: av.container.InputContainer,
    stream: av.VideoStream | av.AudioStream,
    path: Path,
    options: dict[str, str],
    report: Callable[[float], None],
) -> None:
    opening.prepare(container, stream)
    try:
        with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact", **options}) as out:
            copy = out.add_stream_from_template(stream)
            copy.metadata.clear()
            for number, packet in enumerate(opening.packets(container, [stream])):
                packet.stream = copy
                out.mux(packet)
                if number % _REPORT_PACKETS == 0:
                    report(0.0)
    except (av.error.FFmpegError, ValueError) as error:
        raise BadMedia(
            f"its packets cannot be streamed ({type(error).__name__}): transcode the film first", code="not_streamable"
        ) from None
    _branded(path)


def _branded(path: Path) -> None:
    """Says in the file's first box that it is a CMAF track."""
    with path.open("r+b") as file:
        (size,) = struct.unpack(">I", file.read(4))
        brands = file.read(size - 4)
        file.seek(4)
        file.write(brands.replace(_BRAND_OF_FFMPEG, _BRAND, 1))


def _parsed(path: Path) -> tuple[int, tuple[CmafFragment, ...]]:
    """(bytes before the index, fragments), by the index itself (ISO/IEC 14496-12, 8.16.3)."""
    with path.open("rb") as file:
        at = 0
        for kind, size in _boxes(path):
            if kind == b"sidx":
                file.seek(at + 8)
                return at, tuple(_fragments(file.read(min(size, _MAX_INDEX_BYTES) - 8), at + size))
            at += size
    raise BadMedia("the film has no packets that can be streamed", code="not_streamable")


def _boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    with path.open("rb") as file:
        at = 0
        while len(head := file.read(16)) >= 8:
            size, kind = struct.unpack(">I4s", head[:8])
            size = struct.unpack(">Q", head[8:16])[0] if size == 1 else size
            if size < 8:
                return
            yield kind, size
            at += size
            file.seek(at)


def _fragments(index: bytes, start: int) -> Iterator[CmafFragment]:
    version, _, scale = struct.unpack_from(">B3xII", index)
    offset = 12 + (16 if version else 8)
    (count,) = struct.unpack_from(">2xH", index, offset)
    for number in range(count):
        size, duration = struct.unpack_from(">II", index, offset + 4 + 12 * number)
        yield CmafFragment(start, size & 0x7FFFFFFF, Fraction(duration, scale))
        start += size & 0x7FFFFFFF
