"""What a commit of the Delta table changes in the ledger and the watermarks, as it stands in the log (pure)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry, receipt_rows
from sinks.assets.tombstones import Retirement, raised


@dataclass(frozen=True, slots=True)
class LedgerChanges:
    """`entries`: what the ledger says of these cells from here on, None where it forgets them. `marks` by asset: those
    that it has rise by them.
    """

    entries: Mapping[SpaceCell, LedgerEntry | None] = field(default_factory=dict)
    marks: Mapping[str, Retirement] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.entries or self.marks)

    @classmethod
    def of(
        cls,
        come: Iterable[LedgerEntry] = (),
        gone: Iterable[SpaceCell] = (),
        marks: Mapping[str, Retirement] | None = None,
    ) -> "LedgerChanges":
        """A cell that goes and comes has come."""
        return cls({**dict.fromkeys(gone), **{item.cell: item for item in come}}, marks or {})

    def then(self, later: "LedgerChanges") -> "LedgerChanges":
        """Both, one after the other."""
        return LedgerChanges({**self.entries, **later.entries}, raised(self.marks, later.marks))

    def without(self, done: "LedgerChanges") -> "LedgerChanges":
        """What of these was not done yet: changed again since, or new."""
        return LedgerChanges(
            {cell: it for cell, it in self.entries.items() if cell not in done.entries or it is not done.entries[cell]},
            {key: it for key, it in self.marks.items() if it is not done.marks.get(key)},
        )

    @property
    def come(self) -> list[LedgerEntry]:
        return [item for item in self.entries.values() if item is not None]

    def told(self) -> dict[str, Any]:
        """As JSON holds it: a column of entries that is the same in all of them once."""
        come = self.come
        rows = receipt_rows(come).to_pydict() if come else {}
        return {
            "come": {name: values[0] if len(set(values)) == 1 else values for name, values in rows.items()},
            "count": len(come),
            "gone": [list(cell) for cell, item in self.entries.items() if item is None],
            "marks": {key: mark.model_dump(mode="json") for key, mark in self.marks.items()},
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "LedgerChanges":
        """What `told` gave."""
        columns = {name: it if isinstance(it, list) else [it] * told["count"] for name, it in told["come"].items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        marks = {key: Retirement.model_validate(mark) for key, mark in told["marks"].items()}
        return cls.of(map(LedgerEntry.from_row, rows), (SpaceCell(*cell) for cell in told["gone"]), marks)

    def over(self, rows: pa.Table, wanted: Iterable[LedgerEntry]) -> pa.Table:
        """Rows of the ledger, which have the columns of `SpaceCell`, as they are after these changes; `wanted` are
        those that these changes add to them.
        """
        if not self.entries:
            return rows
        touched = pa.array({cell.segment_id for cell in self.entries}, pa.string())
        maybe = pc.is_in(rows["segment_id"], value_set=touched)
        kept = [SpaceCell(*cell) not in self.entries for cell in _cells(rows.filter(maybe))]
        added = receipt_rows(wanted).select(rows.column_names)
        left = rows.filter(maybe).filter(pa.array(kept, pa.bool_()))
        return pa.concat_tables([rows.filter(pc.invert(maybe)), left, added.cast(rows.schema)])


NO_CHANGES = LedgerChanges()


def entries_of(
    changes: LedgerChanges, segment_ids: Collection[str] = (), asset_keys: Collection[str] = ()
) -> list[LedgerEntry]:
    """Of these segments and of these assets."""
    return [item for item in changes.come if item.segment_id in segment_ids or item.asset_key in asset_keys]


def merged(parts: Sequence[LedgerChanges]) -> LedgerChanges:
    """All of them, one after the other."""
    entries: dict[SpaceCell, LedgerEntry | None] = {}
    marks: dict[str, Retirement] = {}
    for part in parts:
        entries.update(part.entries)
        marks = raised(marks, part.marks)
    return LedgerChanges(entries, marks)


def _cells(rows: pa.Table) -> Iterable[tuple[str, str]]:
    return zip(rows["segment_id"].to_pylist(), rows["space"].to_pylist(), strict=True)
