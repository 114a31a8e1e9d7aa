"""A seekable reader over fixed blocks that it fetches on demand: many small reads cost one request."""

from collections import OrderedDict
from collections.abc import Callable

from decoders.sources.seekable import Seekable

# The largest range that a child may ask for (ADR 0038). Smaller blocks cost more requests.
BLOCK_BYTES = 1 << 20
# Demuxers jump between index, sound and pictures: one block would be fetched again and again.
MAX_BLOCKS = 24


class BlockReader(Seekable):
    """`fetch(start, end)` returns bytes [start, end). The most recently used blocks stay in memory (24 MiB)."""

    def __init__(self, size_bytes: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__(size_bytes)
        self._fetch = fetch
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, size: int = -1) -> bytes:
        end = self._size_bytes if size < 0 else min(self._size_bytes, self._position + size)
        parts = []
        while self._position < end:
            number, inside = divmod(self._position, BLOCK_BYTES)
            part = self._block(number)[inside : inside + end - self._position]
            # The source ended early. An empty read says so; a loop would not end.
            if not part:
                break
            parts.append(part)
            self._position += len(part)
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * BLOCK_BYTES
            self._blocks[number] = self._fetch(start, min(start + BLOCK_BYTES, self._size_bytes))
            if len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]


class BlockSource:
    """The reading side of a source that is fetched in blocks. Who is one makes `_reader` when it knows the size."""

    _reader: BlockReader

    def read(self, size: int = -1) -> bytes:
        return self._reader.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()
