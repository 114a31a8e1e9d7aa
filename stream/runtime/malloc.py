"""Settings of the C library for freed memory."""

import ctypes

KEPT_BYTES = 64 << 20
SHARED_HEAPS = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_HEAPED_BYTES = 32 << 20  # the maximum that glibc accepts


def keep_freed_memory() -> None:
    """Lets glibc keep up to `KEPT_BYTES` for the next records (ADR 0029). Changes nothing with other C libraries."""
    _set(_M_TRIM_THRESHOLD, KEPT_BYTES)
    # Setting either threshold switches off glibc's dynamic one; without this, records over 128 KiB would use mmap.
    _set(_M_MMAP_THRESHOLD, _LARGEST_HEAPED_BYTES)


def share_heaps() -> None:
    """Lets all threads of this process use `SHARED_HEAPS` heaps, so that one takes what another has freed (ADR 0029).
    Call it before there are threads. Changes nothing with other C libraries.
    """
    _set(_M_ARENA_MAX, SHARED_HEAPS)


def _set(option: int, value: int) -> None:
    # musl and macOS have no `mallopt`.
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(option, value)
