"""Files that claim what cannot be, made by patching small honest ones."""

import struct
from collections.abc import Iterator
from pathlib import Path

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl")


def boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte, end) of the MP4 boxes in [start, end)."""
    while start + 8 <= end:
        size = struct.unpack_from(">I", content, start)[0]
        yield bytes(content[start + 4 : start + 8]), start, start + size
        start += size


def with_boxes(content: bytes, name: bytes, replacement: bytes) -> bytes:
    """Every box `name`, however deep, replaced; sizes of its parents follow. Only for files whose `moov` is last."""
    made = bytearray()
    for found, start, end in boxes(content, 0, len(content)):
        if found == name:
            made += replacement
        elif found in PARENTS:
            inner = with_boxes(content[start + 8 : end], name, replacement)
            made += struct.pack(">I", len(inner) + 8) + found + inner
        else:
            made += content[start:end]
    return bytes(made)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def with_many_tracks(content: bytes, count: int) -> bytes:
    """An MP4 whose `trak` stands there `count` times."""
    (_, moov, end) = next(found for found in boxes(content, 0, len(content)) if found[0] == b"moov")
    (_, trak, trak_end) = next(found for found in boxes(content, moov + 8, end) if found[0] == b"trak")
    return content[:moov] + box(b"moov", content[moov + 8 : trak] + content[trak:trak_end] * count)


def with_reference(content: bytes, entry: bytes) -> bytes:
    """A MOV whose media data lies, as its data reference says, in another file; its own is blank."""
    blank = bytearray(with_boxes(content, b"dref", box(b"dref", struct.pack(">II", 0, 1) + entry)))
    for name, start, end in boxes(bytes(blank), 0, len(blank)):
        if name == b"mdat":
            blank[start + 8 : end] = bytes(end - start - 8)
    return bytes(blank)


def url_reference(path: Path | str) -> bytes:
    return box(b"url ", bytes(4) + str(path).encode() + b"\0")


def alias_reference(path: Path) -> bytes:
    """A classic Mac alias record, as FFmpeg's reader of `alis` takes it apart: volume, name, then typed strings."""
    name = path.name.encode()[:63]
    record = bytes(10)
    record += struct.pack(">B", 6) + b"volume".ljust(27, b"\0") + bytes(12)
    record += struct.pack(">B", len(name)) + name.ljust(63, b"\0") + bytes(16)
    record += struct.pack(">hh", 1, 1) + bytes(16)
    for kind, text in ((2, str(path).replace("/", ":")), (18, str(path)), (19, "/")):
        raw = text.encode()
        record += struct.pack(">hH", kind, len(raw)) + raw + bytes(len(raw) % 2)
    record += struct.pack(">h", -1)
    return box(b"alis", bytes(4) + record)


def moved_pes_times(content: bytes, from_byte: int, ticks: int) -> bytes:
    """An MPEG transport stream whose video times jump by `ticks` (90 kHz) from some byte on."""
    moved = bytearray(content)
    at = moved.find(b"\0\0\1\xe0", from_byte)
    while at >= 0:
        flags, first = moved[at + 7] >> 6, at + 9
        for place in [first] if flags == 2 else [first, first + 5] if flags == 3 else []:
            _move(moved, place, ticks)
        at = moved.find(b"\0\0\1\xe0", at + 4)
    return bytes(moved)


def _move(content: bytearray, at: int, ticks: int) -> None:
    one, two, three = content[at], *struct.unpack_from(">HH", content, at + 1)
    time = ((one >> 1 & 7) << 30 | (two >> 1) << 15 | three >> 1) + ticks & 2**33 - 1
    content[at] = one & 0xF0 | (time >> 30) << 1 | 1
    struct.pack_into(">HH", content, at + 1, (time >> 15 & 0x7FFF) << 1 | 1, (time & 0x7FFF) << 1 | 1)
