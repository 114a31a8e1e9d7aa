"""The index's tables as readers see them: whole versions."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from sinks.filters import one_of
from sinks.location import Location
from sinks.storage.files import files_at
from sinks.tables.version_lease import VersionLease

T = TypeVar("T")
_CHUNK = 5000
INDEX_CACHE_BYTES = 1 << 30
"""Of all tables together. A million moments of 384 dimensions have an index of 400 MB."""
_METADATA_CACHE_BYTES = 128 << 20


class SharedCaches:
    """What is kept in memory of all tables that are opened with it."""

    def __init__(self, index_bytes: int = INDEX_CACHE_BYTES) -> None:
        self._index_bytes = index_bytes
        self._session: Any = None

    @property
    def session(self) -> Any:
        import lance

        if self._session is None:
            self._session = lance.Session(  # type: ignore[attr-defined]  # its types do not export it
                index_cache_size_bytes=self._index_bytes, metadata_cache_size_bytes=_METADATA_CACHE_BYTES
            )
        return self._session


class Snapshots:
    """Tables of one place. Reading what does not exist gives nothing. One thread at a time."""

    def __init__(self, location: Location, caches: SharedCaches) -> None:
        self.lease = VersionLease(location)
        self._location = location
        self._caches = caches
        self._files = files_at(location)
        self._open: dict[str, Any] = {}

    @property
    def opened(self) -> bool:
        """Whether a table was found."""
        return bool(self._open)

    def forget(self) -> None:
        """Open every table anew when it is read next."""
        self._open.clear()

    def newest(self, name: str) -> Any | None:
        """The table as it is now, or None. It stays so however much is written meanwhile."""
        table = self._open.get(name)
        if table is None:
            table_at = self._location.child(f"{name}.lance")
            if not self._files.has_table(f"{name}.lance"):
                return None  # missing, or cut off while it was made
            table = self._opened(table_at)
        elif (version := table.latest_version) != table.version:
            table = table.checkout_version(version)
        self._open[name] = table
        return table

    def select(
        self, name: str, where: str, columns: Sequence[str] | None = None, limit: int | None = None
    ) -> pa.Table | None:
        """Rows of the newest version that match; None when the table does not exist."""
        table = self.newest(name)
        if table is None:
            return None
        return table.scanner(columns=_list(columns), filter=where or None, limit=limit).to_table()

    def select_in(
        self, name: str, column: str, values: Collection[str], columns: Sequence[str] | None = None, where: str = ""
    ) -> list[pa.Table]:
        """Rows whose `column` is one of `values`, which may be many: some thousand values at a time."""
        found = []
        for part in chunks(sorted(set(values)), _CHUNK):
            listed = one_of(column, part)
            rows = self.select(name, f"{listed} AND {where}" if where else listed, columns)
            found += [] if rows is None else [rows]
        return found

    def batches(self, name: str, where: str, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Rows of the newest version that match, so many at a time; few are in memory. None without a table."""
        table = self.newest(name)
        if table is not None:
            few = {"batch_size": rows, "batch_readahead": 1, "fragment_readahead": 1}
            yield from table.scanner(columns=list(columns), filter=where, **few).to_batches()

    def _opened(self, table_at: Location) -> Any:
        import lance

        return lance.dataset(table_at.uri, session=self._caches.session, storage_options=table_at.options)


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _list(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)
