"""The Delta table of moments. What a commit costs follows from what it changes, not from the size of the table."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sinks.delta.commit_log import APPLICATION, CommitLog, Number, require_plain
from sinks.delta.data_files import (
    PARTITIONS,
    DataFile,
    DataFiles,
    by_partition,
    exchanged,
    rows_in,
    with_columns,
)
from sinks.delta.joining import joins
from sinks.delta.known_files import KnownFiles
from sinks.delta.removal import DECIDING, Removal
from sinks.delta.superseded import SupersededFiles
from sinks.delta.tables import LOG_KEPT, DeltaTables, Shape
from sinks.schema import VECTORS, delta_schema
from sinks.tables import memory
from stream.clock import SystemClock

TARGET_BYTES = 2 << 20
"""Size of a file. A replaced cell rewrites the file it lies in, and every commit looks at the list of files: smaller
ones make the first cheaper, larger ones the second."""
KEPT = "interval 10 minutes"
"""How long superseded files and commits stay, for readers that have begun and for commits beside upkeep."""
_KEPT_MS = 600_000
_ATTEMPTS = 4

MOMENTS = Shape(
    "moments",
    delta_schema(),
    PARTITIONS,
    {
        "delta.dataSkippingStatsColumns": "version_ms",
        "delta.targetFileSize": str(TARGET_BYTES),
        "delta.deletedFileRetentionDuration": KEPT,
        LOG_KEPT: KEPT,
    },
)
"""Statistics live in the log, which outlives rows: no text, uri or label may be among them. Ids would tell nothing:
they are digests, of which every file holds small and great ones."""

CELL_ORDER = ("segment_id", "space", "version_ms", "version_offset", "epoch_ms", "revision")
"""Columns that say which cell a row belongs to, and in which order it was made."""

Exchange = tuple[list[DataFile], list[DataFile]]
"""Files that go, and files that come in their place."""


class MomentsTable:
    """Every commit bears `number`, so that whoever opens the table later knows which commit of rows was the last."""

    def __init__(self, tables: DeltaTables) -> None:
        self._tables = tables
        self._at = tables.location.child(MOMENTS.name)
        self._data = DataFiles(self._at, TARGET_BYTES)
        self.log = CommitLog(self._at)
        self._changes = threading.Lock()  # commits, one after another, and what is known of the table
        self._known: KnownFiles | None = None
        self._superseded = SupersededFiles(_KEPT_MS)

    def number(self) -> int:
        """That of the last commit which bore one; 0 if none did."""
        if (known := self._known) is not None:
            return known.number
        table = self._tables.find(MOMENTS.name)
        return (table.transaction_version(APPLICATION) if table is not None else None) or 0

    def change(
        self, added: pa.Table, removal: Removal, number: int | None = None, told: Mapping[str, Any] | None = None
    ) -> None:
        """Rows of cells that have none by then, in place of those that go; in one commit, none where nothing changes
        and nothing is `told` in the log. Rows that go do so by whole files: their other rows are written anew.
        """
        if added.num_rows or told is not None or (removal.times and self._is_there()):
            with self._changes:
                self._commit(lambda known: self._changed(known, added, removal), number, told)

    def forget(self) -> None:
        """What is known of the table may be wrong: read it anew."""
        self._known = None

    def overwrite(self, rows: pa.Table, where: str, number: int) -> None:
        """Rows, all of which match `where`, in place of those that match it now."""
        from deltalake import write_deltalake

        if rows.num_rows == 0:
            self.delete(where, number)
            return
        options = self._options(number)
        with self._beside_others():
            self._tables.commit(
                MOMENTS, lambda table: write_deltalake(table, rows, mode="overwrite", predicate=where, **options)
            )

    def delete(self, where: str, number: int | None = None) -> None:
        """Delete the rows that match."""
        if self._tables.find(MOMENTS.name) is not None:
            with self._beside_others():
                self._tables.commit(MOMENTS, lambda table: table.delete(where, **self._options(number)))

    def rows(self, where: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows that match, or some of their columns, as `delta_schema` has them."""
        return self._tables.select(MOMENTS.name, delta_schema(), where, columns)

    def batches(self) -> Iterator[pa.Table]:
        """All rows as `delta_schema` has them, some at a time."""
        from deltalake import QueryBuilder

        table: Any = self._tables.find(MOMENTS.name)
        if table is None:
            return
        known = {column.name for column in table.schema().fields}
        listed = ", ".join(name if name in known else f"NULL AS {name}" for name in delta_schema().names)
        reader = pa.RecordBatchReader.from_stream(
            QueryBuilder().register("found", table).execute(f"SELECT {listed} FROM found")  # noqa: S608 - names are ours
        )
        for batch in reader:
            yield pa.Table.from_batches([batch]).cast(delta_schema())

    def cells(self) -> pa.Table:
        """`CELL_ORDER` of all rows, each once, with the number of such rows as `moment_count`."""
        fields = [delta_schema().field(name) for name in CELL_ORDER]
        schema = pa.schema([*fields, pa.field("moment_count", pa.int32(), nullable=False)])
        if self._tables.find(MOMENTS.name) is None:
            return schema.empty_table()
        listed = ", ".join(CELL_ORDER)
        sql = f"SELECT {listed}, COUNT(*) AS moment_count FROM found GROUP BY {listed}"  # noqa: S608 - names are ours
        return self._tables.query(MOMENTS.name, sql).cast(schema)

    def count(self) -> int:
        table = self._tables.find(MOMENTS.name)
        return 0 if table is None else int(table.count())

    def tidy(self, *, strays: bool, whole: bool = False) -> None:
        """Drop superseded files that no reader of the last minutes can be using, all of them where they take more room
        than half of the table; then join small ones. May run beside commits, which wait for the commit of what is
        joined alone. What that supersedes goes the next time. It costs what was done since the last time, and now and
        then, or if `whole`, what the table has files. `strays`: then also files that no commit knows, as a killed
        writer leaves them.
        """
        if not self._tables.has(MOMENTS.name):
            return
        with self._changes:
            known = self._known = self._known or self._read()
            superseded, files = self._superseded, list(known)
            look, checkpoint = superseded.look_due(len(files)), superseded.checkpoint_due(len(files))
        live_bytes = sum(file.size_bytes for file in files)
        if whole or checkpoint or look:
            table: Any = self._tables.fresh(MOMENTS.name)
            table.create_checkpoint()
            if whole or look:
                self._look(table, superseded, strays=strays, size_bytes=live_bytes // max(1, len(files)))
            # Commits go that only the checkpoint stands for.
            self._tables.before_removal()
            # After the look: it forgets what it does not need.
            table.cleanup_metadata()
            # The list of all files was in memory several times.
            del table
            memory.give_back()
        # Nothing may be superseded by what is not durable yet.
        self._tables.before_removal()
        with self._changes:
            gone = superseded.taken(live_bytes, SystemClock().now_ms())
        # Commits go on meanwhile: none of them reads what is superseded.
        self._data.remove(gone)
        self._join()

    def _is_there(self) -> bool:
        return self._known is not None or self._tables.find(MOMENTS.name) is not None

    def _commit(
        self,
        change: Callable[[KnownFiles], Exchange],
        number: int | None = None,
        told: Mapping[str, Any] | None = None,
        *,
        changed: bool = True,
    ) -> None:
        """Exchange the files that `change` names. Where another has committed meanwhile, the table is read anew and
        `change` is asked again. Raises `CommitFailedError` where that goes on.
        """
        from deltalake.exceptions import CommitFailedError

        numbers = self._tables.numbers(*([] if number is None else [Number(APPLICATION, number)]))
        if self._known is not None and not self.log.has(self._known.version):
            self._read_anew()
        for _ in range(_ATTEMPTS):
            known = self._known = self._known or self._read()
            gone, come = change(known)
            if not gone and not come and told is None:
                return
            if self.log.add(known.version + 1, exchanged(gone, come, changed=changed), numbers, told):
                known.changed(gone, come, number)
                self._superseded.commit(gone, SystemClock().now_ms())
                self._tables.renew(MOMENTS.name)
                return
            self._read_anew()
        raise CommitFailedError(f"{self._at}: others commit to this table")

    def _read(self) -> KnownFiles:
        table = self._tables.ensure(MOMENTS)
        require_plain(table, self._at)
        # Others may have committed, or what was committed is taken back.
        self._superseded = SupersededFiles(_KEPT_MS)
        return KnownFiles.of(table, APPLICATION)

    @contextmanager
    def _beside_others(self) -> Iterator[None]:
        """For a commit by `deltalake` itself."""
        with self._changes:
            try:
                yield
            finally:
                self._read_anew()

    def _read_anew(self) -> None:
        self._known = None
        self._tables.renew(MOMENTS.name)

    def _changed(self, known: KnownFiles, added: pa.Table, removal: Removal) -> Exchange:
        """Files that go, and those with the rows that stay and come."""
        schema = known.schema
        deciding = pa.schema([schema.field(name) for name in DECIDING])
        gone: list[DataFile] = []
        come: list[DataFile] = []
        for file in known.holding(removal.times):
            content = self._data.content(file)
            # Narrow columns first: vectors and thumbnails are read only where a row goes.
            goes = removal.mask(rows_in(content, deciding))
            if pc.any(goes).as_py():
                gone.append(file)
                come += self._data.write(rows_in(content, schema).filter(pc.invert(goes)), file.partition)
        for partition, rows in by_partition(added):
            come += self._data.write(with_columns(rows, schema), partition)
        return gone, come

    def _join(self) -> None:
        """Files are read and written beside commits, which wait only for that of what is joined."""
        with self._changes:
            known = self._known = self._known or self._read()
            schema, runs = known.schema, joins(known, TARGET_BYTES)
        made = [(run, self._joined(run, schema)) for run in runs]
        late: list[DataFile] = []

        def whole(known: KnownFiles) -> Exchange:
            # A commit beside it may have rewritten one of the files: then the run is left as it is.
            late[:] = [file for run, files in made if not known.has(run) for file in files]
            there = [(run, files) for run, files in made if known.has(run)]
            return [file for run, _ in there for file in run], [file for _, files in there for file in files]

        with self._changes:
            self._commit(whole, changed=False)
        self._data.remove(file.path for file in late)

    def _joined(self, run: Sequence[DataFile], schema: pa.Schema) -> list[DataFile]:
        rows = pa.concat_tables([rows_in(self._data.content(file), schema) for file in run])
        return self._data.write(rows, run[0].partition)

    def _look(self, table: Any, superseded: SupersededFiles, *, strays: bool, size_bytes: int) -> None:
        """Find what commits before this writer's have superseded, and what no commit knows."""
        options = {"dry_run": True, "enforce_retention_duration": False}
        if strays:
            self.log.drop_staged(SystemClock().now_ms() - _KEPT_MS)
        old = set(table.vacuum(full=strays, **options))
        every = set(table.vacuum(retention_hours=0, **options))
        # Whoever had begun a commit before the look has ended it when it is our turn: its files are no strays.
        with self._changes:
            known = self._known = self._known or self._read()
            old -= {name for file in known for name in (file.path, file.uri)}
            now_ms = SystemClock().now_ms()
            superseded.looked(old, size_bytes, now_ms - _KEPT_MS)
            superseded.looked(every, size_bytes, now_ms)

    def _options(self, number: int | None) -> dict[str, Any]:
        """How a commit and its files are written."""
        from deltalake import ColumnProperties, WriterProperties

        # Vectors and thumbnails never repeat: a dictionary of them takes time and saves nothing.
        plain = ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
        heavy = {**{f"{name}.list.element": plain for name in VECTORS}, "thumbnail": plain}
        properties = WriterProperties(compression="SNAPPY", column_properties=heavy)
        numbered = [] if number is None else [Number(APPLICATION, number)]
        return {"writer_properties": properties, **self._tables.committed(*numbered)}
