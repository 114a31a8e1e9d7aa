"""FFmpeg's out of memory told apart from damaged files."""

import av.error


def raise_if_out_of_memory(error: BaseException) -> None:
    """FFmpeg's out of memory comes as several kinds; it must not be taken for a damaged file."""
    if isinstance(error, av.error.MemoryError):
        raise MemoryError from None
