"""Both stores with all their shards, for who compares or mends them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sinks.delta.store import DeltaStore
from sinks.lance.store import LanceIndex
from sinks.layout import Layout
from sinks.location import Location, Place
from sinks.tables.names import SEGMENTS
from sinks.writer import Writer, epoch_of
from stream.clock import SystemClock
from stream.events.annotations import Space

Writers = tuple[Mapping[Location, Writer], Mapping[Location, Writer]]
"""Of the index and of the Delta table, by the place of the shard."""


@dataclass(frozen=True, slots=True)
class Stores:
    """A shard of each store, opened by a process that is neither's writer (or is the only one running)."""

    lance: LanceIndex
    delta: DeltaStore


class Pairs:
    """All shards of both stores. An asset lies in one shard of each; these need not be as many in both."""

    def __init__(self, index: Place, parquet: Place, writers: Writers | None = None) -> None:
        self._index, self._parquet = Layout.of(index), Layout.of(parquet)
        index_writers, parquet_writers = writers or ({}, {})
        self.lance = [
            LanceIndex(place, SystemClock(), epoch=epoch_of(index_writers.get(place))) for place in self._index.places
        ]
        self.delta = [DeltaStore(place, epoch=epoch_of(parquet_writers.get(place))) for place in self._parquet.places]

    @classmethod
    def open(cls, index: Place, parquet: Place, writers: Writers | None = None) -> "Pairs":
        """`writers`: where the caller writes to them."""
        pairs = cls(index, parquet, writers)
        every: list[LanceIndex | DeltaStore] = [*pairs.lance, *pairs.delta]
        for store in every:
            store.open()
        return pairs

    def of(self, keys: Sequence[str]) -> Iterator[tuple[Stores, list[str]]]:
        """These assets by the pair of shards that holds them, in their order."""
        found: dict[tuple[int, int], list[str]] = {}
        for key in keys:
            found.setdefault((self._index.shard(key), self._parquet.shard(key)), []).append(key)
        for (lance, delta), mine in sorted(found.items()):
            yield Stores(self.lance[lance], self.delta[delta]), mine

    def assets(self) -> dict[str, int]:
        """Keys of the assets that any ledger knows, with their moments as all ledgers count them."""
        columns = ["asset_key", "moment_count"]
        lance = [store.tables.select(SEGMENTS, "", columns) for store in self.lance]
        cells = [*(store.cells().select(columns) for store in self.delta), *(it for it in lance if it is not None)]
        found = pa.concat_tables(cells).group_by("asset_key").aggregate([("moment_count", "sum")]).sort_by("asset_key")
        return dict(zip(found["asset_key"].to_pylist(), found["moment_count_sum"].to_pylist(), strict=True))

    def spaces(self) -> dict[str, Space]:
        """The spaces of all shards of both stores, by key."""
        every: list[LanceIndex | DeltaStore] = [*self.delta, *self.lance]
        found = [space for store in every for space in store.spaces()]
        return {space.key: space for space in sorted(found, key=lambda space: space.key)}
