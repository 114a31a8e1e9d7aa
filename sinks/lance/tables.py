"""LanceDB tables of one directory: opened lazily, replaced by merge, always read at their newest version."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sinks.filters import literal, one_of
from sinks.paths import require_usable

_VERSIONS_KEPT = timedelta(minutes=10)
_AT_ONCE = timedelta(milliseconds=1)
_CHUNK = 5000
_LARGE_FRAGMENT_ROWS = 900_000  # of a million, if less than a tenth is deleted


class LanceTables:
    """Tables under `directory`. Reading what does not exist gives nothing; only writing creates.

    Raises `Fatal` (`unusable_path`) for a directory in which no table can lie.
    """

    def __init__(self, directory: Path) -> None:
        require_usable(directory, "the index")
        self.directory = directory
        self._connection: Any = None
        self._open: dict[str, Any] = {}
        self._indexed: set[str] = set()

    def find(self, name: str) -> Any | None:
        """The table at its newest version, or None. Reads through it see every commit of any process."""
        if name not in self._open:
            if not any((self.directory / f"{name}.lance" / "_versions").glob("*.manifest")):
                return None  # missing, or cut off while it was made
            self._open[name] = self._connect().open_table(name)
        return self._open[name]

    def ensure(self, name: str, schema: pa.Schema, *, keyed: Sequence[str] = (), worded: str | None = None) -> Any:
        """The table, created with scalar indexes on `keyed` and a full-text one on `worded` if missing.

        Nullable columns that a table of an older version lacks are added, empty.
        """
        table = self.find(name)
        if table is None:
            table = self._connect().create_table(name, schema=schema, exist_ok=True)
            self._open[name] = table
        known = set(table.schema.names)
        if added := [field for field in schema if field.nullable and field.name not in known]:
            table.add_columns(pa.schema(added))
        if name not in self._indexed:
            have = {column for index in table.list_indices() for column in index.columns}
            _index(table, [column for column in keyed if column not in have], None if worded in have else worded)
            self._indexed.add(name)
        return table

    def select(
        self, name: str, where: str, columns: Sequence[str] | None = None, limit: int | None = None
    ) -> pa.Table | None:
        """Rows of the newest version that match; None when the table does not exist."""
        table = self.find(name)
        if table is None:
            return None
        query = table.search().where(where) if where else table.search()
        if columns is not None:
            query = query.select(list(columns))
        return query.limit(limit).to_arrow() if limit is not None else query.to_arrow()

    def select_in(
        self, name: str, column: str, values: Collection[str], columns: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Rows whose `column` is one of `values`, which may be many."""
        listed = sorted(set(values))
        found: list[dict[str, Any]] = []
        for start in range(0, len(listed), _CHUNK):
            rows = self.select(name, one_of(column, listed[start : start + _CHUNK]), columns)
            found += [] if rows is None else rows.to_pylist()
        return found

    def merge(self, name: str, rows: pa.Table, on: str | list[str], *, replacing: str | None = None) -> None:
        """Update or insert `rows` by key in one commit; rows that match `replacing` and are not in `rows` go.

        Keys in `rows` must be unique: LanceDB inserts a repeated one twice, or refuses it as ambiguous.
        """
        builder = self._open[name].merge_insert(on).when_matched_update_all().when_not_matched_insert_all()
        if replacing is not None:
            builder = builder.when_not_matched_by_source_delete(replacing)
        builder.execute(rows)

    def delete(self, name: str, where: str) -> None:
        table = self.find(name)
        if table is not None and table.count_rows(where):
            table.delete(where)

    def drop(self, name: str) -> None:
        """Remove a table with its files; nothing happens where there is none."""
        if self.find(name) is not None:
            self._connect().drop_table(name)
            self.forget()

    def optimize(self, name: str) -> None:
        """Compact, bring indexes up to date, drop versions that no reader of the last minutes can be using."""
        table = self.find(name)
        if table is not None:
            table.optimize(cleanup_older_than=_VERSIONS_KEPT)

    def purge(self, name: str, touch: str, *, worded: str | None = None) -> None:
        """Leave no byte of deleted rows. `touch` is a column of hexadecimal digests, `worded` the one with a full-text
        index.

        Compaction rewrites a fragment only beside another small one that is indexed like it (or when a tenth of it is
        deleted), so one row is rewritten into a fragment of its own and indexed first; where fragments may be large, an
        eighth of all rows is (digests that begin with 0 or 1), which takes more than a tenth out of each. A full-text
        index keeps words of deleted rows: it is built anew. Each `optimize` drops the versions before its own first
        commit.
        """
        table = self.find(name)
        if table is None:
            return
        some = table.search().select([touch]).limit(1).to_arrow().to_pylist()
        if some:
            small = table.count_rows() < _LARGE_FRAGMENT_ROWS
            where = f"{touch} = {literal(some[0][touch])}" if small else f"{touch} < '2'"
            table.update(where=where, values_sql={touch: touch})
        for _ in range(2):
            table.optimize(cleanup_older_than=_AT_ONCE, delete_unverified=True)
        if worded is not None:
            _index(table, (), worded)
        table.optimize(cleanup_older_than=_AT_ONCE, delete_unverified=True)

    def forget(self) -> None:
        """Drop handles, so the next use opens the store anew (after an error, or at the end)."""
        self._open.clear()
        self._indexed.clear()
        self._connection = None

    def _connect(self) -> Any:
        if self._connection is None:
            import lancedb

            self._connection = lancedb.connect(self.directory, read_consistency_interval=timedelta(0))
        return self._connection


def _index(table: Any, keyed: Sequence[str], worded: str | None) -> None:
    from lancedb.index import FTS, BTree

    for column in keyed:
        table.create_index(column, config=BTree())
    if worded is not None:
        table.create_index(worded, config=FTS())
