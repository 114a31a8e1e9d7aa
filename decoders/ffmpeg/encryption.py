"""Whether footage is encrypted, as far as the container says so. Encrypted pictures cannot be decoded without a key."""

import struct
from typing import Any

import av

from decoders.formats.ebml import elements, within
from decoders.protocol import Source
from stream.errors import BadMedia

HEAD_BYTES = 1 << 20
"""Bytes read from the start of a Matroska file: its track list comes before the pictures."""

_INFO = struct.Struct(">6I")
_SUBSAMPLE = struct.Struct(">2I")
_SEGMENT, _TRACKS, _ENTRY, _ENCODINGS, _ENCODING, _ENCRYPTION = (
    *(0x18538067, 0x1654AE6B, 0xAE),
    *(0x6D80, 0x6240, 0x5035),
)
_EBML = b"\x1a\x45\xdf\xa3"


def encrypted() -> BadMedia:
    return BadMedia(
        "the pictures are encrypted (copy protection) and cannot be decoded without the key; publish a decrypted copy",
        code="encrypted",
    )


def is_encrypted(packet: "av.Packet[Any]") -> bool:
    """Whether some of the packet is ciphertext (common encryption of MP4 and MOV, ISO/IEC 23001-7, any key system)."""
    if not packet.has_sidedata("encryption_info"):
        return False
    info = bytes(packet.get_sidedata("encryption_info"))
    # Its layout is cut off. It is taken as ciphertext: that is reported, while noise would be decoded.
    if len(info) < _INFO.size:
        return True
    *_, key_id_bytes, iv_bytes, subsamples = _INFO.unpack_from(info)
    # The file states `subsamples`, so the number is limited to what the bytes can hold.
    parts = info[_INFO.size + key_id_bytes + iv_bytes :]
    whole = parts[: min(subsamples, len(parts) // _SUBSAMPLE.size) * _SUBSAMPLE.size]
    # ISO/IEC 23001-7: a sample without subsamples is encrypted as a whole.
    return subsamples == 0 or any(hidden for _, hidden in _SUBSAMPLE.iter_unpack(whole))


def is_encrypted_track(source: Source, start_byte: int, index: int) -> bool:
    """Whether the Matroska stream with this index has a ContentEncryption element (RFC 9559, 5.1.4.1.31)."""
    source.seek(start_byte)
    head = source.read(HEAD_BYTES)
    if not head.startswith(_EBML):
        return False
    tracks = list(within(head, (_SEGMENT, _TRACKS, _ENTRY)))
    return index < len(tracks) and any(
        kind == _ENCRYPTION
        for encoding in within(tracks[index], (_ENCODINGS, _ENCODING))
        for kind, _ in elements(encoding)
    )
