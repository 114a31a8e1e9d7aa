"""Video without a container: recognises the stream by its start codes and names the demuxer that may read it (pure).

Such a stream has no times. Its pictures are laid end to end in display order, at the rate that the stream states, or at
`ASSUMED_RATE` where it states none.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

ASSUMED_RATE = 25
"""Frames per second for a stream that states no rate."""

# Higher values come from damaged or misused fields. They would make the footage last no time.
MAX_RATE = 1000
RATE_ASSUMED = f"the stream states no frame rate; {ASSUMED_RATE} frames a second are assumed"

ELEMENTARY = frozenset({"h264", "hevc", "mpegvideo", "m4v", "mjpeg", "obu"})
"""Demuxers of such streams. Reads start at byte 0: the streams have no index, and no times to seek by."""

ANIMATED = frozenset({"gif", "apng"})
"""Demuxers of animated pictures: each picture has its own duration, and most only change parts of the one before."""


def picture_rate(stated: Fraction | None) -> tuple[Fraction, bool]:
    """Pictures per second, and whether the value is assumed because the stated one is missing or impossible."""
    if stated and 1 <= stated <= MAX_RATE:
        return stated, False
    return Fraction(ASSUMED_RATE), True


def packet_ticks(reported: int | None, usual: int) -> int:
    """The duration of a packet in ticks: `reported` if it is plausible, else `usual`. A field is half a picture, and a
    repeated field adds another half. Other values are the demuxer's guess for a stream without a rate.
    """
    return reported if reported and usual * 2 // 5 <= reported <= usual * 7 // 2 else usual


@dataclass(frozen=True, slots=True)
class Elementary:
    """`demuxer` is empty for a stream that is recognised but not supported."""

    name: str
    demuxer: str = ""

    @property
    def readable(self) -> bool:
        return bool(self.demuxer) or self.name == PROGRAM_STREAM.name


PROGRAM_STREAM = Elementary("an MPEG program stream")  # a container that begins with the same kind of start code
_H264 = Elementary("an H.264 stream without a container", "h264")
_HEVC = Elementary("an HEVC stream without a container", "hevc")
_MPEG = Elementary("an MPEG-1 or MPEG-2 video stream without a container", "mpegvideo")
_MPEG4 = Elementary("an MPEG-4 video stream without a container", "m4v")
_AV1 = Elementary("an AV1 stream without a container", "obu")
_VVC = Elementary("a VVC stream without a container")
_VC1 = Elementary("a VC-1 stream without a container")

_CODE = re.compile(rb"\x00\x00\x01(..)", re.DOTALL)
# Bounds the work for a file of start codes. Parameter sets come first in every stream that can be decoded.
_MAX_CODES = 200


def elementary_stream(head: bytes) -> Elementary | None:
    """Recognises a stream by its first start codes; None for others. Only zeros may come before the first code."""
    if head.startswith(b"\x12\x00\x0a"):  # a temporal delimiter, then a sequence header
        return _AV1
    first = _CODE.search(head)
    # Anything but zeros in front means another format that happens to hold such a code.
    if first is None or head[: first.start()].strip(b"\0"):
        return None
    codes = [match.group(1) for _, match in zip(range(_MAX_CODES), _CODE.finditer(head), strict=False)]
    begin = codes[0][0]
    if begin == 0xB3:
        return _MPEG
    # Pack headers and system or stream headers (ISO/IEC 13818-1), which bare streams do not have.
    if begin == 0xBA or 0xBB <= begin <= 0xEF:
        return PROGRAM_STREAM
    # Below 0x20 are video objects. They alone would also fit other formats, so a picture (0xB6) must follow.
    if begin in (0xB0, 0xB5) or (begin < 0x20 and any(code[0] == 0xB6 for code in codes)):
        return _MPEG4
    if begin == 0x0F:
        return _VC1
    return _network_units(codes)


def _network_units(codes: list[bytes]) -> Elementary | None:
    """Recognises H.264, HEVC and VVC by their parameter sets."""
    # The first bit of every unit is 0 (forbidden_zero_bit); a quarter may be damaged.
    if 4 * sum(code[0] >> 7 for code in codes) > len(codes):
        return None
    if {b"\x42\x01", b"\x44\x01"} <= set(codes):
        return _HEVC
    if {b"\x00\x79", b"\x00\x81"} <= set(codes):
        return _VVC
    # A parameter set has nal_ref_idc above 0 (ITU-T H.264, 7.4.1).
    kinds = {code[0] & 0x1F for code in codes if code[0] & 0x60}
    return _H264 if {7, 8} <= kinds else None
