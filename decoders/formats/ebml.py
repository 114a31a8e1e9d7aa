"""Finds elements in EBML (RFC 8794; pure). Never reads beyond the given bytes, whatever sizes they state."""

from collections.abc import Iterator, Sequence


def within(data: bytes, path: Sequence[int]) -> Iterator[bytes]:
    """Yields the contents of the elements at this path of ids."""
    for kind, content in elements(data):
        if kind == path[0]:
            yield from within(content, path[1:]) if len(path) > 1 else [content]


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields (id, content). An element of unknown size, or longer than the data, ends with the data."""
    position = 0
    while position < len(data):
        kind, position = _number(data, position, keep_marker=True)
        size, position = _number(data, position, keep_marker=False)
        yield kind, data[position : position + size]
        position += size


def _number(data: bytes, position: int, *, keep_marker: bool) -> tuple[int, int]:
    """A variable-length number (RFC 8794, 4) and the position after it. Ids keep their length marker, sizes do not."""
    first = data[position] if position < len(data) else 0
    # The leading zero bits of the first byte give the length. A byte of 0, also past the end, moves on by nine.
    length = 9 - first.bit_length()
    value = int.from_bytes(data[position : position + length])
    if not keep_marker:
        value &= (1 << 7 * length) - 1
    return value, position + length
