"""Commits that change rows of a Lance table: rows go by where they lie and others come, whole or not at all.

By `pylance`, from parts: a merge by key reads and joins what a look-up in an index has found already.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

_OFFSET_BITS = 32
"""An address is the number of a fragment and the place in it. It is true as long as the fragment is there."""
_CONFLICT = "commit conflict"


def addresses_of(table: Any, clauses: Iterable[str], fragments: Sequence[Any] | None = None) -> list[int]:
    """Where the rows lie that match one of these filters, each once. `fragments`: those that may hold one, of all."""
    found: set[int] = set()
    for where in clauses:
        rows = table.scanner(columns=[], filter=where, with_row_address=True, fragments=fragments).to_table()
        found.update(rows["_rowaddr"].to_pylist())
    return sorted(found)


def address(fragment: int, offset: int) -> int:
    return fragment << _OFFSET_BITS | offset


def appended(table: Any, come: Collection[Any]) -> Any:
    """The table after a commit that adds fragments which `written` made."""
    import lance

    operation = lance.LanceOperation.Append(list(come))
    return lance.LanceDataset.commit(table, operation, read_version=table.version)


def exchanged(table: Any, gone: Collection[int], come: Iterable[Any]) -> Any:
    """The table after a commit in which the rows at addresses `gone` go and fragments `come`, which `written` made.
    Raises an error (see `is_conflict`) where another commit has moved a row or made it go since `table` was read.
    """
    import lance

    left, emptied = _without(table, gone)
    operation = lance.LanceOperation.Update(
        removed_fragment_ids=emptied, updated_fragments=left, new_fragments=list(come)
    )
    return lance.LanceDataset.commit(table, operation, read_version=table.version)


def written(table: Any, rows: pa.Table) -> list[Any]:
    """Fragments of these rows, which no commit names yet; none where there is no row.

    In one chunk: Lance spends several times as much on a table of many.
    """
    import lance

    if not rows.num_rows:
        return []
    # Its columns in the table's order; a nullable one may be missing.
    known = set(rows.schema.names)
    ordered = [name for name in table.schema.names if name in known]
    others = [name for name in rows.schema.names if name not in ordered]
    fragments: list[Any] = lance.fragment.write_fragments(rows.select([*ordered, *others]).combine_chunks(), table)
    return fragments


def changed(table: Any, found: Sequence[int], columns: Mapping[str, str]) -> pa.Table:
    """The rows at these addresses with other values in some columns, given as SQL."""
    # `_rowid` is the address, as ids of rows are not stable here.
    where = f"_rowid IN ({', '.join(map(str, found))})"
    wanted = {name: columns.get(name, f"`{name}`") for name in table.schema.names}
    return table.scanner(columns=wanted, filter=where).to_table().cast(table.schema)


class RowsMoved(Exception):
    """A fragment is gone in which rows were found."""


def is_conflict(error: Exception) -> bool:
    """Whether a commit failed because of one that came before it: what it changes is to be found anew."""
    return isinstance(error, RowsMoved) or _CONFLICT in str(error).lower()


def _without(table: Any, gone: Iterable[int]) -> tuple[list[Any], list[int]]:
    """Fragments without those rows, and the numbers of those that have none left."""
    places: dict[int, list[int]] = {}
    for address in gone:
        places.setdefault(address >> _OFFSET_BITS, []).append(address & ((1 << _OFFSET_BITS) - 1))
    left, emptied = [], []
    for number, offsets in sorted(places.items()):
        if (fragment := table.get_fragment(number)) is None:
            raise RowsMoved(number)
        rest = fragment.delete_rows(offsets)
        if rest is None:
            emptied.append(number)
        else:
            left.append(rest)
    return left, emptied
