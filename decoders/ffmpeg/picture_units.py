"""What a packet says of its picture without being decoded: whether decoding may begin at it, and whether another
picture refers to it. Reads headers of its coded units (NAL units of ITU-T H.264 and H.265, start codes of MPEG-2).
"""

from dataclasses import dataclass
from typing import Any

import av

from decoders.formats.h264 import IDR, length_bytes, units
from stream.events.media import Media

REORDERED = {"h264": 32, "hevc": 32, "mpeg2video": 4}
"""Codecs whose packets are not in the order of display: how many pictures may come before one that is shown earlier,
with room for fields. In the other codecs here no packet is shown before an earlier one.
"""
_IN_ORDER = frozenset({"vp8", "vp9", "av1", "mjpeg", "prores", "dnxhd"})
_MPEG2_PICTURE = b"\x00\x00\x01\x00"
_MPEG2_B = 3
_H264_SLICES = frozenset({1, IDR})
# H.265, table 7-1: pictures are types 0 to 31; random access points 16 to 23; even ones up to 14 are not referred to.
_HEVC_PICTURES, _HEVC_STARTS, _HEVC_LAST_SPARED = range(32), range(16, 24), 14
_HEVC_PARAMETERS = b"\x00\x00\x01\x40\x01"
_HVCC_BYTES = 23


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """`starts`: decoding may begin here, and pictures shown later do not refer to earlier ones. `spared`: no picture
    refers to this one.
    """

    starts: bool = False
    spared: bool = False


class PictureUnits:
    """For one stream. Where something is not certain a packet has neither property, and nothing is left out for it."""

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self._codec = codec
        extra = extradata or b""
        # avcC and hvcC begin with their version, 1; other streams separate units by start codes.
        self._length_bytes = length_bytes(extra) if codec == "h264" else 0
        self._one_layer = False
        if codec == "hevc":
            self._read_hevc(extra)

    @staticmethod
    def tell(media: Media) -> bool:
        """Whether packets of such a stream can be left out. Fields are not: two packets may be one picture."""
        return not media.interlaced and (media.codec in REORDERED or media.codec in _IN_ORDER)

    def of(self, packet: "av.Packet[Any]") -> UnitFacts:
        if self._codec == "h264":
            return self._h264(bytes(packet))
        if self._codec == "hevc":
            return self._hevc(bytes(packet))
        if self._codec == "mpeg2video":
            return UnitFacts(packet.is_keyframe, _is_mpeg2_b(bytes(packet)))
        return UnitFacts(packet.is_keyframe)

    def _h264(self, data: bytes) -> UnitFacts:
        # A key packet may also be a recovery point, after which pictures become whole one by one.
        for at in units(data, self._length_bytes):
            kind = data[at] & 31
            if kind in _H264_SLICES:
                return UnitFacts(kind == IDR, not data[at] >> 5 & 3)
        return UnitFacts()

    def _hevc(self, data: bytes) -> UnitFacts:
        for at in units(data, self._length_bytes):
            kind = data[at] >> 1 & 63
            if kind in _HEVC_PICTURES:
                # A picture of a lower temporal layer may be referred to by those of higher ones.
                spared = self._one_layer and kind <= _HEVC_LAST_SPARED and not kind % 2
                return UnitFacts(kind in _HEVC_STARTS, spared)
        return UnitFacts()

    def _read_hevc(self, extra: bytes) -> None:
        if extra[:1] == b"\x01" and len(extra) >= _HVCC_BYTES:
            self._length_bytes = (extra[21] & 3) + 1
            self._one_layer = extra[21] >> 3 & 7 == 1
            return
        at = extra.find(_HEVC_PARAMETERS) + len(_HEVC_PARAMETERS)
        self._one_layer = at >= len(_HEVC_PARAMETERS) and len(extra) > at + 1 and not extra[at + 1] >> 1 & 7


def _is_mpeg2_b(data: bytes) -> bool:
    at = data.find(_MPEG2_PICTURE) + len(_MPEG2_PICTURE)
    return len(_MPEG2_PICTURE) <= at < len(data) - 1 and data[at + 1] >> 3 & 7 == _MPEG2_B
