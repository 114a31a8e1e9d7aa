"""The Delta store: one table of moments for data teams, its own ledger and watermarks. Written by one process."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.fold import SpaceCell, cell_of
from sinks.assets.ledger_entries import LEDGER_VERSIONS, RECEIPT_SCHEMA, LedgerEntry, under_watermark
from sinks.assets.tombstones import Retirement
from sinks.delta.followed import Followed
from sinks.delta.followed_ledger import FollowedLedger
from sinks.delta.held import HELD, NOTHING_VOID, Held, Void
from sinks.delta.ledger_changes import LedgerChanges
from sinks.delta.moments import CELL_ORDER, MOMENTS, MomentsTable
from sinks.delta.old_ledger import OldLedger, OldWatermarks
from sinks.delta.placement import cells_filter
from sinks.delta.recent_assets import RecentAssets, of_assets
from sinks.delta.removal import NOTHING_REMOVED, Removal
from sinks.delta.tables import LOG_KEPT, NO_RETENTION, DeltaTables, Shape
from sinks.filters import one_of
from sinks.ledger.watermark_table import RETIRED
from sinks.location import Location, Place
from sinks.paths import require_usable
from sinks.schema import SPACE_SCHEMA, delta_rows, delta_schema, stored_rows
from sinks.storage.files import files_at
from sinks.tables import memory
from sinks.tables.lance_tables import Caches, LanceTables
from sinks.tables.names import SEGMENTS
from stream.events.annotations import Annotations, Space
from stream.events.asset import Outcome
from stream.events.ids import asset_key

T = TypeVar("T")
_SPACES = Shape("spaces", SPACE_SCHEMA, configuration={"delta.dataSkippingStatsColumns": "key", LOG_KEPT: NO_RETENTION})
_FEW_CACHES, _SOME_CACHES = Caches(4 << 20, 4 << 20), Caches(16 << 20, 8 << 20)
_CELLS_AT_ONCE = 5_000
_MOST_WHOLE = 64
"""Cells of an asset that are looked up together although not all of them are asked for."""


class DeltaStore:
    """Every method is one commit per table it touches, and may be repeated. A commit of moments tells what it changes
    in the ledger; `prepare` undoes one that does not. Reading what is missing gives nothing.

    `before_removal` is called before files of older versions are removed: what takes their place has to be durable.
    `epoch` fences the tables (see `LanceTables`).
    Raises `Fatal` (`unusable_path`) for a place in which no table can lie.
    """

    def __init__(
        self,
        place: Place,
        before_removal: Callable[[], None] = lambda: None,
        epoch: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.location = Location.of(place)
        require_usable(self.location, "the Delta table")
        self._delta = DeltaTables(place, before_removal=before_removal, epoch=epoch)
        # Twice: one is asked while upkeep writes to the other.
        self._lance = LanceTables(place, _FEW_CACHES, before_removal=before_removal, epoch=epoch)
        self._asked_tables = LanceTables(place, _SOME_CACHES, epoch=epoch)
        self._moments = MomentsTable(self._delta)
        followed = Followed(self.location)
        self.ledger = FollowedLedger(followed, self._moments.log, self._asked_tables, self._lance)
        self._old_ledger, self._old_watermarks = OldLedger(self._delta), OldWatermarks(self._delta)
        self._spaces: set[str] = set()
        self._number: int | None = None
        self._recent = RecentAssets()

    def open(self) -> None:
        memory.bound()
        files_at(self.location).make()

    def prepare(self) -> None:
        """For the writer, before anything else and after a failure: move what an older release kept elsewhere, and
        forget cells of whose rows the ledger was not told. Their records were not acknowledged and come again.
        """
        if self._number is None:
            moved = self._old_ledger.move(self._lance)
            self._number = self._moments.number()
            told = self.ledger.begin(self._number)
            self._remember_anew()
            # An older release may have been killed between the moments and the ledger: one scan finds such rows.
            if moved or not told:
                self.erase(self._unfollowed())
        elif self._recent.worn:
            self._remember_anew()

    def upgrade(self) -> None:
        """As `prepare`, and finish a sweep that an older release was killed in."""
        self.prepare()
        if not self.ledger.swept:
            self.sweep(self.unswept())
            # A whole ledger was in memory, once.
            memory.give_back()

    def ledger_entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        return self._asked(lambda ledger: ledger.entries(asset_keys))

    def ledger_entries_of(self, segment_ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Columns of the receipts of these segments, in any space."""
        return self._asked(lambda ledger: ledger.of_segments(segment_ids, columns))

    def held(self, segment_ids: Collection[str], asset_keys: Collection[str] = ()) -> dict[SpaceCell, Held]:
        """What the ledger says of the cells of these segments and of these assets: in one look-up."""
        self.prepare()
        found = self.ledger.known(segment_ids, asset_keys, HELD)
        return {SpaceCell(row["segment_id"], row["space"]): Held.of(row) for row in found.to_pylist()}

    def held_by(self, batch: Sequence[Annotations], told: Collection[str]) -> dict[SpaceCell, Held]:
        """What the ledger says of the cells of these annotations, and of all cells of the assets `told`. For the
        writer, who remembers most of it.
        """
        self.prepare()
        keys = {asset: asset_key(*asset) for asset in {_asset(item) for item in batch}}
        unknown = self._recent.unknown({*keys.values(), *told})
        # All cells of an asset at once: the next batches ask for the others.
        few = {keys[_asset(item)] for item in batch if item.header.segment_count <= _MOST_WHOLE}
        whole = unknown & {*told, *few}
        parts = {item.header.segment_id for item in batch if keys[_asset(item)] in unknown - whole}
        found = self.held(parts, whole) if whole or parts else {}
        for key, cells in of_assets(found, whole):
            self._recent.learn(key, cells)
        for key in told:
            found.update(self._recent.cells(key))
        for item in batch:
            if (known := self._recent.cells(keys[_asset(item)]).get(_cell(item))) is not None:
                found[_cell(item)] = known
        return found

    def retirements(self, asset_keys: Collection[str] | None = None) -> dict[str, Retirement]:
        """Watermarks by asset; of all assets if none are named."""
        marks = self._old_watermarks if self._old_watermarks.there() else self.ledger
        return marks.marks(asset_keys)

    def marks(self, oldest_ms: Mapping[str, int]) -> dict[str, Retirement]:
        """Those that may void versions from these times on, of these assets. For the writer, who remembers most."""
        self.prepare()
        if unmarked := self._recent.unmarked(oldest_ms):
            self._recent.learn_marks(unmarked, self.ledger.marks(unmarked))
        return self._recent.marks(oldest_ms)

    def unswept(self) -> dict[str, Retirement]:
        """Watermarks of all assets whose ledger still shows rows under them."""
        marks = self.retirements()
        return marks and under_watermark(self._asked(lambda ledger: ledger.cells(LEDGER_VERSIONS)), marks)

    def commit(
        self,
        batch: Sequence[Annotations],
        held: Mapping[SpaceCell, Held],
        void: Void,
        entries: Sequence[LedgerEntry],
        marks: Mapping[str, Retirement],
    ) -> None:
        """Put whole segments in place of what their cells held, and drop what is void; with `entries` of these and
        watermarks, with which the ledger's rise. In one commit, whole or not at all; none where nothing changes.
        `held`: what the ledger says of all these cells.
        """
        self.prepare()
        changes = LedgerChanges.of(entries, void.cells, marks)
        if changes:
            new: set[SpaceCell | str] = {*(changes.entries.keys() - held.keys())}
            new.update(self._recent.never_marked(marks.keys()))
            self._tell(changes, batch, held, void, new)

    def _tell(
        self,
        changes: LedgerChanges,
        batch: Sequence[Annotations] = (),
        held: Mapping[SpaceCell, Held] | None = None,
        void: Void = NOTHING_VOID,
        new: Collection[SpaceCell | str] = (),
    ) -> None:
        self._recent.recording(changes.come, void)
        self._recent.retiring(changes.marks)
        self._change(batch, held or {}, void, changes)
        self.ledger.committed(changes, self._moments.number(), new)

    def replace(self, batch: Sequence[Annotations]) -> None:
        """Put whole segments in place of what their cells held, of which the ledger is told by `record`."""
        if batch:
            self.prepare()
            self._change(batch, self.held({item.header.segment_id for item in batch}))

    def _change(
        self,
        batch: Sequence[Annotations],
        held: Mapping[SpaceCell, Held],
        void: Void = NOTHING_VOID,
        changes: LedgerChanges | None = None,
    ) -> None:
        # Before the rows, in which only the keys of spaces stand.
        self.register({item.header.space.key: item.header.space for item in batch}.values())
        changed = {cell: known for cell in map(_cell, batch) if (known := held.get(cell)) and known.moment_count}
        times = (*(known.time for known in changed.values()), *void.times)
        removal = Removal(times, changed.keys(), void.retired)
        self._moments.change(_rows(batch), removal, self._next(), changes.told() if changes else None)
        self._number = self._moments.number()

    def replace_rows(self, rows: pa.Table, cells: Collection[SpaceCell]) -> None:
        """`delta_schema` rows of `cells` in place of what they held, wherever that lies: for maintenance."""
        self.prepare()
        self.ledger.doubt()
        self._moments.overwrite(rows, cells_filter(cells), self._next())
        self._number = self._moments.number()

    def record(self, ledger_entries: Sequence[LedgerEntry], known: Collection[SpaceCell] = ()) -> None:  # noqa: ARG002 - the protocol's
        """The ledger follows what `replace` did."""
        self.prepare()
        if ledger_entries:
            self._tell(LedgerChanges.of(ledger_entries))

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Delete void rows of these assets."""
        void = Void.of(retired, self.held((), retired.keys()))
        if void.cells:
            self._tell(LedgerChanges.of(gone=void.cells), void=void)

    def rows(self, asset_keys: Collection[str], space: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Moments of these assets in `space`, as `delta_schema` rows."""
        return self._moments.rows(f"{one_of('asset_key', asset_keys)} AND {one_of('space', [space])}", columns)

    def spaces(self) -> list[Space]:
        """The spaces that were ever stored, by key."""
        rows = self._delta.select(_SPACES.name, SPACE_SCHEMA).to_pylist()
        return sorted((Space.model_validate_json(row["space"]) for row in rows), key=lambda space: space.key)

    def erase(self, cells: Collection[SpaceCell]) -> None:
        """Forget these cells and their rows."""
        if cells:
            self.prepare()
            # The ledger first: after a kill in between, cells are made again rather than believed to be there.
            self._forget(cells)
            self._moments.delete(cells_filter(cells))

    def _forget(self, cells: Collection[SpaceCell]) -> None:
        self._tell(LedgerChanges.of(gone=cells))
        self._remember_anew()

    def drop_space(self, key: str) -> None:
        """Forget a space with its rows and receipts, the ledger's first."""
        self.prepare()
        gone = [SpaceCell(row["segment_id"], key) for row in self._of_space(key).to_pylist()]
        for start in range(0, len(gone), _CELLS_AT_ONCE):
            self._forget(gone[start : start + _CELLS_AT_ONCE])
        self._moments.delete(one_of("space", [key]))
        if self._delta.find(_SPACES.name) is not None:
            self._delta.commit(
                _SPACES, lambda table: table.delete(one_of("key", [key]), commit_properties=self._delta.properties())
            )
        self._spaces.clear()

    def cells(self) -> pa.Table:
        """The whole ledger as `RECEIPT_SCHEMA` rows."""
        return self._asked(lambda ledger: ledger.cells(RECEIPT_SCHEMA.names))

    def count(self) -> int:
        return self._moments.count()

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        if self.ledger.pending:
            return {MOMENTS.name: self.count(), SEGMENTS: self.cells().num_rows, RETIRED: len(self.ledger.marks())}
        return {MOMENTS.name: self.count(), **{name: self._lance.count(name) for name in (SEGMENTS, RETIRED)}}

    def contents(self) -> Iterator[tuple[str, pa.Table]]:
        """All rows, each with its `asset_key`, some at a time with the name of their table."""
        yield from ((MOMENTS.name, rows) for rows in self._moments.batches())
        yield from ((SEGMENTS, rows) for rows in self.ledger.batches())
        yield from ((RETIRED, rows) for rows in self.ledger.mark_batches())

    def take_in(self, name: str, rows: pa.Table) -> None:
        """Rows of a table of another store, as `contents` gives them. Their spaces are registered, and this store has
        nothing of their assets. It is whole when `prepare` has returned after the last.
        """
        if name == MOMENTS.name:
            self._moments.change(rows, NOTHING_REMOVED, self._moments.number() + 1)
        else:
            self.ledger.take_in(name, rows)

    def tend(self) -> None:
        """Keep the cost of commits and look-ups where it is. May run in a thread beside commits."""
        # First, as every commit looks until then.
        stored, marked = (partial(self._lance.column, name, "asset_key") for name in (SEGMENTS, RETIRED))
        self._recent.fill(stored, marked, self._lance.batches(RETIRED))
        # Before old commits go, which may tell of what the tables do not have yet.
        self.ledger.settle(self._delta.before_removal)
        # A writer that was stopped for long knows no commit of its successor, whose new files are no strays.
        self._moments.tidy(strays=self.location.path is not None)
        for name in (SEGMENTS, RETIRED):
            self._lance.tend(name)
        # Beside commits, so their heaps are in pieces afterwards.
        memory.give_back()

    def settle(self) -> None:
        """Let the tables of the ledger have all that was committed."""
        if self._number is not None:
            self.ledger.settle(self._delta.before_removal)

    def optimize(self) -> None:
        """Join what is small, drop what is superseded. No commit is on."""
        self.prepare()
        self.settle()
        # Nobody commits, so what no commit knows is a killed writer's.
        self._moments.tidy(strays=True, whole=True)
        for name in (SEGMENTS, RETIRED):
            self._lance.optimize(name)

    def purge(self) -> None:
        """Leave no byte of what was deleted. Who reads a file that goes has to begin anew."""
        self.prepare()
        self.settle()
        for shape in (MOMENTS, _SPACES):
            self._delta.purge(shape)
        self._moments.forget()
        for name in (SEGMENTS, RETIRED):
            self._lance.purge(name)

    def close(self) -> None:
        """Drop handles; the next commit begins with `prepare`."""
        self._delta.forget()
        self._moments.forget()
        for tables in (self._lance, self._asked_tables):
            tables.forget()
        self.ledger.forget()
        # The commit of a space may be taken back after a failed sync: what is remembered of it is void.
        self._spaces.clear()
        self._number = None

    def register(self, spaces: Collection[Space]) -> None:
        """Remember what these spaces are; keys alone stand in rows."""
        from deltalake import write_deltalake

        if self._spaces.issuperset(space.key for space in spaces):
            return
        self._spaces = {space.key for space in self.spaces()}
        rows = [{"key": it.key, "space": it.model_dump_json()} for it in spaces if it.key not in self._spaces]
        if rows:
            table = pa.Table.from_pylist(rows, schema=SPACE_SCHEMA)
            self._delta.commit(
                _SPACES,
                lambda delta: write_deltalake(delta, table, mode="append", commit_properties=self._delta.properties()),
            )
            self._spaces.update(space.key for space in spaces)

    def _next(self) -> int:
        """The number of the commits that begin now."""
        assert self._number is not None
        return self._number + 1

    def _remember_anew(self) -> None:
        """By the thread that commits: all that was written before lies in the tables when they are read, or is known
        here.
        """
        self._recent = RecentAssets()
        pending = self.ledger.pending
        self._recent.recording(pending.come, NOTHING_VOID)
        self._recent.retiring(pending.marks)

    def _of_space(self, key: str) -> pa.Table:
        ledger = self.ledger.cells(SpaceCell._fields)
        return ledger.filter(pc.equal(ledger["space"], key))

    def _unfollowed(self) -> set[SpaceCell]:
        """Cells whose rows are not those that the ledger tells of."""
        keys = [*CELL_ORDER, "moment_count"]
        ledger = self.ledger.cells([*keys, "outcome"])
        told = ledger.filter(pc.equal(ledger["outcome"], Outcome.DONE.value)).select(keys)
        strays = self._moments.cells().join(told, keys=keys, join_type="left anti")
        return {SpaceCell(row["segment_id"], row["space"]) for row in strays.to_pylist()}

    def _asked(self, ask: Callable[[FollowedLedger | OldLedger], T]) -> T:
        """What the ledger says, wherever it lies: a writer may be moving it."""
        if self._old_ledger.there():
            found = ask(self._old_ledger)
            # A writer may have moved the ledger while it was read: then only the new one has all of it.
            if self._old_ledger.there():
                return found
        return ask(self.ledger)


def _asset(item: Annotations) -> tuple[str, str]:
    return item.header.asset.tenant, item.header.asset.asset_id


def _cell(item: Annotations) -> SpaceCell:
    return cell_of(item.header)


def _rows(batch: Sequence[Annotations]) -> pa.Table:
    """`delta_schema` rows of annotations in any space."""
    by_space: dict[str, list[Annotations]] = {}
    for item in batch:
        by_space.setdefault(item.header.space.key, []).append(item)
    parts = [delta_rows(stored_rows(items)) for items in by_space.values()]
    return pa.concat_tables(parts) if parts else delta_schema().empty_table()
