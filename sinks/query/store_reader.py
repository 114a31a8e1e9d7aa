"""The index as readers see it: the tables of all its shards. Begin here; `snapshots` holds one shard's."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any, TypeVar

import pyarrow as pa

from sinks.layout import Layout
from sinks.location import Location, Place
from sinks.paths import require_usable
from sinks.query.rankings import SpaceVersion
from sinks.query.remembered import Remembered
from sinks.query.sharded_version import ShardedVersion, ShardTable, Version
from sinks.query.snapshots import INDEX_CACHE_BYTES, SharedCaches, Snapshots
from sinks.query.text_statistics import TextStatistics
from sinks.store_errors import guarded
from stream.errors import StageError

T = TypeVar("T")
U = TypeVar("U")
_THREADS = 8
"""Reading waits for disks and networks, and Lance computes in threads of its own."""


class StoreReader:
    """Tables of the index at `place`. Reading what does not exist gives nothing. One thread at a time. Of indexes it
    keeps `cache_bytes` in memory.

    Raises `Fatal` (`unusable_path`) for a place in which no table can lie.
    """

    def __init__(self, place: Place, cache_bytes: int = INDEX_CACHE_BYTES) -> None:
        self._cache_bytes = cache_bytes
        self._location = Location.of(place)
        require_usable(self._location, "the index")
        self._depth = 0
        self._layout: Layout | None = None
        self._shards: tuple[Snapshots, ...] = ()
        self._texts: dict[tuple[int, str], TextStatistics] = {}
        self._remembered: dict[tuple[int, str], Remembered] = {}
        self._threads: ThreadPoolExecutor | None = None

    def reading(self, work: Callable[[], T]) -> T:
        """`work`, done once more over tables that are opened anew where it fails, or where the store was divided anew
        meanwhile: a writer that tidies may have removed the version that was being read. Raises as `guarded` says.
        """
        with guarded(self._location, "the index"):
            # Within another reading it keeps that one's layout and leases: one answer comes from one.
            if self._depth:
                return self._tried(work)
            if not self._settled:
                self._look()
            with ExitStack() as leases:
                for shard in self._shards:
                    leases.enter_context(shard.lease.held())
                found = self._tried(work)
                return self._tried(work) if not self._settled and self._look() else found

    def _tried(self, work: Callable[[], T]) -> T:
        self._depth += 1
        try:
            return work()
        except StageError:
            raise
        except (OSError, ValueError, RuntimeError):
            # Lance raises these for a version that a writer has removed, and says so in words alone.
            self._forget()
            self._look()
            return work()
        finally:
            self._depth -= 1

    @property
    def shards(self) -> int:
        """How many, as the present reading found it."""
        return len(self._shards)

    def each(self, work: Callable[[Snapshots], T]) -> list[T]:
        """What `work` gives for each shard, in their order. Shards are read at the same time."""
        if len(self._shards) == 1:
            return [work(self._shards[0])]
        return list(self._pool().map(work, self._shards))

    def both(self, one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
        """Both at the same time, `other` in a thread of its own: it reads versions that `one` does not open."""
        begun = self._pool().submit(other)
        try:
            first = one()
        finally:
            # After an error too: the tables are opened anew after it, and the thread reads the old ones.
            wait([begun])
        return first, begun.result()

    def select(self, name: str, where: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        """Rows of the newest version that match, shard by shard; None when no shard has the table."""
        found = [rows for rows in self.each(lambda shard: shard.select(name, where, columns)) if rows is not None]
        return _joined(found) if found else None

    def select_in(
        self, name: str, column: str, values: Collection[str], columns: Sequence[str] | None = None, where: str = ""
    ) -> list[pa.Table]:
        """Rows whose `column` is one of `values`, which may be many."""
        found = self.each(lambda shard: shard.select_in(name, column, values, columns, where))
        return [rows for part in found for rows in part]

    def tables(self, name: str) -> list[Any]:
        """A table as it is now, of each shard that has it."""
        return [table for table in self.each(lambda shard: shard.newest(name)) if table is not None]

    def state(self, names: Sequence[str]) -> str:
        """A text that changes with every commit to one of these tables."""

        def versions(shard: Snapshots) -> str:
            found = [shard.newest(name) for name in names]
            return ",".join("-" if table is None else str(table.version) for table in found)

        return self.reading(lambda: ";".join(self.each(versions)))

    def version(self, name: str) -> Version | None:
        """The table of a space as it is now. It stays so however much is written meanwhile."""
        tables = self.each(lambda shard: shard.newest(name))
        if len(tables) == 1:
            return None if tables[0] is None else SpaceVersion(tables[0], self._remembered_of(0, name))
        parts = [
            ShardTable(number, table, self._texts_of(number, name), self._remembered_of(number, name))
            for number, table in enumerate(tables)
            if table is not None
        ]
        return ShardedVersion(parts, self._pool()) if parts else None

    def _texts_of(self, shard: int, name: str) -> TextStatistics:
        return self._texts.setdefault((shard, name), TextStatistics(self._location.options))

    def _remembered_of(self, shard: int, name: str) -> Remembered:
        return self._remembered.setdefault((shard, name), Remembered())

    @property
    def _settled(self) -> bool:
        """On an object store each look is a request. What was found there is looked for again where reading fails."""
        return self._location.path is None and any(shard.opened for shard in self._shards)

    def _look(self) -> bool:
        """Follow a store that was made or divided anew since; whether it was."""
        found = Layout.of(self._location)
        if found == self._layout:
            return False
        caches = SharedCaches(self._cache_bytes)
        self._layout, self._shards = found, tuple(Snapshots(place, caches) for place in found.places)
        # Kept by the number of a shard, which is another shard now.
        self._texts.clear()
        self._remembered.clear()
        return True

    def _forget(self) -> None:
        self._texts.clear()
        self._remembered.clear()
        for shard in self._shards:
            shard.forget()

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "shards of the index")
        return self._threads


def _joined(parts: Sequence[pa.Table]) -> pa.Table:
    """Columns that a part lacks, as one of an older release may, are empty."""
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="default")
