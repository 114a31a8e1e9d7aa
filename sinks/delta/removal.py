"""Which rows of the Delta table go with a commit, and where they lie (pure)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.fold import SpaceCell
from sinks.assets.tombstones import Retirement
from sinks.delta.placement import VersionTime, cells_by_space
from stream.events.ids import AssetVersion

DECIDING = ("segment_id", "space", "asset_key", "content_key", "version_ms", "version_offset")
"""Columns that tell whether a row goes."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows of these cells, and rows that these watermarks void, by asset. All of them were published at `times`."""

    times: tuple[VersionTime, ...] = ()
    cells: Collection[SpaceCell] = ()
    retired: Mapping[str, Retirement] = field(default_factory=dict)

    def mask(self, rows: pa.Table) -> Any:
        """Which of these rows go: one boolean each. Of their columns `DECIDING` are looked at."""
        goes: Any = pa.array([False] * rows.num_rows, pa.bool_())
        for space, segment_ids in cells_by_space(self.cells).items():
            of_cells = pc.is_in(rows["segment_id"], value_set=pa.array(segment_ids, pa.string()))
            goes = pc.or_(goes, pc.and_(of_cells, pc.equal(rows["space"], space)))
        for key in self.retired.keys() & set(rows["asset_key"].to_pylist()):
            goes = pc.or_(goes, pc.and_(pc.equal(rows["asset_key"], key), _void(rows, self.retired[key])))
        return goes


NOTHING_REMOVED = Removal()


def _void(rows: pa.Table, mark: Retirement) -> Any:
    """As `Retirement.voids` says."""
    void: Any = pa.array([False] * rows.num_rows, pa.bool_())
    if mark.deleted is not None:
        void = pc.or_(void, _up_to(rows, mark.deleted))
    if mark.up_to is not None:
        # Not null: in Arrow a comparison with null is neither true nor false.
        other = pc.not_equal(rows["content_key"], mark.keep or "")
        void = pc.or_(void, pc.and_(_up_to(rows, mark.up_to), other))
    if mark.kept_above is not None:
        void = pc.or_(void, _up_to(rows, mark.kept_above))
    return void


def _up_to(rows: pa.Table, version: AssetVersion) -> Any:
    before = pc.less(rows["version_ms"], version.append_ms)
    same = pc.equal(rows["version_ms"], version.append_ms)
    return pc.or_(before, pc.and_(same, pc.less_equal(rows["version_offset"], version.offset)))
