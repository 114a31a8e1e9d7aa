"""How much each shard of a store holds. Read only."""

from dataclasses import dataclass

from sinks.layout import Layout
from sinks.location import Location, Place
from sinks.storage.files import files_at
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import SEGMENTS


@dataclass(frozen=True, slots=True)
class ShardExtent:
    """`cells`: those that the shard's ledger knows of. `bytes`: on disk, of all versions."""

    place: str
    cells: int
    bytes: int


def extents(place: Place) -> list[ShardExtent]:
    """Of each shard, by its number; of a store that is not there, one that is empty."""
    with guarded(place, "the store"):
        return [_extent(shard) for shard in Layout.of(place).places]


def _extent(shard: Location) -> ShardExtent:
    size = files_at(shard).bytes_below()
    return ShardExtent(str(shard), LanceTables(shard).count(SEGMENTS), size)
