"""The ledger and the watermarks as release 0.1 kept them, in Delta tables `segments` and `retired`. Readers answer from
these until a writer has moved them.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import RECEIPT_SCHEMA, LedgerEntry
from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.delta.tables import DeltaTables
from sinks.filters import one_of
from sinks.ledger.ledger_table import LedgerTable
from sinks.ledger.watermark_table import RETIRED, RETIRED_SCHEMA, WatermarkTable
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import SEGMENTS

_MOVED = ".moved"
_CELL = ["segment_id", "space"]
_SAYS = ["version_ms", "version_offset", "epoch_ms", "revision", "outcome", "moment_count"]


class OldLedger:
    """Answers as `LedgerTable` does."""

    def __init__(self, tables: DeltaTables) -> None:
        self._tables = tables

    def there(self) -> bool:
        return self._has(SEGMENTS)

    def entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        """What is known of these assets."""
        rows = self._select(one_of("asset_key", asset_keys))
        return [LedgerEntry.from_row(row) for row in rows.to_pylist()]

    def of_segments(self, segment_ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, in any space."""
        return self._select(one_of("segment_id", segment_ids), columns)

    def cells(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole ledger, or some of its columns."""
        return self._select("true", columns)

    def move(self, to: LanceTables) -> bool:
        """Into tables of `to`; False where nothing is left to move. Cut off anywhere, it begins again: what is moved
        goes only when it is there whole. Where an older release wrote to a store that had been moved, both are joined:
        what it wrote is the newer of the two.
        """
        if self._tables.location.path is None:
            return False
        self._clear()
        left = [name for name in (RETIRED, SEGMENTS) if self._has(name)]
        for name in left:
            if name == RETIRED:
                _join_watermarks(OldWatermarks(self._tables).marks(), WatermarkTable(to))
            else:
                _join_cells(self.cells(), LedgerTable(to))
            to.optimize(name)
            # Durable before its source goes: until then a power cut may take what was moved.
            self._tables.before_removal()
            folder = self._tables.location.directory / name
            # Out of the way first, as a table that is half removed looks like no table.
            folder.rename(folder.with_suffix(_MOVED))
        self._clear()
        return bool(left)

    def _select(self, where: str, columns: Sequence[str] | None = None) -> pa.Table:
        self._tables.forget()  # its writer may be another process, whose commits an old handle would not see
        return self._tables.select(SEGMENTS, RECEIPT_SCHEMA, where, columns)

    def _has(self, name: str) -> bool:
        return _has(self._tables, name)

    def _clear(self) -> None:
        for name in (RETIRED, SEGMENTS):
            shutil.rmtree(self._tables.location.directory / f"{name}{_MOVED}", ignore_errors=True)
        self._tables.forget()


class OldWatermarks:
    """Answers as `WatermarkTable` does."""

    def __init__(self, tables: DeltaTables) -> None:
        self._tables = tables

    def there(self) -> bool:
        return _has(self._tables, RETIRED)

    def marks(self, asset_keys: Collection[str] | None = None) -> dict[str, Retirement]:
        """By asset; of all assets if none are named."""
        where = "true" if asset_keys is None else one_of("asset_key", asset_keys)
        # Its writer may be another process, as with the ledger.
        self._tables.forget()
        rows = self._tables.select(RETIRED, RETIRED_SCHEMA, where).to_pylist()
        return {row["asset_key"]: Retirement.model_validate_json(row["retirement"]) for row in rows}


def _has(tables: DeltaTables, name: str) -> bool:
    """Nothing on an object store, where no older release could write."""
    path = tables.location.path
    return path is not None and (path / name / "_delta_log").is_dir()


def _join_watermarks(old: Mapping[str, Retirement], moved: WatermarkTable) -> None:
    held = moved.marks()
    moved.put({key: mark.joined(held.get(key, NOTHING_RETIRED)) for key, mark in old.items()})


def _join_cells(old: pa.Table, moved: LedgerTable) -> None:
    held = moved.cells([*_CELL, *_SAYS])
    news = old.join(held, [*_CELL, *_SAYS], join_type="left anti")
    known = news.select(_CELL).join(held.select(_CELL), _CELL, join_type="left semi")
    moved.put(news.select(old.column_names).cast(old.schema), {SpaceCell(**row) for row in known.to_pylist()})
