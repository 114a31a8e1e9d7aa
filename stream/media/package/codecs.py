"""Names of codecs for players (RFC 6381), read from the headers that MP4 keeps. Pure."""

from collections.abc import Callable, Mapping

from stream.errors import BadMedia


def codec_of(name: str, header: bytes | None) -> str:
    """Raises `BadMedia` `not_streamable` for what HLS and DASH do not carry, and for a header in another form."""
    make = _NAMES.get(name)
    if make is None:
        raise BadMedia(
            f"{name} cannot be streamed: transcode it first, for example with the profile h264_web",
            code="not_streamable",
        )
    try:
        return make(header or b"")
    except (IndexError, ValueError):
        raise BadMedia(f"the header of the {name} stream is not that of an MP4 file", code="not_streamable") from None


def _h264(header: bytes) -> str:
    """`avcC` (ISO/IEC 14496-15): profile, its constraints, level."""
    if header[0] != 1:
        raise ValueError
    return f"avc1.{header[1]:02x}{header[2]:02x}{header[3]:02x}"


def _h265(header: bytes) -> str:
    """`hvcC` (ISO/IEC 14496-15, annex E)."""
    if header[0] != 1:
        raise ValueError
    space = ("", "A", "B", "C")[header[1] >> 6]
    flags = int(f"{int.from_bytes(header[2:6]):032b}"[::-1], 2)
    tier = "H" if header[1] & 0x20 else "L"
    constraints = header[6:12].rstrip(b"\0")
    parts = [f"{space}{header[1] & 31}", f"{flags:X}", f"{tier}{header[12]}", *(f"{byte:X}" for byte in constraints)]
    return "hvc1." + ".".join(parts)


def _av1(header: bytes) -> str:
    """`av1C` (AV1 in ISOBMFF, section 5)."""
    if header[0] != 0x81:
        raise ValueError
    profile, level = header[1] >> 5, header[1] & 31
    tier = "H" if header[2] & 0x80 else "M"
    depth = 8 if not header[2] & 0x40 else 12 if header[2] & 0x20 else 10
    return f"av01.{profile}.{level:02}{tier}.{depth:02}"


def _aac(header: bytes) -> str:
    """The audio object type of an AudioSpecificConfig (ISO/IEC 14496-3)."""
    kind = header[0] >> 3
    if not 1 <= kind <= 30:
        raise ValueError
    return f"mp4a.40.{kind}"


_NAMES: Mapping[str, Callable[[bytes], str]] = {"h264": _h264, "hevc": _h265, "av1": _av1, "aac": _aac}
