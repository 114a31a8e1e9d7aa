"""Seeded damage for fuzz tests: files as broken or forged in transit would be, and events as strangers would send."""

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.testbed.clips import write_clip

Mutation = Callable[[bytearray, random.Random], None]

BOXES = (
    b"mvhd",
    b"mdhd",
    b"tkhd",
    b"stsd",
    b"stts",
    b"ctts",
    b"stss",
    b"stsz",
    b"stsc",
    b"stco",
    b"elst",
    b"trak",
    b"mdia",
    b"stbl",
    b"moov",
    b"mdat",
    b"hdlr",
    b"dref",
    b"ftyp",
    b"avc1",
    b"avcC",
    b"trun",
)
ELEMENTS = tuple(
    bytes.fromhex(name)
    for name in (
        "1a45dfa3",
        "18538067",
        "1549a966",
        "2ad7b1",
        "4489",
        "1654ae6b",
        "ae",
        "e0",
        "b0",
        "ba",
        "83",
        "1f43b675",
        "e7",
        "a3",
        "a0",
        "1c53bb6b",
    )
)
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFE, 60_000)


def fuzz_clips(folder: Path) -> list[Path]:
    """One tiny clip for each container, two cells each but for the slow encoders."""
    faststart = {"movflags": "faststart"}
    fragmented = {"movflags": "frag_keyframe+empty_moov"}
    full_range = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24"}
    recipes: list[tuple[str, str, dict[str, str]]] = [
        ("plain.mp4", "libx264", {}),
        ("faststart.mp4", "libx264", faststart),
        ("fragmented.mp4", "libx264", fragmented),
        ("clip.mov", "mpeg4", {}),
        ("clip.mkv", "libx264", {}),
        ("clip.ts", "libx264", {}),
        ("clip.avi", "mpeg4", {}),
        ("clip.mpg", "mpeg2video", {}),
        ("clip.webm", "libvpx-vp9", {}),
        ("clip.h264", "libx264", {}),
        ("clip.hevc", "libx265", {}),
        ("clip.m2v", "mpeg2video", {}),
        ("clip.mjpeg", "mjpeg", {}),
        ("clip.gif", "gif", {}),
        ("clip.apng", "apng", {}),
        ("clip.y4m", "rawvideo", {}),
    ]
    return [
        write_clip(
            folder / name,
            seconds=11,
            fps=25 if codec == "mpeg2video" else 5,
            gop=10,
            size=(64, 48),
            codec=codec,
            audio=name in {"plain.mp4", "clip.ts", "clip.mkv"},
            container_options=options,
            pix_fmt=full_range.get(codec, "yuv420p"),
        ).path
        for name, codec, options in recipes
    ]


def mutated(whole: bytes, rng: random.Random) -> bytes:
    """`whole` after one to three kinds of damage; never empty."""
    content = bytearray(whole)
    for mutation in rng.choices(MUTATIONS, k=rng.choice((1, 1, 2, 3))):
        mutation(content, rng)
    return bytes(content) or b"\0"


def _flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 8, 64, 512))):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _flip_bits_in_header(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 16))):
        if content:
            content[rng.randrange(min(len(content), 2000))] ^= 1 << rng.randrange(8)


def _truncate(content: bytearray, rng: random.Random) -> None:
    if content:
        del content[rng.randrange(len(content)) :]


def _cut_out(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    del content[start : start + rng.choice((1, 4, 188, 4096))]


def _swap_blocks(content: bytearray, rng: random.Random) -> None:
    size = rng.choice((16, 188, 512, 4096))
    if len(content) > 2 * size:
        first, second = (rng.randrange(len(content) - size) for _ in range(2))
        block = content[first : first + size]
        content[first : first + size] = content[second : second + size]
        content[second : second + size] = block


def _zero_block(content: bytearray, rng: random.Random) -> None:
    size = rng.choice((4, 64, 1024, 8192))
    start = rng.randrange(len(content) + 1)
    content[start : start + size] = bytes(len(content[start : start + size]))


def _repeat_block(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    block = content[start : start + rng.choice((8, 188, 2048))]
    content[start:start] = block * rng.choice((1, 3, 20))


def _forge_box(content: bytearray, rng: random.Random) -> None:
    """Its size, or one of the numbers in it."""
    name = rng.choice(BOXES)
    places = _places(content, name)
    if places:
        at = rng.choice(places)
        offset = -4 if rng.random() < 0.4 else 4 + 4 * rng.randrange(12)
        _put(content, at + offset, struct.pack(">I", rng.choice((*EXTREMES, rng.getrandbits(32)))))


def _forge_element(content: bytearray, rng: random.Random) -> None:
    name = rng.choice(ELEMENTS)
    places = _places(content, name)
    if places:
        at = rng.choice(places) + len(name)
        forged = rng.choice(
            (b"\xff", b"\x80", b"\x01\xff\xff\xff\xff\xff\xff\xff", b"\x10\xff\xff\xff", rng.randbytes(4))
        )
        _put(content, at, forged)


def _forge_pes_times(content: bytearray, rng: random.Random) -> None:
    """Presentation and decode times of MPEG program and transport streams."""
    places = [at for at in _places(content, b"\0\0\1") if at + 19 <= len(content) and 0xE0 <= content[at + 3] <= 0xEF]
    for at in rng.sample(places, min(len(places), rng.choice((1, 4, 40)))):
        _put(content, at + 9, rng.randbytes(rng.choice((5, 10))))


def _forge_number(content: bytearray, rng: random.Random) -> None:
    layout = rng.choice((">I", "<I", ">H", "<H", ">Q", "<Q"))
    bits = 8 * struct.calcsize(layout)
    value = rng.choice((*EXTREMES, rng.getrandbits(64), 2**63 - 1, 2**63)) & (2**bits - 1)
    _put(content, rng.randrange(len(content) + 1), struct.pack(layout, value))


def _places(content: bytearray, name: bytes) -> list[int]:
    found: list[int] = []
    at = content.find(name)
    while at >= 0 and len(found) < 2000:
        found.append(at)
        at = content.find(name, at + 1)
    return found


def _put(content: bytearray, at: int, value: bytes) -> None:
    if 0 <= at <= len(content) - len(value):
        content[at : at + len(value)] = value


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _flip_bits_in_header,
    _truncate,
    _cut_out,
    _swap_blocks,
    _zero_block,
    _repeat_block,
    _forge_box,
    _forge_box,
    _forge_element,
    _forge_pes_times,
    _forge_number,
)

TEXTS = (
    "",
    "a\0b",
    "\x1b[2J\x1b]0;owned\x07",
    "../../../etc/passwd",
    "x' OR '1'='1",
    "'; DROP TABLE moments; --",
    "\u202egpj.exe",
    "\ud800",
    "\udfff\ud800",
    "\U0001f4a3" * 300,
    "é" * 100,
    "e\u0301" * 40,
    "A" * 5000,
    "%00",
    "NaN",
    "__HIVE_DEFAULT_PARTITION__",
    "tenant=a/day=b",
    "\ufeff\u200b",
)
NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")
)  # fmt: skip


