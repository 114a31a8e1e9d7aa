"""Byte ranges and validators of requests (RFC 9110, 13 and 14; pure)."""

import re
from dataclasses import dataclass

# Longer numbers are refused before `int` sees them.
_ONE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes [start, end)."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def asked_range(header: str | None, size: int, most: int) -> ByteRange | None:
    """The part of `size` bytes that a `Range` header asks for, no longer than `most`, as a server may send less. None
    asks for the whole: without a header, and for several ranges, another unit or nonsense, which a server may ignore.
    Raises `Unsatisfiable`.
    """
    found = _ONE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        # The last bytes. All of them where there are fewer.
        start, end = max(0, size - int(found[2])), size
        if not int(found[2]):
            raise Unsatisfiable
    else:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        # Not valid, so it asks for nothing.
        if found[2] and int(found[2]) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(end, start + most))


def is_named(header: str | None, etag: str, *, weak: bool) -> bool:
    """Whether `If-None-Match` (`weak` comparison) or `If-Range` (strong) names this strong tag."""
    if header is None:
        return False
    named = [part.strip() for part in header.split(",")]
    return etag in named or (weak and ("*" in named or f"W/{etag}" in named))
