"""Which rows of fragments that no index covers satisfy a condition: asked once of each fragment."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.uint64]
_MOST_BYTES = 16 << 20
_ENTRY_BYTES = 1 << 10
"""What one answer takes beside its rows, of which most have none: names of files, a digest, an array."""
_FRAGMENT_BITS = np.uint64(32)
"""A row's number begins with that of its fragment."""

FragmentKey = tuple[tuple[str, ...], int]
_Key = tuple[FragmentKey, bytes]


def fragment_key(fragment: Any) -> FragmentKey:
    """Of its live rows, which only become fewer: what is asked of them has the same answer in every version."""
    return tuple(file.path for file in fragment.metadata.files), fragment.num_deletions


class NewerMatches:
    """Of one table, whatever its version. One thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[_Key, Rows] = {}
        self._bytes = 0

    def of(self, table: Any, fragments: Sequence[Any], where: str) -> Rows:
        """The numbers of their live rows that satisfy `where`."""
        # Conditions may be long; a digest is not.
        asked = blake2b(where.encode(), digest_size=16).digest()
        keys = [(fragment_key(item), asked) for item in fragments]
        lacking = [item for key, item in zip(keys, fragments, strict=True) if key not in self._kept]
        read = _matching(table, lacking, where) if lacking else {}
        found = []
        for key, item in zip(keys, fragments, strict=True):
            rows = self._kept.pop(key, None)
            self._bytes -= 0 if rows is None else _size(rows)
            found.append(read[item.fragment_id] if rows is None else rows)
            # Last again, so that what was not asked for the longest goes first.
            self._kept[key] = found[-1]
            self._bytes += _size(found[-1])
        while self._bytes > _MOST_BYTES:
            self._bytes -= _size(self._kept.pop(next(iter(self._kept))))
        return np.concatenate([np.zeros(0, np.uint64), *found])


def _size(rows: Rows) -> int:
    return rows.nbytes + _ENTRY_BYTES


def _matching(table: Any, fragments: Sequence[Any], where: str) -> dict[int, Rows]:
    """By the fragment's number."""
    scanner = table.scanner(columns=[], filter=where, fragments=list(fragments), with_row_id=True)
    rows = scanner.to_table()["_rowid"].to_numpy()
    owners = rows >> _FRAGMENT_BITS
    return {item.fragment_id: rows[owners == item.fragment_id] for item in fragments}
