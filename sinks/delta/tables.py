"""Delta tables of one store: opened lazily, read through DataFusion, committed to by one writer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from sinks.delta.commit_log import Number
from sinks.location import Location, Place
from sinks.storage.files import Files, files_at
from sinks.tables.fence import fenced_out

LOG_KEPT = "delta.logRetentionDuration"
NO_RETENTION = "interval 0 hours"
_WRITER = "rushes-writer"
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table is created with. `configuration` is also given to tables that an older release made."""

    name: str
    schema: pa.Schema
    partitions: tuple[str, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)


class DeltaTables:
    """Tables under `place`. Reading what does not exist gives nothing; only writing creates.

    `before_removal` has to be called before files are removed: what takes their place has to be durable. `epoch` is
    that of the store's writer on an object store: each of its commits bears it, and Delta lets none pass another that
    came meanwhile. So an empty commit of a new writer fences the table.
    """

    def __init__(
        self,
        place: Place,
        *,
        before_removal: Callable[[], None] = lambda: None,
        epoch: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.location = Location.of(place)
        self.before_removal = before_removal
        self._epoch = epoch
        self._open: dict[str, Any] = {}
        self._ensured: set[str] = set()

    def find(self, name: str) -> Any | None:
        """The table as this opener knows it, or None. A commit through it brings it up to date."""
        table = self._open.get(name)
        if table is None and (table := self.fresh(name)) is not None:
            # Before it is first read: what an earlier writer commits after that fails (ADR 0044).
            if (epoch := self._epoch()) is not None:
                table = self._fenced(name, table, epoch)
            self._open[name] = table
        return table

    def renew(self, name: str) -> None:
        """Open the table anew at its next use: others have committed to it than this handle. For any thread."""
        self._open.pop(name, None)

    def fresh(self, name: str) -> Any | None:
        """The table at its newest version, for another thread or a reader; None where there is none."""
        from deltalake import DeltaTable

        if not self.has(name):
            return None
        table_at = self.location.child(name)
        return DeltaTable(table_at.uri, storage_options=table_at.options)

    def has(self, name: str) -> bool:
        """Whether there is such a table."""
        # Not by `is_deltatable`, which lets no other thread run while an object store takes its time.
        return self._files.has_delta_table(name)

    @cached_property
    def _files(self) -> Files:
        return files_at(self.location)

    def properties(self, *numbers: Number) -> Any:
        """Those of a commit that bears these numbers."""
        from deltalake import CommitProperties, Transaction

        borne = [Transaction(item.application, item.number) for item in self.numbers(*numbers)]
        return CommitProperties(app_transactions=borne or None)

    def committed(self, *numbers: Number) -> dict[str, Any]:
        """How `deltalake` commits: with these numbers, and without cleaning the log, of which the ledger may need more
        than a reader (ADR 0073).
        """
        from deltalake import PostCommitHookProperties

        hooks = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        return {"commit_properties": self.properties(*numbers), "post_commithook_properties": hooks}

    def numbers(self, *numbers: Number) -> list[Number]:
        """These, with that of the writer: every commit bears it."""
        epoch = self._epoch()
        return [*numbers, *([] if epoch is None else [Number(_WRITER, epoch)])]

    def ensure(self, shape: Shape) -> Any:
        """The table, created if missing. One of an older release gets the nullable columns and settings it lacks."""
        table = self.find(shape.name)
        if table is None:
            table = self._open[shape.name] = self._create(shape)
        elif shape.name not in self._ensured:
            self._upgrade(table, shape)
        self._ensured.add(shape.name)
        return table

    def commit(self, shape: Shape, work: Callable[[Any], Any]) -> None:
        """Do `work` with the table. Upkeep beside it may have joined files that `work` was about to replace: then the
        table is read anew and `work` is done again.
        """
        from deltalake.exceptions import CommitFailedError

        for left in reversed(range(_ATTEMPTS)):
            try:
                work(self.ensure(shape))
                return
            except CommitFailedError:
                self._open.pop(shape.name, None)
                if not left:
                    raise

    def select(
        self, name: str, schema: pa.Schema, where: str = "true", columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Rows that match, in the types of `schema`; columns that the table lacks are empty."""
        names = list(columns or schema.names)
        wanted = pa.schema([schema.field(column) for column in names])
        table = self.find(name)
        if table is None:
            return wanted.empty_table()
        known = {column.name for column in table.schema().fields}
        listed = ", ".join(column if column in known else f"NULL AS {column}" for column in names)
        return self.query(name, f"SELECT {listed} FROM found WHERE {where}").cast(wanted)  # noqa: S608 - names are ours

    def query(self, name: str, sql: str) -> pa.Table:
        """The answer of an SQL query over the table `name`, which is there, as `found`. Through DataFusion: the scan of
        pyarrow trips over statistics of files that a partial overwrite wrote (`string` against `string_view`).
        """
        from deltalake import QueryBuilder

        table: Any = self.find(name)
        return pa.table(QueryBuilder().register("found", table).execute(sql).read_all())

    def purge(self, shape: Shape) -> None:
        """Leave no file and no commit but those of the newest version. Nobody may be reading or committing."""
        if (table := self.fresh(shape.name)) is None:
            return
        # The log is cut by the retention that the table itself states.
        table.alter.set_table_properties({LOG_KEPT: NO_RETENTION}, commit_properties=self.properties())
        # Before the commits go: the newest version is read from it.
        table.create_checkpoint()
        self.before_removal()
        table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
        table.cleanup_metadata()
        table.alter.set_table_properties({LOG_KEPT: shape.configuration[LOG_KEPT]}, commit_properties=self.properties())
        self._open.pop(shape.name, None)

    def forget(self) -> None:
        """Drop handles, so that the next use opens the tables anew."""
        self._open.clear()
        self._ensured.clear()

    def _create(self, shape: Shape) -> Any:
        from deltalake import DeltaTable

        return DeltaTable.create(
            self.location.child(shape.name).uri,
            schema=shape.schema,
            partition_by=list(shape.partitions) or None,
            configuration=dict(shape.configuration),
            storage_options=self.location.options,
            commit_properties=self.properties(),
        )

    def _fenced(self, name: str, table: Any, epoch: int) -> Any:
        """Let the table be this writer's. Raises `Unavailable` (`store_locked`)."""
        # An empty commit is enough: Delta lets none pass another of the same application.
        if (table.transaction_version(_WRITER) or 0) < epoch:
            table.create_write_transaction([], "append", table.schema(), **self.committed())
            table = self.fresh(name)
        if table.transaction_version(_WRITER) != epoch:
            raise fenced_out(self.location)
        return table

    def _upgrade(self, table: Any, shape: Shape) -> None:
        from deltalake import Schema

        known = {column.name for column in table.schema().fields}
        if added := [column for column in shape.schema if column.nullable and column.name not in known]:
            table.alter.add_columns(list(Schema.from_arrow(pa.schema(added)).fields), **self.committed())
        held = table.metadata().configuration
        if changed := {key: value for key, value in shape.configuration.items() if held.get(key) != value}:
            table.alter.set_table_properties(changed, **self.committed())
