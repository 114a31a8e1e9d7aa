"""What a writer knows of the fragments that it wrote lately, so that its look-ups pass over most of them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pyarrow as pa

_MOST_ROWS = 4_096
"""A fragment of more is read like any other: its keys would take much memory."""
_MOST_HELD = 128


class RecentFragments:
    """Of one table, for its one writer: the keys in each fragment that it added. No index covers them yet, so a look-up
    reads each: 0.1 ms of CPU for every one of some twenty. A fragment never gets other rows, and its number never comes
    again, so what is known of it holds as long as it is there. Of others nothing is known, and they are read.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        self._keys: dict[int, frozenset[str]] = {}

    def wrote(self, table: Any, come: Sequence[Any], rows: pa.Table) -> int | None:
        """`rows` were committed as the fragments `come`, which are the last of `table`. The number of the one in which
        they all lie; None where there are more.
        """
        if len(come) != 1:
            return None
        last = table.get_fragments()[-1]
        if _paths(last.metadata) != _paths(come[0]):
            return None
        if rows.num_rows <= _MOST_ROWS:
            self._remember(table, last.fragment_id, rows)
        return int(last.fragment_id)

    def holding(self, table: Any, keys: Collection[str]) -> list[Any] | None:
        """The fragments in which a row may have one of `keys` in a column that is known here; None: any of them."""
        if not self._keys:
            return None
        asked = frozenset(keys)
        everywhere = table.get_fragments()
        found = [item for item in everywhere if not asked.isdisjoint(self._keys.get(item.fragment_id, asked))]
        # Lance takes no fragment for all of them.
        return None if len(found) == len(everywhere) else found or everywhere[:1]

    def _remember(self, table: Any, number: int, rows: pa.Table) -> None:
        if len(self._keys) >= _MOST_HELD:
            there = {item.fragment_id for item in table.get_fragments()}
            self._keys = {number: keys for number, keys in self._keys.items() if number in there}
        known = [name for name in self.columns if name in rows.schema.names]
        self._keys[number] = frozenset(key for name in known for key in rows[name].to_pylist())


def _paths(fragment: Any) -> list[str]:
    return [file.path for file in fragment.files]
