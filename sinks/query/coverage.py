"""Which fragments of a table its indexes cover."""

from typing import Any

from sinks.schema import VECTORS

_NO_FILTERS = ("text", *VECTORS)
"""Columns whose indexes answer questions and no conditions."""


def covered_by_index(table: Any, column: str) -> set[int] | None:
    """Numbers of the fragments, of which some may be gone; None without an index."""
    return _covered(table).get(column) or None


def filters_whole(table: Any, column: str) -> bool:
    """Whether every index that answers conditions covers what the index of `column` covers. Where one does not yet, a
    search with `fast_search` would leave out rows that its filter keeps: indexes grow one after another.
    """
    covered = _covered(table)
    here = {item.fragment_id for item in table.get_fragments()} & covered.get(column, set())
    return all(here <= numbers for name, numbers in covered.items() if name not in _NO_FILTERS)


def _covered(table: Any) -> dict[str, set[int]]:
    """By column that has an index, which may have no part yet."""
    return {
        index.field_names[0]: {number for part in index.segments for number in part.fragment_ids}
        for index in table.describe_indices()
    }


class FiltersWhole:
    """What `filters_whole` says of one table, asked once of each version. One thread at a time."""

    def __init__(self) -> None:
        self._version = -1
        self._known: dict[str, bool] = {}

    def of(self, table: Any, column: str) -> bool:
        if self._version != table.version:
            self._version, self._known = table.version, {}
        if column not in self._known:
            self._known[column] = filters_whole(table, column)
        return self._known[column]
