"""Lance tables of one store: opened lazily, always read at their newest version. Upkeep is `upkeep`'s."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from sinks.filters import one_of
from sinks.location import Location, Place
from sinks.paths import require_usable
from sinks.storage.files import Files, files_at
from sinks.tables import fence, row_changes, upkeep
from sinks.tables.indexes import NO_INDEXES, Indexes
from sinks.tables.recent_fragments import RecentFragments
from sinks.tables.upkeep_policy import DEFAULT_POLICY, UpkeepPolicy
from sinks.tables.vector_index import DEFAULT_POLICY as DEFAULT_VECTORS
from sinks.tables.vector_index import VectorIndexPolicy

ADDRESS = "_rowaddr"
_CHUNK = 5000
_ATTEMPTS = 10
_UNKNOWN = -1
VERSIONS_DUE = 96
"""So many come with some fifty commits of a store. What they alone hold takes room meanwhile."""
_REFUSALS = (OSError, RuntimeError, ValueError, row_changes.RowsMoved)


@dataclass(frozen=True, slots=True)
class Caches:
    """How much one opener of a store keeps of its indexes and of the descriptions of its files. With 8 MiB of indexes a
    writer's look-ups in a large store cost up to a quarter of all its CPU.
    """

    index_bytes: int = 32 << 20
    metadata_bytes: int = 8 << 20


DEFAULT_CACHES = Caches()


class LanceTables:
    """Tables under `place`. Reading what does not exist gives nothing; only writing creates.

    `before_removal` is called before files of older versions are removed: what takes their place has to be durable.
    `epoch` is that of the store's writer on an object store; tables are fenced with it (see `fence`).
    Raises `Fatal` (`unusable_path`) for a place in which no table can lie.
    """

    def __init__(
        self,
        place: Place,
        caches: Caches = DEFAULT_CACHES,
        *,
        before_removal: Callable[[], None] = lambda: None,
        epoch: Callable[[], int | None] = lambda: None,
        vectors: VectorIndexPolicy = DEFAULT_VECTORS,
    ) -> None:
        self._vectors = vectors
        self.location = Location.of(place)
        require_usable(self.location, "the index")
        self._caches = caches
        self._before_removal = before_removal
        self._epoch = epoch
        self._open: dict[str, Any] = {}
        self._ensured: set[str] = set()
        self._recent: dict[str, RecentFragments] = {}
        self._dropped: dict[str, int] = {}
        self._exclusive: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def find(self, name: str) -> Any | None:
        """The table at its newest version, or None. Reads through it see every commit of any process."""
        if name not in self._open:
            if not self._files.has_table(f"{name}.lance"):
                return None  # missing, or cut off while it was made
            self._open[name] = upkeep.opened(self._at(name), self._session)
        else:
            self._open[name].checkout_latest()
        # Looked at in this version, with which a commit begins.
        if (epoch := self._epoch()) is not None:
            self._fence(name, epoch)
        return self._open[name]

    def ensure(self, name: str, schema: pa.Schema, indexes: Indexes = NO_INDEXES) -> Any:
        """The table, created if missing, with the scalar and full-text indexes that it lacks.

        Nullable columns that a table of an older version lacks are added, empty.
        """
        table = self.find(name)
        if table is None:
            self._open[name] = upkeep.created(self._at(name), schema, self._session)
            # Through `find`, which fences it.
            table = self._current(name)
        # Also where the table is there: a kill may have come between its making and its indexes.
        if name not in self._ensured:
            known = set(table.schema.names)
            if added := [field for field in schema if field.nullable and field.name not in known]:
                table.add_columns(pa.schema(added))
            have = {column for index in table.describe_indices() for column in index.field_names}
            for column, kind in indexes.kinds():
                if column not in have:
                    table.create_scalar_index(column, kind, name=f"{column}_idx")
            for column in set(indexes.worded) - have:
                upkeep.index_words(self._at(name), column)
            self._ensured.add(name)
            self._recent.setdefault(name, RecentFragments(indexes.texts(schema)))
            table = self._current(name)
        return table

    def select(
        self,
        name: str,
        where: str,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        *,
        addressed: bool = False,
        among: Collection[str] | None = None,
    ) -> pa.Table | None:
        """Rows of the newest version that match; None when the table does not exist. `addressed`: with a column
        `ADDRESS`. `among`: each row that matches has one of these in a `keyed` column.
        """
        table = self.find(name)
        if table is None:
            return None
        return table.scanner(
            columns=None if columns is None else list(columns),
            filter=where or None,
            limit=limit,
            with_row_address=addressed,
            fragments=self._holding(name, table, among),
        ).to_table()

    def select_in(
        self,
        name: str,
        column: str,
        values: Collection[str],
        columns: Sequence[str] | None = None,
        *,
        addressed: bool = False,
    ) -> list[dict[str, Any]]:
        """Rows whose `column` is one of `values`, which may be many. `addressed`: as `select` has it."""
        found: list[dict[str, Any]] = []
        for where in self.clauses(column, values):
            rows = self.select(name, where, columns, addressed=addressed, among=self._keys(name, column, values))
            found += [] if rows is None else rows.to_pylist()
        return found

    def batches(self, name: str, rows: int = 5_000) -> Iterator[pa.Table]:
        """All rows of the newest version, some at a time; none where there is no table."""
        if self._files.has_table(f"{name}.lance"):
            yield from upkeep.batches(self._at(name), rows)

    def column(self, name: str, column: str) -> tuple[int, Iterator[pa.Array]]:
        """How many rows the table has in its newest version, and their values, some at a time; none where there is no
        table. From any thread.
        """
        if not self._files.has_table(f"{name}.lance"):
            return 0, iter(())
        return upkeep.column(self._at(name), column)

    def count(self, name: str) -> int:
        table = self.find(name)
        return 0 if table is None else int(table.count_rows())

    @staticmethod
    def clauses(column: str, values: Collection[str]) -> Iterator[str]:
        """Filters that together say that `column` is one of `values`, none of them too long."""
        listed = sorted(set(values))
        for start in range(0, len(listed), _CHUNK):
            yield one_of(column, listed[start : start + _CHUNK])

    def append(self, name: str, rows: pa.Table) -> None:
        """Rows of keys that the table lacks, in one commit: the cheapest there is, at any size."""
        if rows.num_rows:
            table = self._current(name)
            come = row_changes.written(table, rows)
            # Not exclusive: Lance lets appends pass beside upkeep.
            self._committed(name, row_changes.appended(table, come), come, rows)

    def merge(self, name: str, rows: pa.Table, on: str) -> None:
        """Update or insert `rows` by an indexed key in one commit; no key is missing in between. Keys are unique."""
        self.exchange(name, on, rows[on].to_pylist(), rows)

    def exchange(
        self, name: str, column: str, values: Collection[str], rows: pa.Table, lying: Collection[int] | None = None
    ) -> range | None:
        """Put `rows` in place of those whose `column`, an indexed one, is one of `values`; in one commit. `lying`: the
        addresses of these, where they were looked up and nothing of them was written since. The addresses of `rows`
        are returned where they are known.
        """
        return self._change(name, list(self.clauses(column, values)), rows, lying, self._keys(name, column, values))

    def exchange_where(
        self,
        name: str,
        clauses: Sequence[str],
        rows: pa.Table | None,
        lying: Collection[int] | None = None,
        *,
        among: Collection[str] | None = None,
    ) -> range | None:
        """As `exchange`, in place of those that match one of `clauses`; with no rows these only go. `among`: as
        `select` has it.
        """
        return self._change(name, clauses, rows, lying, among)

    def update(self, name: str, where: str, columns: Mapping[str, str]) -> None:
        """Set columns, as SQL, of the rows that match, in one commit (many rows: some); none where nothing matches."""
        with self._exclusive[name]:
            for left in reversed(range(_ATTEMPTS)):
                if (table := self.find(name)) is None:
                    return
                # Found by their addresses first: a scan reads every column of rows that no index covers yet.
                found = row_changes.addresses_of(table, [where])
                try:
                    for start in range(0, len(found), _CHUNK):
                        some = found[start : start + _CHUNK]
                        come = row_changes.written(table, row_changes.changed(table, some, columns))
                        table = self._open[name] = row_changes.exchanged(table, some, come)
                    return
                except _REFUSALS as error:
                    if not left or not row_changes.is_conflict(error):
                        raise

    def delete(self, name: str, where: str, *, among: Collection[str] | None = None) -> None:
        """Delete the rows that match, in one commit; none where nothing matches. `among`: as `select` has it."""
        self._change(name, [where], None, among=among)

    def _change(
        self,
        name: str,
        clauses: Sequence[str],
        rows: pa.Table | None,
        lying: Collection[int] | None = None,
        among: Collection[str] | None = None,
    ) -> range | None:
        """Rows that match one of `clauses` go, and `rows` come. `lying` and `among`: as `exchange_where` has them."""

        def found_in(table: Any) -> list[int]:
            return row_changes.addresses_of(table, clauses, self._holding(name, table, among))

        if (table := self.find(name)) is None:
            assert rows is None or not rows.num_rows, name
            return None
        # Addresses are true as long as their fragments are there, whatever was committed since.
        version, gone = table.version, lying if lying is not None else found_in(table)
        come = [] if rows is None else row_changes.written(table, rows)
        if not gone:
            # Not exclusive, as `append`.
            return self._committed(name, row_changes.appended(table, come), come, rows) if come else None
        with self._exclusive[name]:
            for left in reversed(range(_ATTEMPTS)):
                if (table := self._current(name)).version != version:
                    # Upkeep may have moved what was found.
                    version, gone = table.version, found_in(table)
                try:
                    return self._committed(name, row_changes.exchanged(table, gone, come), come, rows)
                except _REFUSALS as error:
                    if not left or not row_changes.is_conflict(error):
                        raise
                    version = _UNKNOWN
        raise AssertionError("the last attempt returns or raises")

    def derive(
        self,
        name: str,
        schema: pa.Schema,
        columns: Callable[[pa.RecordBatch], pa.RecordBatch],
        read: Sequence[str],
    ) -> None:
        """Add columns of `schema` to an existing table, made from batches of the columns `read`, in one commit."""
        upkeep.derive(self._at(name), schema, columns, read)

    def drop(self, name: str) -> None:
        """Remove a table with its files; nothing happens where there is none."""
        if self.find(name) is not None:
            upkeep.drop(self._at(name))
            self.forget()

    def tend(self, name: str, policy: UpkeepPolicy = DEFAULT_POLICY) -> None:
        """Upkeep that is due, beside commits and from any thread: see `upkeep.tend`."""
        if self._files.has_table(f"{name}.lance"):
            try:
                upkeep.tend(self._at(name), self._exclusive[name], policy, self._vectors, self._session)
            finally:  # or a step that always fails would let the disk fill up with them
                self._drop_many_versions(name)

    def optimize(self, name: str, *, alone: bool = True) -> None:
        """Join small files, bring indexes up to date, drop versions that no reader can be using. No commit of this
        process is on; none of any process where we are `alone`, so that what a killed one left goes too.
        """
        if self._files.has_table(f"{name}.lance"):
            upkeep.optimize(self._at(name), self._exclusive[name], vectors=self._vectors)
            self._drop_versions(name, unverified=alone)

    def purge(self, name: str) -> None:
        """Leave no byte of deleted rows and no old version. Readers that hold one open the table anew."""
        self.rewrite(name)
        self.drop_old_versions(name)

    def rewrite(self, name: str) -> None:
        """A version without a byte of deleted rows; they lie in old versions alone from here on."""
        if self.find(name) is not None:
            upkeep.materialize_deletions(self._at(name), self._exclusive[name])

    def drop_old_versions(self, name: str) -> None:
        """At once, with what a killed process left: nobody else writes."""
        if self.find(name) is not None:
            self._drop_versions(name, timedelta(0), unverified=True)

    def forget(self) -> None:
        """Drop handles, so the next use opens the store anew (after an error, or at the end)."""
        self._open.clear()
        self._ensured.clear()
        # Tables may be taken back now.
        self._recent.clear()
        self._dropped.clear()

    @cached_property
    def _session(self) -> Any:
        """What is kept of indexes and descriptions of files, for all tables."""
        return upkeep.session(self._caches.index_bytes, self._caches.metadata_bytes)

    def _drop_versions(
        self, name: str, older_than: timedelta = upkeep.VERSIONS_KEPT, *, unverified: bool = False
    ) -> None:
        self._before_removal()
        upkeep.drop_versions(self._at(name), older_than=older_than, unverified=unverified)

    def _drop_many_versions(self, name: str) -> None:
        """Old versions, at first and once there are many more: each look reads all that are there."""
        newest = upkeep.newest(self._at(name), self._session)
        if name not in self._dropped or newest >= self._dropped[name] + VERSIONS_DUE:
            self._drop_versions(name)
            # Not before: what fails is due again.
            self._dropped[name] = newest

    def _committed(self, name: str, table: Any, come: Sequence[Any], rows: pa.Table | None) -> range | None:
        """`table` is the newest, with `rows` as its fragments `come`. Their addresses, where they are known."""
        self._open[name] = table
        recent = self._recent.get(name)
        if rows is None or recent is None or (number := recent.wrote(table, come, rows)) is None:
            return None
        return range(first := row_changes.address(number, 0), first + rows.num_rows)

    def _keys(self, name: str, column: str, values: Collection[str]) -> Collection[str] | None:
        """What `select` calls `among`, where rows with these values in `column` are looked for."""
        recent = self._recent.get(name)
        return values if recent is not None and column in recent.columns else None

    def _holding(self, name: str, table: Any, among: Collection[str] | None) -> list[Any] | None:
        """Fragments that may hold what `select` looks for; None: any of them."""
        recent = self._recent.get(name)
        return None if recent is None or among is None else recent.holding(table, among)

    def _current(self, name: str) -> Any:
        """An open table, where a commit may begin."""
        table = self.find(name)
        assert table is not None
        return table

    def _fence(self, name: str, epoch: int) -> None:
        """Bring the open table up to date, and let it be this writer's. Raises `Unavailable` (`store_locked`)."""
        table = self._open[name]
        if fence.epoch_of(table.schema) < epoch:
            fence.fence(self._at(name), epoch)
            table.checkout_latest()
        # Greater where a later holder of the lease was faster.
        if fence.epoch_of(table.schema) != epoch:
            raise fence.fenced_out(self.location)

    @cached_property
    def _files(self) -> Files:
        return files_at(self.location)

    def _at(self, name: str) -> Location:
        return self.location.child(f"{name}.lance")
