"""EBML (RFC 8794), as much as it takes to find an element (pure). Bounded by the bytes given, whatever they say."""

from collections.abc import Iterator, Sequence


def within(data: bytes, path: Sequence[int]) -> Iterator[bytes]:
    """Contents of the elements at this path of ids."""
    for kind, content in elements(data):
        if kind == path[0]:
            yield from within(content, path[1:]) if len(path) > 1 else [content]


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, content). What is longer than there is, or of unknown size, ends with the data."""
    position = 0
    while position < len(data):
        kind, position = _number(data, position, keep_marker=True)
        size, position = _number(data, position, keep_marker=False)
        yield kind, data[position : position + size]
        position += size


def _number(data: bytes, position: int, *, keep_marker: bool) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    first = data[position] if position < len(data) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(data[position : position + length])
    if not keep_marker:
        value &= (1 << 7 * length) - 1
    return value, position + length
