"""Recognises pictures by their first bytes, and whether they are animated (pure)."""

import re
import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """`demuxer` reads an animated picture. It is empty for a still one and for an animation that FFmpeg cannot play
    (`moves`).
    """

    name: str
    demuxer: str = ""
    moves: bool = False


_STILL: tuple[tuple[int, bytes, str], ...] = (
    (0, b"II*\0", "TIFF or camera raw"),
    (0, b"MM\0*", "TIFF or camera raw"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"SDPX", "DPX"),
    (0, b"XPDS", "DPX"),
    (0, b"qoif", "QOI"),
    (0, b"DDS ", "DDS"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
    (0, b"\x00\x00\x01\x00\x01\x00", "icon"),
)
# The end of one picture, padding, and the start of the next.
_NEXT_PICTURE = re.compile(rb"\xff\xd9\x00*\xff\xd8\xff")


def picture(head: bytes) -> Picture | None:
    """Recognises a picture; None for other files."""
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Picture("a GIF animation", "gif") if gif_moves(head) else Picture("a still picture (GIF)")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Picture("an animated PNG", "apng") if _png_moves(head) else Picture("a still picture (PNG)")
    if head.startswith(b"\xff\xd8\xff"):
        if jpeg_moves(head):
            return Picture("an MJPEG stream without a container", "mjpeg")
        return Picture("a still picture (JPEG)")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        moves = head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 2)
        return Picture("an animated WebP picture", moves=True) if moves else Picture("a still picture (WebP)")
    # `BM` alone begins ordinary text too. Bytes 6 to 9 are reserved and 0 in a bitmap.
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return Picture("a still picture (BMP)")
    return next((Picture(f"a still picture ({name})") for at, mark, name in _STILL if head.startswith(mark, at)), None)


def gif_moves(head: bytes) -> bool:
    """Whether a second picture follows the first. Also true where `head` ends inside the first: the demuxer decides."""
    place = _after_colours(13, head[10:11])
    pictures = 0
    while place is not None and place < len(head):
        block = head[place]
        if block == 0x3B:
            break
        if block == 0x2C:
            pictures += 1
            after = _after_colours(place + 10, head[place + 9 : place + 10])
            place = None if after is None else _after_blocks(head, after + 1)
        elif block == 0x21:
            place = _after_blocks(head, place + 2)
        else:
            break
        if pictures > 1:
            return True
    return place is None or place >= len(head)


def _after_colours(place: int, flags: bytes) -> int | None:
    """The position after a colour table, if the flags say that there is one; None where the flags are missing."""
    if not flags:
        return None
    return place + (3 << (flags[0] & 7) + 1 if flags[0] & 0x80 else 0)


def _after_blocks(head: bytes, place: int) -> int | None:
    """The position after a run of sub-blocks; None where it continues beyond `head`."""
    while place < len(head):
        size = head[place]
        place += 1 + size
        if size == 0:
            return place
    return None


def _png_moves(head: bytes) -> bool:
    """Whether an `acTL` chunk comes before the picture data, as in an animated PNG."""
    place = 8
    while place + 8 <= len(head):
        # Chunk sizes are the file's own. A large one ends the walk, because the next place lies beyond the head.
        size, kind = struct.unpack_from(">I4s", head, place)
        if kind == b"acTL":
            return True
        if kind == b"IDAT":
            return False
        place += 12 + size  # length, type and checksum beside the data
    return False


def jpeg_moves(head: bytes) -> bool:
    """Whether a second picture follows the first directly and the file is no MPF photo. MPF (CIPA DC-007) adds a
    preview, the other eye or a gain map to a photo and declares it.
    """
    return _NEXT_PICTURE.search(head) is not None and b"MPF\0" not in head
