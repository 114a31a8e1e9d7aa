"""What coded units say of their picture, from the bytes that the standards define."""

from typing import Any

import av
import pytest

from decoders.ffmpeg.picture_units import PictureUnits, UnitFacts

START, SPARED, REFERRED_TO = UnitFacts(starts=True), UnitFacts(spared=True), UnitFacts()
AVCC = bytes([1, 77, 64, 31, 0xFF])


def hvcc(layers: int) -> bytes:
    """The head of ISO/IEC 14496-15, 8.3.3.1, with four bytes of length."""
    return bytes([1, *[0] * 20, layers << 3 | 3, 0])


def packet(*units: bytes, codes: bool = False) -> "av.Packet[Any]":
    lead = b"\0\0\0\1"
    return av.Packet(b"".join((lead if codes else len(unit).to_bytes(4)) + unit for unit in units))


@pytest.mark.parametrize(
    ("header", "facts"),
    [(0x65, START), (0x41, REFERRED_TO), (0x01, SPARED), (0x61, REFERRED_TO)],
)
@pytest.mark.parametrize("codes", [True, False])
def test_h264(header: int, facts: UnitFacts, codes: bool) -> None:
    units = PictureUnits("h264", b"" if codes else AVCC)
    assert units.of(packet(b"\x09\x10", bytes([header, 0x88, 0x80]), codes=codes)) == facts


@pytest.mark.parametrize(
    ("kind", "facts"), [(19, START), (21, START), (0, SPARED), (8, SPARED), (1, REFERRED_TO), (9, REFERRED_TO)]
)
@pytest.mark.parametrize("codes", [True, False])
def test_h265(kind: int, facts: UnitFacts, codes: bool) -> None:
    parameters = b"\0\0\0\1\x40\x01\x0c\x01\xff\xff"
    units = PictureUnits("hevc", parameters if codes else hvcc(1))
    assert units.of(packet(b"\x46\x01\x50", bytes([kind << 1, 1, 0xAF]), codes=codes)) == facts


@pytest.mark.parametrize("extradata", [hvcc(3), hvcc(0), b"\0\0\0\1\x40\x01\x0c\x05\xff\xff", b"", None])
def test_h265_with_temporal_layers_or_without_word_of_them_spares_nothing(extradata: bytes | None) -> None:
    units = PictureUnits("hevc", extradata)
    codes = not (extradata or b"").startswith(b"\1")
    assert units.of(packet(bytes([0, 1, 0xAF]), codes=codes)) == REFERRED_TO
    assert units.of(packet(bytes([19 << 1, 1, 0xAF]), codes=codes)) == START


@pytest.mark.parametrize(("kind", "facts"), [(1, REFERRED_TO), (2, REFERRED_TO), (3, SPARED)])
def test_mpeg2(kind: int, facts: UnitFacts) -> None:
    head = b"\0\0\1\0" + bytes([0, kind << 3, 0, 0])
    assert PictureUnits("mpeg2video", b"").of(av.Packet(head)) == facts


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2video"])
@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\1", b"\0\0\1\0", b"\xff" * 40, bytes(40)])
@pytest.mark.parametrize("extradata", [b"", AVCC, hvcc(1)])
def test_nonsense_says_nothing(codec: str, data: bytes, extradata: bytes) -> None:
    assert not PictureUnits(codec, extradata).of(av.Packet(data)).starts