def mutated_json(document: dict[str, Any], rng: random.Random) -> bytes:
    """The document with some values of other types, sizes and depths, as text that may not even be JSON."""
    changed = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 2, 5))):
        changed = _changed(changed, rng)
    text = json.dumps(changed, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    match rng.randrange(12):
        case 0:
            return text[: rng.randrange(len(text) + 1)]
        case 1:
            at = rng.randrange(len(text) + 1)
            return text[:at] + rng.randbytes(rng.choice((1, 4, 30))) + text[at:]
        case 2:
            return text.replace(b"{", b'{"uri":"/etc/passwd","uri":1,', 1)  # the same name twice
        case 3:
            return text.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
    return text


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        match rng.randrange(6):
            case 0:
                return {name: item for name, item in value.items() if name != key}
            case 1:
                return value | {rng.choice(TEXTS): _foreign(rng)}
            case _:
                return value | {key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    return _foreign(rng)


def _foreign(rng: random.Random) -> Any:
    match rng.randrange(8):
        case 0:
            deep: Any = 1
            for _ in range(rng.choice((5, 200, 900))):
                deep = [deep] if rng.random() < 0.5 else {"a": deep}
            return deep
        case 1 | 2:
            return rng.choice(NUMBERS)
        case 3 | 4 | 5:
            return rng.choice(TEXTS)
        case 6:
            return rng.choice((None, True, [], {}, [{}], "0"))
    return {f"k{number}": "v" * 50 for number in range(rng.choice((3, 70, 2000)))}


def mutated_headers(headers: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Headers missing, foreign, oversized or of the wrong type."""
    changed = dict(headers)
    for _ in range(rng.choice((0, 1, 1, 3))):
        name = rng.choice(sorted(changed) or ["ce_id"])
        match rng.randrange(7):
            case 0:
                changed.pop(name, None)
            case 1:
                changed[name] = rng.randbytes(rng.choice((0, 1, 8, 300)))
            case 2:
                changed[name] = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
            case 3:
                changed[name] = name.encode() * 20_000
            case 4:
                changed[name.upper()] = changed.get(name, b"")
            case 5:
                wrong = (b"text/plain", b"application/cloudevents+json", b"application/json; charset=utf-16", b"")
                changed["content-type"] = rng.choice(wrong)
            case 6:
                times = (b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00", b"now", b"-1", b"1" * 15, b"9" * 400)
                changed[rng.choice(("ce_time", "ce_eventtime"))] = rng.choice(times)
    return changed


def forged_arrow(value: bytes, rng: random.Random) -> bytes:
    """An Arrow stream that is well formed and yet not what its reader expects."""
    with pa.ipc.open_stream(value) as reader:
        table, metadata = reader.read_all(), dict(reader.schema.metadata or {})
    match rng.randrange(8):
        case 0:
            table = table.drop_columns([rng.choice(table.column_names)])
        case 1:
            table = pa.concat_tables([table] * rng.choice((2, 3))) if rng.random() < 0.7 else table.slice(0, 0)
        case 2:
            at = rng.randrange(table.num_columns)
            empty = pa.nulls(table.num_rows, table.schema.field(at).type)
            table = table.set_column(at, table.schema.field(at), empty)
        case 3:
            at = rng.randrange(table.num_columns)
            table = table.set_column(at, table.column_names[at], pa.array([rng.choice(TEXTS[:4])] * table.num_rows))
        case 4 | 5 | 6 if b"header" in metadata:
            metadata[b"header"] = mutated_json(json.loads(metadata[b"header"]), rng)
        case 7:
            metadata[rng.choice((b"dense", b"header", b"other"))] = rng.randbytes(rng.choice((0, 10, 3000)))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=rng.choice((None, None, "zstd", "lz4")))
    with pa.ipc.new_stream(sink, table.schema.with_metadata(metadata), options=options) as writer:
        writer.write_table(table.replace_schema_metadata(metadata))
    return bytes(sink.getvalue())
