"""What Lance takes of a writer's memory, and giving back what it has freed (ADR 0029)."""

import ctypes
import os

import pyarrow as pa

_BOUNDS = {
    "LANCE_DEFAULT_BATCH_SIZE": 1 << 10,
    "LANCE_DEFAULT_IO_BUFFER_SIZE": 8 << 20,
    "LANCE_SHUFFLE_BATCH_BYTES": 16 << 20,
    "LANCE_SHUFFLE_MAX_PRELOADED_OFFSETS_BYTES": 1,
}
"""Rows that are read together, and bytes read ahead: by default 8,192 and 2 GiB, so a table is read as fast as its disk
gives it and lies in memory while parts of indexes are made of it. A batch may be larger than what is read ahead. The
others are of parts of a vector index: what one gathers before it is written by partition (50 MiB less for 160,000
rows), and that it then reads this by few partitions at a time: 95 MiB for 233,000 rows instead of 250 to 300.
"""
_POOL = "ARROW_DEFAULT_MEMORY_POOL"
_LOG = "LANCE_LOG"
_LOGGED = "warn,lance::dataset::optimize=error"
"""Lance warns of each join that another commit came before. That is foreseen, and what was written is removed."""


def bound() -> None:
    """For a process with a writer, before Lance is loaded. What the environment says stays."""
    for name, value in (*_BOUNDS.items(), (_LOG, _LOGGED)):
        os.environ.setdefault(name, str(value))
    # Arrow's own heap keeps what it has freed from Lance, and Lance's from Arrow: 20 to 30 MiB.
    if _POOL not in os.environ:
        pa.set_memory_pool(pa.system_memory_pool())


def give_back() -> None:
    """Return freed memory to the system, also from amid a heap: after work that takes much and comes seldom. Of other C
    libraries than glibc only what Arrow has freed.
    """
    pa.default_memory_pool().release_unused()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
