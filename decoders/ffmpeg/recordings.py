"""Where another recording begins in a file: recorders that append after a restart join whole files byte by byte.

No demuxer of FFmpeg handles such files. Some stop after the first recording, others read on with its codec parameters
and time base. So each recording is opened alone (ADR 0030).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from decoders.protocol import Source

BEGINNINGS: dict[str, re.Pattern[bytes]] = {
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3.{1,60}?\x42\x82.(?:matroska|webm)", re.DOTALL),
    "ogg": re.compile(rb"OggS\x00[\x02\x06]"),
    "flv": re.compile(rb"FLV\x01.\x00\x00\x00\x09\x00\x00\x00\x00", re.DOTALL),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    "mxf": re.compile(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"),
    "ivf": re.compile(rb"DKIF\x00\x00\x20\x00"),
    "nut": re.compile(rb"nut/multimedia container\x00"),
    "rm": re.compile(rb"\.RMF\x00\x00\x00\x12"),
    "mov": re.compile(rb"\x00\x00\x00[\x10-\x60]ftyp[\x20-\x7e]{4}.{4,88}?moov", re.DOTALL),
    "avi": re.compile(rb"RIFF.{4}AVI LIST.{4}hdrlavih", re.DOTALL),
}
"""Bytes that only the head of a file holds. Transport and program streams have no head; GXF and DV repeat theirs. MP4
and AVI are also walked (`walk`): with an index, the reader does not read the whole file.
"""

# Longer than every pattern below matches, so that a head across two blocks is found.
_OVERLAP_BYTES = 160
_BLOCK_BYTES = 1 << 20


class Beginnings:
    """Finds heads like the one at `start` in blocks that are read anyway: pass every block to `seen`."""

    def __init__(self, start: int) -> None:
        self._pattern: re.Pattern[bytes] | None = None
        self._start = start
        self._tail: tuple[int, bytes] = (start, b"")
        self.places: list[int] = []
        self.known: frozenset[int] = frozenset()
        self.read_until = start

    def seen(self, at: int, data: bytes) -> None:
        if at == self._start:
            # Only heads of the first one's format count: a recorder appends its own kind.
            self._pattern = next((each for each in BEGINNINGS.values() if each.match(data)), None)
        if self._pattern is None or not data:
            return
        end, tail = self._tail
        # Only neighbouring reads are joined: the demuxer jumps, and bytes of two places make no head.
        joined, begins = (tail + data, at - len(tail)) if at == end else (data, at)
        for found in self._pattern.finditer(joined):
            place = begins + found.start()
            if place > self._start and place not in self.places:  # the overlap may show a head twice
                self.places.append(place)
        self._tail = (at + len(data), joined[-_OVERLAP_BYTES:])
        self.read_until = max(self.read_until, at + len(data))

    def after(self, place: int) -> int | None:
        """The first head after `place`, or None. Bytes before the first packet belong to the recording's own head."""
        return min((each for each in self.places if each > place and each not in self.known), default=None)

    def read_on(self, source: Source, end: int) -> None:
        """Searches the bytes up to `end` that the demuxer did not read."""
        if self._pattern is None:
            return
        at = max(self._start, self.read_until - _OVERLAP_BYTES)
        while at < end:
            source.seek(at)
            data = source.read(min(_BLOCK_BYTES, end - at))
            if not data:
                return
            self.seen(at, data)
            at += len(data)


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What the outermost structure of a recording says. `end`: where another recording begins, or None. `fragments`:
    fragments list pictures too, so the index is not complete. `repeats`: where the recording repeats its own head.
    """

    end: int | None = None
    fragments: bool = False
    repeats: frozenset[int] = frozenset()


def walk(source: Source, container: str, start: int, size_bytes: int) -> Walk:
    """Walks MP4 and AVI from byte `start`. Other containers have no outermost structure that helps."""
    if container == "mov":
        return _walk_boxes(source, start, size_bytes)
    if container == "avi":
        return Walk(_end_of_riffs(source, start, size_bytes))
    return Walk()


def _walk_boxes(source: Source, start: int, size_bytes: int) -> Walk:
    """ISO/IEC 14496-12: a file has one `moov`. A second one belongs to another recording, unless it repeats the first
    inside a sequence of fragments.
    """
    movie: _Chunk | None = None
    media: _Chunk | None = None
    head: int | None = None
    repeats: set[int] = set()
    fragments = False
    for box in _boxes(source, start, size_bytes):
        if box.kind == b"ftyp" and (movie or media):
            head = box.start if head is None else head
        elif box.kind == b"moov":
            if movie is None and head is None:
                movie = box
            elif movie is not None and _repeats_movie(source, movie, box, size_bytes):
                repeats.add(box.start if head is None else head)
                head = None
            else:
                return Walk(head or _beginning(movie, media, box), fragments, frozenset(repeats))
        elif box.kind == b"moof":
            fragments |= head is None
        elif box.kind == b"mdat":
            if head is not None and movie is not None:
                return Walk(head, fragments, frozenset(repeats))
            media = media or box
    return Walk(None, fragments, frozenset(repeats))


def _beginning(movie: _Chunk | None, media: _Chunk | None, second: _Chunk) -> int:
    """Where a recording without `ftyp` (QuickTime) begins: after the first movie if that came last, else at the
    second movie.
    """
    assert movie is not None, "a second movie follows a first"
    return movie.end if media is not None and media.start < movie.start else second.start


def _repeats_movie(source: Source, movie: _Chunk, box: _Chunk, size_bytes: int) -> bool:
    """Whether `box` repeats `movie`: packagers put the same `moov` before every segment, and decode times continue."""
    if _bytes(source, movie) != _bytes(source, box):
        return False
    fragment = next((each for each in _boxes(source, box.end, size_bytes) if each.kind == b"moof"), None)
    if fragment is None:
        return False
    content = _bytes(source, fragment)
    at = content.find(b"tfdt")
    if at < 0 or at + 16 > len(content):
        return False
    # A fragment's decode time (`tfdt`) of 0 starts a new recording; a later time continues this one.
    return any(content[at + 8 : at + (16 if content[at + 4] else 12)])


def _boxes(source: Source, start: int, size_bytes: int) -> Iterator[_Chunk]:
    at = start
    while at + 8 <= size_bytes:
        source.seek(at)
        header = source.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        # ISO/IEC 14496-12, 4.2: size 1 means a 64-bit size follows, size 0 means the box extends to the end of the
        # file.
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        end = size_bytes if size == 0 else at + size
        # Not a box: damage, or data that was appended without one. Its size means nothing.
        if end < at + 8 or not kind.strip(b" \xa9").isalnum():
            return
        yield _Chunk(kind, at, min(end, size_bytes))
        at = end


def _bytes(source: Source, chunk: _Chunk, most: int = 1 << 20) -> bytes:
    source.seek(chunk.start)
    return source.read(min(most, chunk.end - chunk.start))


def _end_of_riffs(source: Source, start: int, size_bytes: int) -> int | None:
    """Where another recording begins. OpenDML (AVI 2.0) continues a recording in `AVIX` chunks; a new `AVI ` starts
    one.
    """
    at = start
    while at + 12 <= size_bytes:
        source.seek(at)
        header = source.read(12)
        if header[:4] != b"RIFF" or header[8:] not in (b"AVI ", b"AVIX"):
            return None
        if at > start and header[8:] == b"AVI ":
            return at
        # RIFF pads chunks to even sizes.
        at += 8 + int.from_bytes(header[4:8], "little") + int.from_bytes(header[4:8], "little") % 2
    return None
