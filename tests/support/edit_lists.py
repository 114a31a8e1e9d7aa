"""MP4 edit lists that PyAV's muxer does not write, put in place of the one it did (ISO/IEC 14496-12, 8.6.6)."""

import struct
from collections.abc import Sequence

_MOVIE_TIMESCALE = 1000


def with_edits(content: bytes, edits: Sequence[tuple[float, float]]) -> bytes:
    """`content` playing [(seconds, from second of the media)] instead; it must hold as many edits as are given."""
    changed = bytearray(content)
    at = content.index(b"elst") + 4
    (count,) = struct.unpack_from(">I", content, at + 4)
    held = [struct.unpack_from(">IiI", content, at + 8 + 12 * number) for number in range(count)]
    assert count == len(edits), "the list is replaced in place"
    first_shown = next(start for _, start, _ in held if start >= 0)
    (timescale,) = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)
    for number, (seconds, start) in enumerate(edits):
        entry = round(seconds * _MOVIE_TIMESCALE), first_shown + round(start * timescale), 1 << 16
        struct.pack_into(">IiI", changed, at + 8 + 12 * number, *entry)
    return bytes(changed)
