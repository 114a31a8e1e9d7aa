"""Which fragments of a table its indexes cover."""

from typing import Any

from sinks.schema import VECTORS

_NO_FILTERS = ("text", *VECTORS)
"""Columns whose indexes answer questions and no conditions."""


def covered_by_index(table: Any, column: str) -> set[int] | None:
    """Numbers of the fragments, of which some may be gone; None without an index."""
    parts = [part for index in table.describe_indices() if index.field_names == [column] for part in index.segments]
    return {number for part in parts for number in part.fragment_ids} if parts else None


def filters_whole(table: Any, column: str) -> bool:
    """Whether every index that answers conditions covers what the index of `column` covers. Where one does not yet, a
    search with `fast_search` would leave out rows that its filter keeps: indexes grow one after another.
    """
    here = {item.fragment_id for item in table.get_fragments()} & (covered_by_index(table, column) or set())
    others = {name for index in table.describe_indices() for name in index.field_names}
    return all(here <= (covered_by_index(table, name) or set()) for name in others.difference(_NO_FILTERS))


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
