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
_MOST_MOVED = 32
"""Of the conditions that were asked last, when fragments are joined."""
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
            rows = self._kept.get(key)
            found.append(read[item.fragment_id] if rows is None else rows)
            self._keep(key, found[-1])
        return np.concatenate([np.zeros(0, np.uint64), *found])

    def moved(self, fragment: FragmentKey, rows: Rows, lain: Sequence[tuple[FragmentKey, Rows]]) -> None:
        """`rows` are those of a fragment, which `lain` in others: what was asked of all these needs no new answer."""
        others, before = [key for key, _ in lain], np.concatenate([rows for _, rows in lain])
        asked = [digest for key, digest in self._kept if key == others[0]]
        for digest in asked[-_MOST_MOVED:]:
            held = [self._kept[key, digest] for key in others if (key, digest) in self._kept]
            if len(held) == len(others):
                self._keep((fragment, digest), rows[np.isin(before, np.concatenate(held))])

    def _keep(self, key: _Key, rows: Rows) -> None:
        if (known := self._kept.pop(key, None)) is not None:
            self._bytes -= _size(known)
        # Last, so that what was not asked for the longest goes first.
        self._kept[key] = rows
        self._bytes += _size(rows)
        while self._bytes > _MOST_BYTES:
            self._bytes -= _size(self._kept.pop(next(iter(self._kept))))


def _size(rows: Rows) -> int:
    return rows.nbytes + _ENTRY_BYTES


def _matching(table: Any, fragments: Sequence[Any], where: str) -> dict[int, Rows]:
    """By the fragment's number."""
    scanner = table.scanner(columns=[], filter=where, fragments=list(fragments), with_row_id=True)
    rows = scanner.to_table()["_rowid"].to_numpy()
    owners = rows >> _FRAGMENT_BITS
    return {item.fragment_id: rows[owners == item.fragment_id] for item in fragments}
