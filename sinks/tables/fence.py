"""The fence of a Lance table: which holder of its store's lease may commit to it.

Lance lets no commit pass a restoration that came after the version it began with. So a new holder writes its epoch into
the table's schema and restores the version that has it: what an earlier holder had begun fails, and what it begins
later finds the epoch of another.
"""

from typing import Any

import pyarrow as pa

from sinks.location import Location
from stream.errors import Unavailable

_KEY = b"rushes-writer"


def fence(table_at: Location, epoch: int) -> None:
    """Shut out holders of earlier epochs. What such a one commits between the two steps is taken back: it has not
    acknowledged it, since it asks for its lease before.
    """
    import lance

    table: Any = lance.dataset(table_at.uri, storage_options=table_at.options)
    table.update_schema_metadata({_KEY.decode(): str(epoch)})
    table.restore()


def epoch_of(schema: pa.Schema) -> int:
    """0 for a table that was never fenced."""
    return int((schema.metadata or {}).get(_KEY, 0))


def fenced_out(store: Location) -> Unavailable:
    """What is raised where the fence is of a later holder."""
    return Unavailable(
        f"the store at {store} has another writer; this one starts when that has ended", code="store_locked"
    )
