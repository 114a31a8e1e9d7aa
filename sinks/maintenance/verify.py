"""Do the index and the Delta table hold the same? Row by row and space by space, a few assets at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.location import Place
from sinks.maintenance.pairs import Pairs, Stores
from sinks.schema import VECTORS, delta_rows, delta_schema
from sinks.store_errors import guarded_both
from stream.events.asset import Outcome
from stream.events.ids import Order

TOLERANCE = 1e-6
_ASSETS_AT_ONCE = 32
# Bounds the memory: with vectors and thumbnails, a moment takes some kilobytes on both sides.
_MOMENTS_AT_ONCE = 10_000


@dataclass(slots=True)
class SpaceReport:
    """`missing_in_*` and `different` count moments; a cell differs also when only its receipt does."""

    space: str
    moments: int = 0
    missing_in_delta: int = 0
    missing_in_lance: int = 0
    different: int = 0
    cells: set[SpaceCell] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """`assets`: those with a difference, by key. `agrees` is the answer."""

    spaces: list[SpaceReport]
    assets: set[str]

    @property
    def agrees(self) -> bool:
        return not any(item.cells for item in self.spaces)


def verify(index: Place, parquet: Place) -> Report:
    """Compare ids, ranges, tags, orders and everything else exactly, vectors to 1e-6."""
    with guarded_both(index, parquet):
        pairs = Pairs.open(index, parquet)
        reports = {key: SpaceReport(key) for key in pairs.spaces()}
        touched: set[str] = set()
        assets = pairs.assets()
        parts = pairs.of(list(assets))
        for stores, keys in ((it, part) for it, mine in parts for part in portions({key: assets[key] for key in mine})):
            lance, delta = _orders(stores.lance.ledger_entries(keys)), _orders(stores.delta.ledger_entries(keys))
            for space, report in reports.items():
                _compare(report, _lance_rows(stores, keys, space), stores.delta.rows(keys, space))
            # Receipts are compared as well: equal rows under unequal receipts would be planned again.
            for cell in lance.keys() | delta.keys():
                if lance.get(cell) != delta.get(cell):
                    reports[cell.space].cells.add(cell)
            different = {cell.segment_id for report in reports.values() for cell in report.cells}
            ledger_entries = (
                [*stores.lance.ledger_entries(keys), *stores.delta.ledger_entries(keys)] if different else []
            )
            touched |= {item.asset_key for item in ledger_entries if item.segment_id in different}
        return Report(list(reports.values()), touched)


def portions(moments: Mapping[str, int]) -> Iterator[Sequence[str]]:
    """As many assets at once as memory allows: each look into the Delta table reads much of it."""
    keys: list[str] = []
    held = 0
    for key, count in moments.items():
        # An asset above the limit goes alone. It cannot be split, because cells are compared as a whole.
        if keys and held + count > _MOMENTS_AT_ONCE:
            yield keys
            keys, held = [], 0
        keys.append(key)
        held += count
    if keys:
        yield keys


def chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _ASSETS_AT_ONCE):
        yield keys[start : start + _ASSETS_AT_ONCE]


def _orders(ledger_entries: Collection[LedgerEntry]) -> dict[SpaceCell, tuple[Order, int]]:
    return {item.cell: (item.order, item.moment_count) for item in ledger_entries if item.outcome is Outcome.DONE}


def _lance_rows(stores: Stores, keys: Sequence[str], space: str) -> pa.Table:
    rows = stores.lance.rows(keys, space)
    return delta_schema().empty_table() if rows is None else delta_rows(rows)


def _compare(report: SpaceReport, lance: pa.Table, delta: pa.Table) -> None:
    """Count differences of the same assets' rows into `report`."""
    left, right = lance.sort_by("moment_id"), delta.sort_by("moment_id")
    report.moments += left.num_rows
    left_at, right_at = _positions(left), _positions(right)
    report.missing_in_delta += _absent(report, left, [at for key, at in left_at.items() if key not in right_at])
    report.missing_in_lance += _absent(report, right, [at for key, at in right_at.items() if key not in left_at])
    shared = [key for key in left_at if key in right_at]
    if shared:
        left = left.take([left_at[key] for key in shared])
        right = right.take([right_at[key] for key in shared])
        report.different += _absent(report, left, _unequal(left, right))


def _positions(rows: pa.Table) -> dict[str, int]:
    """Where each moment is; a repeated id (a defect of the store) counts as another moment."""
    found: dict[str, int] = {}
    for at, key in enumerate(rows["moment_id"].to_pylist()):
        found[key if key not in found else f"{key} again at {at}"] = at
    return found


def _unequal(left: pa.Table, right: pa.Table) -> list[int]:
    plain = [name for name in left.column_names if name not in VECTORS]
    one_side, other_side = left.select(plain), right.select(plain)
    unequal: set[int] = set()
    # Equal columns are found in C++. Rows become Python only where some differ.
    if not one_side.equals(other_side):
        pairs = zip(one_side.to_pylist(), other_side.to_pylist(), strict=True)
        unequal = {at for at, (one, other) in enumerate(pairs) if one != other}
    for name in VECTORS:
        unequal |= _apart(left[name].combine_chunks(), right[name].combine_chunks())
    return sorted(unequal)


def _apart(left: pa.Array, right: pa.Array) -> set[int]:
    """Positions of lists of another length, or further apart than `TOLERANCE`."""
    # -1 for null, so that a missing vector differs from an empty one.
    one, other = (pc.fill_null(pc.list_value_length(column), -1).to_numpy() for column in (left, right))
    apart = set(np.flatnonzero(one != other).tolist())
    alike = np.flatnonzero((one == other) & (one > 0))
    for length in np.unique(one[alike]).tolist():
        at = alike[one[alike] == length]
        first, second = (column.take(at).flatten().to_numpy().reshape(-1, length) for column in (left, right))
        apart |= set(at[~np.all(np.abs(first - second) <= TOLERANCE, axis=1)].tolist())
    return apart


def _absent(report: SpaceReport, rows: pa.Table, positions: Sequence[int]) -> int:
    for row in rows.take(positions).select(["segment_id", "moment_id"]).to_pylist() if positions else ():
        report.cells.add(SpaceCell(row["segment_id"], report.space))
        # Enough to look at. A broken store would list millions.
        if len(report.examples) < 10:
            report.examples.append(row["moment_id"])
    return len(positions)
