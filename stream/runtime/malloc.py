"""Settings of the C library for freed memory."""

import ctypes

KEPT_BYTES = 64 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_HEAPED_BYTES = 32 << 20  # the maximum that glibc accepts


def keep_freed_memory() -> None:
    """Lets glibc keep up to `KEPT_BYTES` for the next records (ADR 0029). Changes nothing with other C libraries."""
    # musl and macOS have no `mallopt`.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        # Setting either threshold switches off glibc's dynamic one; without this, records over 128 KiB would use mmap.
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_HEAPED_BYTES)
