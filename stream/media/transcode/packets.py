"""Files of encoded packets, in which parts keep their work, in coding order.

Times are on the part's own grid: pictures count from 0, sound counts samples. Such a file is read by no one else.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from stream.errors import BadMedia

_MAGIC = b"rushes packets 1\n"
_PACKET = struct.Struct("<qqqBBII")
_MAX_PACKET_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Coded:
    """`trimmed`: samples at the end of a sound packet that are no sound, as in FFmpeg's `skip_samples`."""

    pts: int
    dts: int
    duration: int
    key: bool
    track: int
    trimmed: int
    payload: bytes = b""


class PacketWriter:
    """Writes packets as they come. The file is whole once `close` was called."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb")
        self._file.write(_MAGIC)

    def write(self, packet: Coded) -> None:
        size = len(packet.payload)
        self._file.write(
            _PACKET.pack(packet.pts, packet.dts, packet.duration, packet.key, packet.track, packet.trimmed, size)
        )
        self._file.write(packet.payload)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def read(path: Path, *, payloads: bool = True) -> Iterator[Coded]:
    """All packets. Raises `BadMedia` `part_damaged` for a file that is not whole."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _damaged()
        while head := file.read(_PACKET.size):
            if len(head) < _PACKET.size:
                raise _damaged()
            pts, dts, duration, key, track, trimmed, size = _PACKET.unpack(head)
            if size > _MAX_PACKET_BYTES:
                raise _damaged()
            payload = file.read(size) if payloads else b""
            if payloads and len(payload) < size:
                raise _damaged()
            if not payloads:
                file.seek(size, 1)
            yield Coded(pts, dts, duration, bool(key), track, trimmed, payload)


def _damaged() -> BadMedia:
    return BadMedia("the file of a part is damaged: make the part again", code="part_damaged")
