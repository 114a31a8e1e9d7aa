"""Rows of a table by a key that no two of them have, kept from question to question while they live."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sinks.query.newer_matches import FragmentKey, fragment_key

T = TypeVar("T")
_MOST = 16_384
_FRAGMENT_BITS = 32
"""A row's number begins with that of its fragment."""

Read = Callable[[Collection[str]], Iterable[tuple[str, int, T]]]
"""Keys, numbers and values of those rows of a table that have one of the keys."""


@dataclass(slots=True)
class _Row(Generic[T]):
    version: int
    fragment: int
    among: FragmentKey
    value: T


class LivingRows(Generic[T]):
    """Of one table, whatever its version. A row never changes: who changes one deletes it and writes another. So it
    lives as long as its fragment has lost no row since. One thread at a time.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Row[T]] = {}

    def kept(self, table: Any, keys: Collection[str]) -> dict[str, T]:
        """Those that are known and live in this version."""
        found = {}
        for key in keys:
            row = self._kept.pop(key, None)
            if row is not None and self._lives(table, row):
                # Last again, so that what was not asked for the longest goes first.
                self._kept[key] = row
                found[key] = row.value
        return found

    def read(self, table: Any, keys: Collection[str], read: Read[T]) -> dict[str, T]:
        """Those that the table has, which are kept."""
        found, fragments = dict[str, T](), dict[int, FragmentKey]()
        for key, number, value in read(keys):
            fragment = number >> _FRAGMENT_BITS
            if fragment not in fragments:
                fragments[fragment] = fragment_key(table.get_fragment(fragment))
            self._kept[key] = _Row(table.version, fragment, fragments[fragment], value)
            found[key] = value
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return found

    @staticmethod
    def _lives(table: Any, row: _Row[T]) -> bool:
        if row.version == table.version:
            return True
        fragment = table.get_fragment(row.fragment)
        # Its number alone is no proof: a table that was made anew counts from 0 again.
        if fragment is None or fragment_key(fragment) != row.among:
            return False
        row.version = table.version
        return True
