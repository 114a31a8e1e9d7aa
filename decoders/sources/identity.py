"""Content identity: equal for equal bytes. The whole file is read only where that is cheap or the only safe way."""

import hashlib

from decoders.protocol import Source

# Up to here the whole file is read: that is cheap and needs no trust in an index.
WHOLE_FILE_BYTES = 64 * 1024 * 1024
BLOCKS = 64
BLOCK_BYTES = 64 * 1024
_CHUNK_BYTES = 4 * 1024 * 1024


class PacketIndex:
    """A running digest over the container's facts about each packet, and whether packets differ in size."""

    def __init__(self) -> None:
        self._hasher = hashlib.blake2b(digest_size=16)
        self.sizes: set[int] = set()
        """At most two different sizes: more say nothing new."""

    def add(self, timestamp: int, size: int, *, key: bool) -> None:
        self._hasher.update(b"%d,%d,%d;" % (timestamp, size, key))
        if len(self.sizes) < 2:
            self.sizes.add(size)

    def extend(self, other: "PacketIndex") -> None:
        """Adds the packets of another recording."""
        self._hasher.update(other.digest())
        self.sizes |= other.sizes

    @property
    def constant_size(self) -> bool:
        return len(self.sizes) < 2

    def digest(self) -> bytes:
        return self._hasher.digest()


def content_digest(source: Source, size_bytes: int, codec_parameters: bytes, index: PacketIndex) -> str:
    """32 hex characters. Covers the whole file up to 64 MiB, or where all packets have one size (raw video: every
    content has the same index). Else it covers size, codec parameters, packet index and 64 evenly spread blocks.
    """
    hasher = hashlib.blake2b(digest_size=16)
    if size_bytes <= WHOLE_FILE_BYTES or index.constant_size:
        source.seek(0)
        while chunk := source.read(_CHUNK_BYTES):
            hasher.update(chunk)
        return hasher.hexdigest()
    for part in (str(size_bytes).encode(), codec_parameters, index.digest()):
        # With the length in front, no two lists of parts give the same bytes.
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    for number in range(BLOCKS):
        # The first block and the last one are among them: `BLOCKS - 1` steps reach both ends.
        source.seek((size_bytes - BLOCK_BYTES) * number // (BLOCKS - 1))
        hasher.update(source.read(BLOCK_BYTES))
    return hasher.hexdigest()
