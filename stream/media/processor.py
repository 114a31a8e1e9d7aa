"""What of a machine decides the bytes of media."""

import platform
import sys
from functools import cache
from pathlib import Path

_LEVELS: tuple[tuple[str, frozenset[str]], ...] = (
    ("v4", frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})),
    ("v3", frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})),
    ("v2", frozenset({"cx16", "popcnt", "sse4_1", "sse4_2", "ssse3"})),
)
"""Of the x86-64 psABI, the highest first."""


@cache
def instruction_set() -> str:
    """Such as `x86_64-v3`: libraries choose their code by it, and other code may round otherwise."""
    machine = platform.machine().lower()
    if machine not in {"x86_64", "amd64"}:
        return machine
    flags = _flags()
    level = next((name for name, needed in _LEVELS if needed <= flags), "v1")
    return f"x86_64-{level}"


def _flags() -> frozenset[str]:
    if sys.platform != "linux":
        return frozenset()
    with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as lines:
        found = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(found.partition(":")[2].split())
