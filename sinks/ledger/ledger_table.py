"""The ledger of a store: one `RECEIPT_SCHEMA` row for each cell that it knows of, found by asset and by segment."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LEDGER_VERSIONS, RECEIPT_SCHEMA, LedgerEntry, receipt_rows, under_watermark
from sinks.assets.tombstones import Retirement
from sinks.filters import one_of, void_rows
from sinks.tables.lance_tables import Indexes, LanceTables

SEGMENTS = "segments"

_INDEXES = Indexes(keyed=("segment_id", "asset_key"))
_ENTRY = tuple(name for name in RECEIPT_SCHEMA.names if name != "stage_digests")
_MARKS_AT_ONCE = 100
_LAST_ROWS = 256
_TOGETHER = 1_000
"""Values of two columns that one look-up takes."""


class LedgerTable:
    """Table `segments` of `tables`. Look-ups cost the same however long the ledger is. Reading what is missing gives
    nothing. Writing is for the store's one writer, and may be repeated.
    """

    def __init__(self, tables: LanceTables) -> None:
        self._tables = tables

    def upgrade(self) -> None:
        """Give the ledger of an older release the columns and indexes of today."""
        if self._tables.find(SEGMENTS) is not None:
            self._tables.ensure(SEGMENTS, RECEIPT_SCHEMA, _INDEXES)

    def entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        """What is known of these assets; without `stage_digests`, which nobody asks for by asset."""
        return [LedgerEntry.from_row(row) for row in self._by("asset_key", asset_keys, _ENTRY).to_pylist()]

    def of_segments(self, segment_ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, in any space."""
        return self._by("segment_id", segment_ids, columns)

    def known(self, segment_ids: Collection[str], asset_keys: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, and of all entries of these assets; each once."""
        if max(len(segment_ids), len(asset_keys)) > _TOGETHER:
            found = self._by("segment_id", segment_ids, columns), self._by("asset_key", asset_keys, columns)
            return pa.concat_tables(found).group_by(list(columns)).aggregate([])
        asked = (("segment_id", segment_ids), ("asset_key", asset_keys))
        where = " OR ".join(one_of(column, sorted(values)) for column, values in asked if values)
        return self._rows(where, columns) if where else _schema(columns).empty_table()

    def record(self, entries: Sequence[LedgerEntry], known: Collection[SpaceCell]) -> None:
        """Put entries, unique by cell, in place of what was known. `known`: cells that may have an entry by now, as a
        look-up by asset says; others are only added.

        A kill between the two commits forgets cells of `entries`; their records were not acknowledged and come again.
        """
        if entries:
            self.put(receipt_rows(entries), {item.cell for item in entries}.intersection(known))

    def put(self, rows: pa.Table, replaced: Collection[SpaceCell] = ()) -> None:
        """`RECEIPT_SCHEMA` rows, after the entries of the cells `replaced` are gone."""
        self._tables.ensure(SEGMENTS, RECEIPT_SCHEMA, _INDEXES)
        # Before the new ones come, which are of the same cells and would go too.
        self.erase(replaced)
        self._tables.append(SEGMENTS, rows)

    def erase(self, cells: Collection[SpaceCell]) -> None:
        """Forget these cells."""
        by_space: dict[str, list[str]] = {}
        for cell in cells:
            by_space.setdefault(cell.space, []).append(cell.segment_id)
        # Space by space: the same segment may lie in others, where it stays.
        for space, segment_ids in sorted(by_space.items()):
            for where in self._tables.clauses("segment_id", segment_ids):
                self._tables.delete(SEGMENTS, f"{where} AND {one_of('space', [space])}")

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Forget what these watermarks void."""
        for where in void_clauses(retired):
            self._tables.delete(SEGMENTS, where)

    def unswept(self, marks: Mapping[str, Retirement]) -> dict[str, Retirement]:
        """Of these watermarks, by asset, those under which there are entries still."""
        return under_watermark(self.cells(LEDGER_VERSIONS), marks) if marks else {}

    def drop_space(self, space: str) -> None:
        """Forget every cell of a space."""
        self._tables.delete(SEGMENTS, one_of("space", [space]))

    def cells(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole ledger, or some of its columns. As long as the store is large: for maintenance."""
        return self._rows("", columns or RECEIPT_SCHEMA.names)

    def _by(self, column: str, values: Collection[str], columns: Sequence[str]) -> pa.Table:
        parts = [self._rows(where, columns) for where in self._tables.clauses(column, values)]
        return pa.concat_tables(parts) if parts else _schema(columns).empty_table()

    def _rows(self, where: str, columns: Sequence[str]) -> pa.Table:
        """In the declared types; a column that a ledger of an older release lacks is empty."""
        schema = _schema(columns)
        table = self._tables.find(SEGMENTS)
        if table is None:
            return schema.empty_table()
        known = set(table.schema.names)
        rows = self._tables.select(SEGMENTS, where, [name for name in columns if name in known])
        assert rows is not None
        for field in schema:
            if field.name not in known:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows.select(schema.names)


def newest_done_ms(table: Any | None) -> int | None:
    """When an entry of the Lance table `SEGMENTS` was last written; None where there is none. Joining files keeps the
    order of rows, so it is among the last.
    """
    if table is None:
        return None
    before = max(0, table.count_rows() - _LAST_ROWS)
    rows = table.scanner(columns=["done_at_ms"], offset=before, limit=_LAST_ROWS).to_table()
    newest: int | None = pc.max(rows["done_at_ms"]).as_py()
    return newest


def void_clauses(retired: Mapping[str, Retirement]) -> list[str]:
    """Filters for the rows that watermarks void, some assets in each."""
    items = sorted(retired.items())
    return [_void_clause(items[start : start + _MARKS_AT_ONCE]) for start in range(0, len(items), _MARKS_AT_ONCE)]


def _void_clause(items: Sequence[tuple[str, Retirement]]) -> str:
    # Lance uses no index for one side of an OR that needs more than an index; the list of assets is found by one.
    listed = one_of("asset_key", [key for key, _ in items])
    return f"{listed} AND ({' OR '.join(void_rows(key, mark) for key, mark in items)})"


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([RECEIPT_SCHEMA.field(name) for name in columns])
