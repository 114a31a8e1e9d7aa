"""The Delta store: one table of moments for data teams, its own ledger and watermarks. Written by one process."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LEDGER_VERSIONS, RECEIPT_SCHEMA, LedgerEntry, receipt_rows, under_watermark
from sinks.assets.tombstones import Retirement
from sinks.filters import one_of, void_rows
from sinks.paths import require_usable
from sinks.schema import SPACE_SCHEMA, delta_rows, delta_schema, stored_rows
from stream.events.annotations import Annotations, Space

MOMENTS, SEGMENTS, RETIRED, SPACES = "moments", "segments", "retired", "spaces"

_RETIRED_SCHEMA = pa.schema(
    [pa.field("asset_key", pa.string(), nullable=False), pa.field("retirement", pa.string(), nullable=False)]
)
_SCHEMAS = {MOMENTS: delta_schema(), SEGMENTS: RECEIPT_SCHEMA, RETIRED: _RETIRED_SCHEMA, SPACES: SPACE_SCHEMA}
_PARTITIONS = {MOMENTS: ["tenant", "day"]}
_STATISTICS = {
    MOMENTS: "segment_id,asset_key,content_key,space,start_ns,end_ns",
    SEGMENTS: "segment_id,asset_key,content_key,space",
    RETIRED: "asset_key",
    SPACES: "key",
}
"""Statistics live in the log, which outlives rows: no text, uri or label may be among them."""
_KEEP_HOURS = 1


class DeltaStore:
    """Every method is one commit per table it touches and may be repeated. Reading what is missing gives nothing.

    `before_removal` is called before files of older versions are removed: what takes their place has to be durable.
    Raises `Fatal` (`unusable_path`) for a directory in which no table can lie.
    """

    def __init__(self, directory: Path, before_removal: Callable[[], None] = lambda: None) -> None:
        require_usable(directory, "the Delta table")
        self.directory = directory
        self._before_removal = before_removal
        self._tables: dict[str, Any] = {}

    def open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)

    def ledger_entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        return [
            LedgerEntry.from_row(row) for row in self._select(SEGMENTS, one_of("asset_key", asset_keys)).to_pylist()
        ]

    def ledger_entries_of(self, segment_ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the receipts of these segments, in any space."""
        return self._select(SEGMENTS, one_of("segment_id", segment_ids), columns)

    def retirements(self, asset_keys: Collection[str] | None = None) -> dict[str, Retirement]:
        """Watermarks by asset; of all assets if none are named."""
        where = "true" if asset_keys is None else one_of("asset_key", asset_keys)
        rows = self._select(RETIRED, where).to_pylist()
        return {row["asset_key"]: Retirement.model_validate_json(row["retirement"]) for row in rows}

    def unswept(self) -> dict[str, Retirement]:
        """Watermarks of all assets whose ledger still shows rows under them."""
        marks = self.retirements()
        return marks and under_watermark(self._select(SEGMENTS, columns=LEDGER_VERSIONS), marks)

    def replace(self, batch: Sequence[Annotations]) -> None:
        """Put whole segments in place of what their cells held, all spaces in one commit."""
        if not batch:
            return
        by_space: dict[str, list[Annotations]] = {}
        for item in batch:
            by_space.setdefault(item.header.space.key, []).append(item)
        self.register([items[0].header.space for items in by_space.values()])
        rows = pa.concat_tables([delta_rows(stored_rows(items)) for items in by_space.values()])
        self.replace_rows(rows, [SpaceCell(item.header.segment_id, item.header.space.key) for item in batch])

    def replace_rows(self, rows: pa.Table, cells: Collection[SpaceCell]) -> None:
        """`delta_schema` rows of `cells` in place of what they held."""
        self._overwrite(MOMENTS, rows, _cells(cells))

    def record(self, ledger_entries: Sequence[LedgerEntry], known: Collection[SpaceCell] = ()) -> None:  # noqa: ARG002
        if ledger_entries:
            self._overwrite(SEGMENTS, receipt_rows(ledger_entries), _cells([item.cell for item in ledger_entries]))

    def retire(self, retired: Mapping[str, Retirement]) -> None:
        """Remember watermarks, before the sweep they ask for."""
        if retired:
            rows = [{"asset_key": key, "retirement": mark.model_dump_json()} for key, mark in sorted(retired.items())]
            table = pa.Table.from_pylist(rows, schema=_RETIRED_SCHEMA)
            self._overwrite(RETIRED, table, one_of("asset_key", retired))

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Delete void rows of these assets, the ledger's last: they are the evidence that a sweep is due."""
        for start in range(0, len(retired), 100):
            where = " OR ".join(void_rows(key, mark) for key, mark in sorted(retired.items())[start : start + 100])
            for name in (MOMENTS, SEGMENTS):
                if (table := self._find(name)) is not None:
                    table.delete(where)

    def rows(self, asset_keys: Collection[str], space: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Moments of these assets in `space`, as `delta_schema` rows."""
        return self._select(MOMENTS, f"{one_of('asset_key', asset_keys)} AND {one_of('space', [space])}", columns)

    def spaces(self) -> list[Space]:
        """The spaces that were ever stored, by key."""
        rows = self._select(SPACES).to_pylist()
        return sorted((Space.model_validate_json(row["space"]) for row in rows), key=lambda space: space.key)

    def erase(self, cells: Collection[SpaceCell]) -> None:
        """Forget these cells and their rows."""
        for name in (MOMENTS, SEGMENTS):
            if cells and (table := self._find(name)) is not None:
                table.delete(_cells(cells))

    def drop_space(self, key: str) -> None:
        """Forget a space with its rows and receipts, the ledger's first."""
        for name, column in ((SEGMENTS, "space"), (MOMENTS, "space"), (SPACES, "key")):
            if (table := self._find(name)) is not None:
                table.delete(one_of(column, [key]))

    def cells(self) -> pa.Table:
        """The whole ledger as `RECEIPT_SCHEMA` rows."""
        return self._select(SEGMENTS)

    def count(self) -> int:
        table = self._find(MOMENTS)
        return 0 if table is None else int(table.count())

    def maintain(self, *, purge: bool = False) -> None:
        """Compact, then remove superseded files; those of the last hour are kept for readers unless `purge`."""
        hours = 0 if purge else _KEEP_HOURS
        for name in _SCHEMAS:
            if (table := self._find(name)) is not None:
                table.optimize.compact()
                table.create_checkpoint()
                self._before_removal()
                table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=purge)
                table.cleanup_metadata()

    def close(self) -> None:
        self._tables.clear()

    def register(self, spaces: Collection[Space]) -> None:
        """Remember what these spaces are; keys alone stand in rows."""
        known = {space.key for space in self.spaces()}
        rows = [{"key": space.key, "space": space.model_dump_json()} for space in spaces if space.key not in known]
        if rows:
            table = pa.Table.from_pylist(rows, schema=SPACE_SCHEMA)
            self._overwrite(SPACES, table, one_of("key", [row["key"] for row in rows]))

    def _find(self, name: str) -> Any | None:
        from deltalake import DeltaTable

        path = str(self.directory / name)
        if name not in self._tables:
            if not DeltaTable.is_deltatable(path):
                return None
            self._tables[name] = DeltaTable(path)
        return self._tables[name]

    def _ensure(self, name: str) -> Any:
        """The table, created if missing. Nullable columns that one of an older version lacks are added, empty."""
        from deltalake import DeltaTable, Schema

        if (table := self._find(name)) is not None:
            known = {field.name for field in table.schema().fields}
            if added := [field for field in _SCHEMAS[name] if field.nullable and field.name not in known]:
                table.alter.add_columns(list(Schema.from_arrow(pa.schema(added)).fields))
            return table
        self._tables[name] = DeltaTable.create(
            str(self.directory / name),
            schema=_SCHEMAS[name],
            partition_by=_PARTITIONS.get(name),
            configuration={
                "delta.dataSkippingStatsColumns": _STATISTICS[name],
                "delta.deletedFileRetentionDuration": f"interval {_KEEP_HOURS} hours",
                "delta.logRetentionDuration": "interval 0 hours",
            },
        )
        return self._tables[name]

    def _overwrite(self, name: str, rows: pa.Table, predicate: str) -> None:
        from deltalake import write_deltalake

        write_deltalake(self._ensure(name), rows, mode="overwrite", predicate=predicate)

    def _select(self, name: str, where: str = "true", columns: Sequence[str] | None = None) -> pa.Table:
        """Rows that match, in the declared types. Through DataFusion: pyarrow's own scan trips over the statistics of
        files that a partial overwrite wrote (`string` against `string_view`, deltalake 1.6).
        """
        from deltalake import QueryBuilder

        names = list(columns or _SCHEMAS[name].names)
        schema = pa.schema([_SCHEMAS[name].field(column) for column in names])
        table = self._find(name)
        if table is None:
            return schema.empty_table()
        known = {field.name for field in table.schema().fields}
        listed = ", ".join(name if name in known else f"NULL AS {name}" for name in names)
        query = f"SELECT {listed} FROM found WHERE {where}"  # noqa: S608 - names are ours, values are escaped
        return pa.table(QueryBuilder().register("found", table).execute(query).read_all()).cast(schema)


def _cells(cells: Collection[SpaceCell]) -> str:
    """A filter for exactly these cells."""
    by_space: dict[str, list[str]] = {}
    for cell in cells:
        by_space.setdefault(cell.space, []).append(cell.segment_id)
    clauses = [
        f"({one_of('space', [space])} AND {one_of('segment_id', ids)})" for space, ids in sorted(by_space.items())
    ]
    return " OR ".join(clauses) or "false"
