"""What the C library does with freed memory."""

import ctypes

KEPT_BYTES = 64 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_HEAPED_BYTES = 32 << 20  # glibc takes no more


def keep_freed_memory() -> None:
    """Let glibc keep up to `KEPT_BYTES` for the next records (docs/adr/0029). Elsewhere nothing is changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_HEAPED_BYTES)
