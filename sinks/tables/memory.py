"""What Lance takes of a writer's memory, and giving back what it has freed (ADR 0029)."""

import ctypes
import os

_BOUNDS = {"LANCE_DEFAULT_BATCH_SIZE": 1 << 10, "LANCE_DEFAULT_IO_BUFFER_SIZE": 8 << 20}
"""Rows that are read together, and bytes read ahead: by default 8,192 and 2 GiB, so a table is read as fast as its disk
gives it and lies in memory while parts of indexes are made of it. A batch may be larger than what is read ahead.
"""


def bound() -> None:
    """For a process with a writer, before Lance reads for the first time. What the environment says stays."""
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, str(value))


def give_back() -> None:
    """Return freed memory to the system, also from amid a heap: after work that takes much and comes seldom. Does
    nothing with other C libraries than glibc.
    """
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
