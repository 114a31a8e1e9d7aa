"""The ledger and the watermarks of a Delta store: Lance tables that follow the commits of moments, some batches behind,
and what the log tells beyond them.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import RECEIPT_SCHEMA, LedgerEntry, receipt_rows
from sinks.assets.tombstones import Retirement, raised
from sinks.delta.commit_log import CommitLog
from sinks.delta.followed import Followed
from sinks.delta.ledger_changes import NO_CHANGES, LedgerChanges, entries_of, merged
from sinks.ledger.ledger_table import LedgerTable
from sinks.ledger.watermark_table import RETIRED, WatermarkTable, mark_rows, marks_in
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import SEGMENTS

_CELL = SpaceCell._fields


class FollowedLedger:
    """Each commit of moments tells in the log what it changes here, so both are there or neither (ADR 0073). The writer
    keeps this in memory too, from `begin` on; who only reads reads the log. `looking` and `writing` are the same
    tables, opened twice: `settle` may run in a thread beside look-ups.
    """

    def __init__(self, followed: Followed, log: CommitLog, looking: LanceTables, writing: LanceTables) -> None:
        self._followed, self._log = followed, log
        self._looked_at, self._marks_looked_at = LedgerTable(looking), WatermarkTable(looking)
        self._written, self._marks_written = LedgerTable(writing), WatermarkTable(writing)
        self._tables = looking
        self._lock = threading.Lock()
        self._pending: LedgerChanges | None = None
        self._new: set[SpaceCell | str] = set()  # cells and assets of which the tables have nothing for sure
        self._number = 0

    @property
    def pending(self) -> LedgerChanges:
        """What the tables do not have yet."""
        if self._pending is not None:
            return self._pending
        # First the number, then the tables: what they have got meanwhile is told twice, and nothing is missed.
        told = self._log.since(self._followed.number())
        return merged([LedgerChanges.read(item) for item in told.values() if item is not None])

    def begin(self, number: int) -> bool:
        """For the writer. False where some commit up to `number` does not tell what it changed: an older release made
        it, or maintenance that was cut off.
        """
        followed = self._followed.number()
        told = self._log.since(followed)
        self._pending = merged([LedgerChanges.read(item) for item in told.values() if item is not None])
        self._number = number
        return all(told.get(at) is not None for at in range(followed + 1, number + 1)) and followed <= number

    @property
    def swept(self) -> bool:
        """Whether the ledger has no entry that a watermark voids."""
        return self._followed.swept

    def doubt(self) -> None:
        """Rows come of which the ledger was told elsewhere: the next start looks for what is void."""
        self._followed.keep(self._followed.number(), swept=False)

    def committed(self, changes: LedgerChanges, number: int, new: Collection[SpaceCell | str] = ()) -> None:
        """A commit has told these. `new`: cells, and assets by their keys, that had no entry or no watermark before."""
        with self._lock:
            self._new.update(new)
            self._pending = (self._pending or NO_CHANGES).then(changes)
            self._number = number

    def settle(self, durable: Callable[[], None]) -> None:
        """Let the tables follow. From any thread, beside commits. `durable`: returns when all that was written is."""
        with self._lock:
            done, number = self._pending, self._number
            here = done or NO_CHANGES
            new = self._new.intersection([*here.entries, *here.marks])
            # Before they are written: where that fails, they may be there.
            self._new -= new
        if done is None or (not done and self.swept and number == self._followed.number()):
            return
        # Others may be there: what is told now takes their place. Repeating this is harmless.
        self._marks_written.raise_by(done.marks, done.marks.keys() - new)
        if done.come:
            self._written.put(receipt_rows(done.come), done.entries.keys() - new)
        else:
            self._written.erase(done.entries.keys() - new)
        durable()
        self._followed.keep(number)
        with self._lock:
            if self._pending is not None:
                self._pending = self._pending.without(done)

    def forget(self) -> None:
        """The next use begins anew."""
        self._pending = None
        self._new.clear()
        self._log.forget()
        self._looked_at.forget()
        self._written.forget()

    def entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        """What is known of these assets; without `stage_digests`, as `LedgerTable.entries` has it."""
        changes = self.pending
        stored = self._looked_at.entries(asset_keys)
        told = (replace(item, stage_digests="{}") for item in entries_of(changes, (), asset_keys))
        return [*(item for item in stored if item.cell not in changes.entries), *told]

    def of_segments(self, segment_ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, in any space."""
        changes = self.pending
        rows = self._looked_at.of_segments(segment_ids, _with_cell(columns))
        return changes.over(rows, entries_of(changes, segment_ids)).select(list(columns))

    def known(self, segment_ids: Collection[str], asset_keys: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the entries of these segments, and of all entries of these assets; each once."""
        changes = self.pending
        rows = self._looked_at.known(segment_ids, asset_keys, _with_cell(columns))
        return changes.over(rows, entries_of(changes, segment_ids, asset_keys)).select(list(columns))

    def cells(self, columns: Sequence[str]) -> pa.Table:
        """Columns of the whole ledger."""
        changes = self.pending
        return changes.over(self._looked_at.cells(_with_cell(columns)), changes.come).select(list(columns))

    def marks(self, asset_keys: Collection[str] | None = None) -> dict[str, Retirement]:
        """Watermarks by asset; of all assets if none are named."""
        changes = self.pending
        found = self._marks_looked_at.marks(asset_keys)
        return raised(found, _named(changes.marks, asset_keys))

    def batches(self) -> Iterator[pa.Table]:
        """The whole ledger, some entries at a time."""
        changes = self.pending
        for rows in self._tables.batches(SEGMENTS):
            yield changes.over(rows, ())
        if changes.come:
            yield receipt_rows(changes.come)

    def mark_batches(self) -> Iterator[pa.Table]:
        """All watermarks, some at a time."""
        changes = self.pending
        told, found = pa.array(changes.marks.keys(), pa.string()), dict(changes.marks)
        for rows in self._tables.batches(RETIRED):
            among = pc.is_in(rows["asset_key"], value_set=told)
            found = raised(found, marks_in(rows.filter(among)))
            yield rows.filter(pc.invert(among))
        yield mark_rows(found)

    def take_in(self, name: str, rows: pa.Table) -> None:
        """Rows of the ledger, or watermarks, of assets of which nothing is known."""
        if name == SEGMENTS:
            self._written.put(rows.select(RECEIPT_SCHEMA.names))
        else:
            self._marks_written.put(marks_in(rows))


def _with_cell(columns: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*columns, *_CELL]))


def _named(marks: Mapping[str, Retirement], asset_keys: Collection[str] | None) -> Mapping[str, Any]:
    return marks if asset_keys is None else {key: marks[key] for key in asset_keys if key in marks}
