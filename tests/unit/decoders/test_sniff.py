"""What the first bytes of a file say it is."""

import io
import struct

import pytest
from PIL import Image

from decoders.formats.elementary import elementary_stream
from decoders.formats.sniff import Sort, reaches_far, sniff
from decoders.formats.stills import gif_moves

PICTURES = [Image.new("RGB", (16, 8), colour) for colour in ("red", "green", "blue")]


def encoded(kind: str, count: int) -> bytes:
    out = io.BytesIO()
    more = {"save_all": True, "append_images": PICTURES[1:count], "duration": 40} if count > 1 else {}
    PICTURES[0].save(out, kind, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "count", "name", "demuxer"),
    [
        ("GIF", 1, "a still picture (GIF)", ""),
        ("GIF", 3, "a GIF animation", "gif"),
        ("PNG", 1, "a still picture (PNG)", ""),
        ("PNG", 3, "an animated PNG", "apng"),
        ("WEBP", 1, "a still picture (WebP)", ""),
        ("WEBP", 3, "an animated WebP picture", ""),
        ("JPEG", 1, "a still picture (JPEG)", ""),
        ("MPO", 3, "a still picture (JPEG)", ""),
        ("BMP", 1, "a still picture (BMP)", ""),
        ("TIFF", 1, "a still picture (TIFF or camera raw)", ""),
    ],
)
def test_pictures_move_or_do_not(kind: str, count: int, name: str, demuxer: str) -> None:
    guess = sniff(encoded(kind, count))
    assert (guess.name, guess.demuxer) == (name, demuxer)
    assert guess.sort is (Sort.FOOTAGE if demuxer else Sort.PICTURE)


def test_jpeg_pictures_in_a_row_are_a_stream() -> None:
    whole = encoded("JPEG", 1)
    assert sniff(whole * 3).demuxer == "mjpeg"
    assert sniff(whole + bytes(6) + whole).demuxer == "mjpeg"
    assert reaches_far(whole + bytes(65536 - len(whole)))


def test_a_gif_whose_first_picture_goes_on_beyond_what_is_seen_is_presumed_to_move() -> None:
    whole = encoded("GIF", 3)
    assert all(gif_moves(whole[:size]) for size in range(14, len(whole)))
    still = encoded("GIF", 1)
    assert not gif_moves(still)


@pytest.mark.parametrize(
    ("content", "demuxer"),
    [
        ("00000001 6764001f 00000001 68ee3cb0", "h264"),
        ("000001 0910 000001 6764001f 000001 68ee3cb0 000001 0605", "h264"),
        ("00000001 4601 00000001 4001 00000001 420101 00000001 4401c1", "hevc"),
        ("000001b3 0a005a13", "mpegvideo"),
        ("00000001b3 0a005a13", "mpegvideo"),
        ("000001b0 01 000001b5", "m4v"),
        ("00000100 00000120 00000001b6 10", "m4v"),
        ("12000a0a 00000024", "obu"),
    ],
)
def test_streams_without_a_container(content: str, demuxer: str) -> None:
    guess = sniff(bytes.fromhex(content) + bytes(64))
    assert (guess.sort, guess.demuxer) == (Sort.FOOTAGE, demuxer)


@pytest.mark.parametrize(
    "content",
    ["00000001 6764001f", "01000001 6764001f 00000001 68ee3cb0", "000001 f1f2 000001 f3f4", "000000", "47 000001b3"],
)
def test_what_is_not_known_is_not_guessed(content: str) -> None:
    assert elementary_stream(bytes.fromhex(content)) is None


def test_streams_that_are_not_read_are_named() -> None:
    for content, name in (("0000010f c800", "VC-1"), ("00000001 0079 00000001 0081", "VVC")):
        guess = sniff(bytes.fromhex(content) + bytes(8))
        assert guess.sort is Sort.UNREADABLE
        assert name in guess.name
        assert "convert it" in guess.refusal


@pytest.mark.parametrize("size", [188, 192, 204])
@pytest.mark.parametrize("start", [0, 4, 100])
def test_transport_streams_of_every_packet_size(size: int, start: int) -> None:
    packets = bytearray(1 for _ in range(size * 9))
    packets[start::size] = b"\x47" * len(packets[start::size])
    assert sniff(bytes(packets)).name == "an MPEG transport stream"


def test_boxes_of_every_brand() -> None:
    def box(brand: bytes) -> bytes:
        return struct.pack(">I", 24) + b"ftyp" + brand + bytes(12)

    assert sniff(box(b"isom")).sort is sniff(box(b"qt  ")).sort is sniff(box(b"avis")).sort is Sort.FOOTAGE
    assert sniff(box(b"heic")).sort is sniff(box(b"avif")).sort is sniff(box(b"crx ")).sort is Sort.PICTURE
    assert sniff(box(b"M4A ")).sort is Sort.SOUND


def test_short_marks_are_not_found_in_texts() -> None:
    assert sniff(b"FWSomething is written here").sort is Sort.DOCUMENT
    assert sniff(b"FWS\x0a\0\0").sort is Sort.UNREADABLE
    assert sniff(b"").sort is Sort.UNKNOWN
