"""Separates FFmpeg's out-of-memory errors from damaged files."""

import av.error


def raise_if_out_of_memory(error: BaseException) -> None:
    """Raises `MemoryError` where FFmpeg ran out of memory: a worker may retry that, but not a damaged file."""
    if isinstance(error, av.error.MemoryError):
        raise MemoryError from None
