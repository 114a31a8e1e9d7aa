"""Watermarks of a store that has no assets of its own to keep them with: one row for each asset."""

from collections.abc import Collection, Mapping

import pyarrow as pa

from sinks.assets.tombstones import Retirement, raised
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import ADDRESS, LanceTables

RETIRED = "retired"

RETIRED_SCHEMA = pa.schema(
    [pa.field("asset_key", pa.string(), nullable=False), pa.field("retirement", pa.string(), nullable=False)]
)


class WatermarkTable:
    """Table `retired` of `tables`. Reading what is missing gives nothing."""

    def __init__(self, tables: LanceTables) -> None:
        self._tables = tables

    def marks(self, asset_keys: Collection[str] | None = None) -> dict[str, Retirement]:
        """By asset; of all assets if none are named, which reads the whole table."""
        if asset_keys is None:
            found = self._tables.select(RETIRED, "")
            return {} if found is None else marks_in(found)
        rows = self._tables.select_in(RETIRED, "asset_key", asset_keys)
        return {row["asset_key"]: Retirement.model_validate_json(row["retirement"]) for row in rows}

    def put(self, marks: Mapping[str, Retirement], known: Collection[str] | None = None) -> None:
        """Remember these, in one commit. A watermark is never missing in between. `known`: assets that may have one by
        now, where the caller has looked; others are only added.
        """
        if marks:
            self._tables.ensure(RETIRED, RETIRED_SCHEMA, Indexes(keyed=("asset_key",)))
            replaced = marks.keys() if known is None else marks.keys() & known
            self._tables.exchange(RETIRED, "asset_key", replaced, mark_rows(marks))

    def raise_by(self, marks: Mapping[str, Retirement], known: Collection[str]) -> None:
        """As `put`, where those of `known` rise by these."""
        if not (asked := marks.keys() & known):
            self.put(marks, ())
            return
        self._tables.ensure(RETIRED, RETIRED_SCHEMA, Indexes(keyed=("asset_key",)))
        rows = self._tables.select_in(RETIRED, "asset_key", asked, addressed=True)
        stored = {row["asset_key"]: Retirement.model_validate_json(row["retirement"]) for row in rows}
        lying = [row[ADDRESS] for row in rows]
        self._tables.exchange(RETIRED, "asset_key", asked, mark_rows(raised(stored, marks)), lying)


def mark_rows(marks: Mapping[str, Retirement]) -> pa.Table:
    """`RETIRED_SCHEMA` rows."""
    rows = [{"asset_key": key, "retirement": mark.model_dump_json()} for key, mark in sorted(marks.items())]
    return pa.Table.from_pylist(rows, schema=RETIRED_SCHEMA)


def marks_in(rows: pa.Table) -> dict[str, Retirement]:
    """Of `RETIRED_SCHEMA` rows, by asset."""
    return {row["asset_key"]: Retirement.model_validate_json(row["retirement"]) for row in rows.to_pylist()}
