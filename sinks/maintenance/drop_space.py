"""Dropping an embedding space from both stores. No writer of either may be running."""

from sinks.delta.store import DeltaStore
from sinks.filters import one_of
from sinks.layout import Layout
from sinks.location import Place
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import SEGMENTS, SPACES, moments_table
from sinks.writer import delta_writer, index_writer, writing


def drop_space(index: Place, parquet: Place, key: str) -> None:
    """Remove the space's rows and receipts; other spaces stay. Repeating it is harmless.

    The ledger goes first: after a kill in between, cells are annotated again rather than believed to be there.
    """
    index_shards, parquet_shards = Layout.of(index).places, Layout.of(parquet).places
    # One store after the other: a kill in between leaves the other untouched, and a repeat finishes it.
    of_index = {place: index_writer(place) for place in index_shards}
    with guarded(index, "the index", writer=True), writing(*of_index.values()):
        shards = [LanceTables(place, epoch=writer.epoch) for place, writer in of_index.items()]
        for tables in shards:
            tables.delete(SEGMENTS, one_of("space", [key]))
            tables.drop(moments_table(key))
        # Last, of all shards: a repeat after a kill finds the space by this row.
        for tables in shards:
            tables.delete(SPACES, one_of("key", [key]))
    of_parquet = {place: delta_writer(place) for place in parquet_shards}
    with guarded(parquet, "the Delta table", writer=True), writing(*of_parquet.values()):
        for place, writer in of_parquet.items():
            DeltaStore(place, epoch=writer.epoch).drop_space(key)
