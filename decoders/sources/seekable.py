"""Where one is in a source whose size is known."""


class Seekable:
    """The position of a reader, as files have it. Whoever reads moves `_position` on."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._size_bytes)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position
