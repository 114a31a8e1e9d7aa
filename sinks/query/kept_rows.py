"""How many rows of a table conditions keep: what a search decides its effort by."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

_CONDITIONS = 256
_USES = 256
_CHANGED = 4_000
"""A count stands while the table has not so many rows more or fewer: they change no decision by much."""


@dataclass(slots=True)
class _Count:
    version: int
    total: int
    rows: int
    uses: int = 0

    def stands_for(self, table: Any) -> bool:
        if self.version == table.version:
            return True
        return self.uses < _USES and abs(table.count_rows() - self.total) <= _CHANGED


class KeptRows:
    """Counts of one table, whatever its version: exact ones of the version that was counted, which stand for a later
    version a few times. A thousand tenants' worth of rights takes as long to count as to search. One thread at a time.
    """

    def __init__(self) -> None:
        self._counts: dict[bytes, _Count] = {}

    def of(self, table: Any, where: str) -> int:
        """About how many rows satisfy `where`."""
        # Conditions may be long; a digest is not.
        key = blake2b(where.encode(), digest_size=16).digest()
        known = self._counts.pop(key, None)
        if known is None or not known.stands_for(table):
            known = _Count(table.version, table.count_rows(), table.count_rows(where))
        elif known.version != table.version:
            known.uses += 1
        # Last again, so that what was not asked for the longest goes first.
        self._counts[key] = known
        if len(self._counts) > _CONDITIONS:
            del self._counts[next(iter(self._counts))]
        return known.rows
