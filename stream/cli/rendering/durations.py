"""Formats durations for people: short for tables, with words for sentences."""

import math


def duration(seconds: float) -> str:
    """`9.5s`, `12s`, `3m20s`, `5h02m`, `11d13h`; `-` for zero and `?` for an infinite time."""
    if not math.isfinite(seconds):
        return "?"
    if 0 < seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s" if whole else "-"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    hours = whole // 3600
    return f"{hours}h{whole % 3600 // 60:02d}m" if hours < 100 else f"{hours // 24}d{hours % 24:02d}h"


def duration_in_words(seconds: float) -> str:
    """`90 s`, `45 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
