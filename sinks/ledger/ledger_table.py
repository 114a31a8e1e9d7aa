"""The ledger of a store: one `RECEIPT_SCHEMA` row for each cell that it knows of, found by asset and by segment."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LEDGER_VERSIONS, RECEIPT_SCHEMA, LedgerEntry, receipt_rows, under_watermark
from sinks.assets.tombstones import Retirement
from sinks.filters import one_of, void_rows
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import ADDRESS, LanceTables
from sinks.tables.names import SEGMENTS

_INDEXES = Indexes(keyed=("segment_id", "asset_key"))
_ENTRY = tuple(name for name in RECEIPT_SCHEMA.names if name != "stage_digests")
_MARKS_AT_ONCE = 100
_NOTHING = "false"
_MOST_LYING = 16_384
_TOGETHER = 1_000
"""Values of two columns that one look-up takes."""


class LedgerTable:
    """Table `segments` of `tables`. Look-ups cost the same however long the ledger is. Reading what is missing gives
    nothing. Writing is for the store's one writer, and may be repeated.
    """

    def __init__(self, tables: LanceTables) -> None:
        self._tables = tables
        self._lying: OrderedDict[SpaceCell, int] = OrderedDict()  # of the last that were looked up or written

    def forget(self) -> None:
        """Where entries lie may be wrong: they are looked up anew."""
        self._lying.clear()

    def upgrade(self) -> None:
        """Give the ledger of an older release the columns and indexes of today."""
        if self._tables.find(SEGMENTS) is not None:
            self._tables.ensure(SEGMENTS, RECEIPT_SCHEMA, _INDEXES)

    def entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        """What is known of these assets; without `stage_digests`, which nobody asks for by asset."""
        found = self._by("asset_key", asset_keys, _ENTRY, addressed=True)
        return [LedgerEntry.from_row(row) for row in self._remembered(found).to_pylist()]

    def of_segments(self, segment_ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, in any space."""
        return self._by("segment_id", segment_ids, columns)

    def known(self, segment_ids: Collection[str], asset_keys: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, and of all entries of these assets; each once."""
        if max(len(segment_ids), len(asset_keys)) > _TOGETHER:
            self.forget()
            found = self._by("segment_id", segment_ids, columns), self._by("asset_key", asset_keys, columns)
            return pa.concat_tables(found).group_by(list(columns)).aggregate([])
        asked = (("segment_id", segment_ids), ("asset_key", asset_keys))
        where = " OR ".join(one_of(column, sorted(values)) for column, values in asked if values)
        names = dict.fromkeys([*columns, *SpaceCell._fields])
        among = [*segment_ids, *asset_keys]
        found = self._rows(where or _NOTHING, [*names], addressed=True, among=among)
        return self._remembered(found).select(list(columns))

    def record(
        self, entries: Sequence[LedgerEntry], known: Collection[SpaceCell], gone: Collection[SpaceCell] = ()
    ) -> None:
        """Put entries, unique by cell, in place of what was known, and forget the cells `gone`; in one commit. `known`:
        cells that may have an entry by now, as a look-up by asset says; others are only added.
        """
        if entries:
            self.put(receipt_rows(entries), {item.cell for item in entries}.intersection(known).union(gone))
        else:
            self.erase(gone)

    def put(self, rows: pa.Table, replaced: Collection[SpaceCell] = ()) -> None:
        """`RECEIPT_SCHEMA` rows in place of the entries of the cells `replaced`, in one commit."""
        self._tables.ensure(SEGMENTS, RECEIPT_SCHEMA, _INDEXES)
        self._exchange(replaced, rows)

    def erase(self, cells: Collection[SpaceCell]) -> None:
        """Forget these cells, in one commit."""
        if cells:
            self._exchange(cells, None)

    def _exchange(self, cells: Collection[SpaceCell], rows: pa.Table | None) -> None:
        # Of all or of none: those that are not remembered may have been written since.
        lying = [self._lying[cell] for cell in cells] if self._lying.keys() >= set(cells) else None
        among = {cell.segment_id for cell in cells}
        come = self._tables.exchange_where(SEGMENTS, self._clauses(cells), rows, lying, among=among)
        for cell in cells:
            self._lying.pop(cell, None)
        if rows is not None and come is not None:
            self._remember(rows, come)

    def _clauses(self, cells: Collection[SpaceCell]) -> list[str]:
        """Filters for the entries of these cells."""
        by_space: dict[str, list[str]] = {}
        for cell in cells:
            by_space.setdefault(cell.space, []).append(cell.segment_id)
        # Space by space: the same segment may lie in others, where it stays.
        return [
            f"{where} AND {one_of('space', [space])}"
            for space, segment_ids in sorted(by_space.items())
            for where in self._tables.clauses("segment_id", segment_ids)
        ]

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Forget what these watermarks void."""
        if retired:
            self.forget()
        for where in void_clauses(retired):
            self._tables.delete(SEGMENTS, where, among=retired.keys())

    def unswept(self, marks: Mapping[str, Retirement]) -> dict[str, Retirement]:
        """Of these watermarks, by asset, those under which there are entries still."""
        return under_watermark(self.cells(LEDGER_VERSIONS), marks) if marks else {}

    def drop_space(self, space: str) -> None:
        """Forget every cell of a space."""
        self.forget()
        self._tables.delete(SEGMENTS, one_of("space", [space]))

    def cells(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole ledger, or some of its columns. As long as the store is large: for maintenance."""
        return self._rows("", columns or RECEIPT_SCHEMA.names)

    def _by(self, column: str, values: Collection[str], columns: Sequence[str], *, addressed: bool = False) -> pa.Table:
        clauses = self._tables.clauses(column, values) if values else [_NOTHING]
        return pa.concat_tables([self._rows(where, columns, addressed=addressed, among=values) for where in clauses])

    def _remembered(self, found: pa.Table) -> pa.Table:
        """The same without addresses, which a change of these entries needs."""
        self._remember(found, found[ADDRESS].to_pylist())
        return found.drop_columns([ADDRESS])

    def _remember(self, rows: pa.Table, addresses: Sequence[int]) -> None:
        cells = map(SpaceCell, rows["segment_id"].to_pylist(), rows["space"].to_pylist())
        self._lying.update(zip(cells, addresses, strict=True))
        while len(self._lying) > _MOST_LYING:
            self._lying.popitem(last=False)

    def _rows(
        self,
        where: str,
        columns: Sequence[str],
        *,
        addressed: bool = False,
        among: Collection[str] | None = None,
    ) -> pa.Table:
        """In the declared types; a column that a ledger of an older release lacks is empty. `addressed`: with a column
        `ADDRESS`. `among`: as `LanceTables.select` has it.
        """
        schema = _schema(columns)
        if addressed:
            schema = schema.append(pa.field(ADDRESS, pa.uint64()))
        table = self._tables.find(SEGMENTS)
        if table is None or where == _NOTHING:
            return schema.empty_table()
        known = {*table.schema.names, ADDRESS}
        names = [name for name in columns if name in known]
        rows = self._tables.select(SEGMENTS, where, names, addressed=addressed, among=among)
        assert rows is not None
        for field in schema:
            if field.name not in known:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows.select(schema.names)


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
