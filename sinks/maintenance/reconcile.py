"""Decisions of the index that did not reach the other stores, as after a kill in between. Read only."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.dead_letters import DEAD_LETTERS_TABLE
from sinks.delta.store import DeltaStore
from sinks.layout import Layout
from sinks.location import Place
from sinks.query.snapshots import SharedCaches, Snapshots
from sinks.query.store_reader import StoreReader
from sinks.store_errors import guarded_both
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS
from stream.events.asset import ContentRetired
from stream.events.base import Event
from stream.events.ids import digest

_COLUMNS = ("asset_key", "tenant", "asset_id", "project", "retirement", "updated_at_ms")
_AT_ONCE = 5_000


def missing_retirements(index: Place, parquet: Place) -> Iterator[Event]:
    """`ContentRetired` again for each asset whose watermark the Delta table lacks, or which still has dead letters.
    Some assets at a time, of one shard after the other: few are held in memory, however many there are.

    Only an embedded broker loses them with its process. A repetition is harmless.
    """
    with guarded_both(index, parquet):
        tables, held = LanceTables(index), _Watermarks(parquet)
        for place in Layout.of(index).places:
            shard = Snapshots(place, SharedCaches())
            for batch in shard.batches(ASSETS, "retirement IS NOT NULL", _COLUMNS, _AT_ONCE):
                rows = batch.to_pylist()
                marks = held.of([row["asset_key"] for row in rows])
                # Asked apart: the dead-letter sink may have missed a deletion that the Delta table has.
                dead_letters = _oldest_dead_letters(tables, [row["asset_key"] for row in rows])
                for row in rows:
                    yield from _missing(row, marks, dead_letters)


def newest_version_ms(index: Place, above_ms: int) -> int:
    """The highest append time above `above_ms` among asset versions that the index knows, which a later publication
    must lie above; else `above_ms`. An indexed look-up of the few that a clock which was set back has left.
    """
    store = StoreReader(index)
    rows = store.reading(lambda: store.select(ASSETS, f"version_ms > {above_ms:d}", ["version_ms"]))
    found = None if rows is None else pc.max(rows["version_ms"]).as_py()
    return found or above_ms


class _Watermarks:
    """Those of the Delta table, in whichever shard an asset is."""

    def __init__(self, parquet: Place) -> None:
        self._layout = Layout.of(parquet)
        self._stores = [DeltaStore(place) for place in self._layout.places]

    def of(self, asset_keys: Sequence[str]) -> dict[str, Retirement]:
        found: dict[str, Retirement] = {}
        for shard, keys in self._layout.split(asset_keys).items():
            found |= self._stores[shard].retirements(keys)
        return found


def _oldest_dead_letters(tables: LanceTables, asset_keys: Sequence[str]) -> dict[str, int]:
    """Append time of the oldest dead letter of each of these assets that has one."""
    oldest: dict[str, int] = {}
    for row in tables.select_in(DEAD_LETTERS_TABLE, "asset_key", asset_keys, ["asset_key", "append_time_ms"]):
        key, time_ms = row["asset_key"], row["append_time_ms"]
        oldest[key] = min(time_ms, oldest.get(key, time_ms))
    return oldest


def _missing(
    row: Mapping[str, Any], held: Mapping[str, Retirement], dead_letters: Mapping[str, int]
) -> Iterator[Event]:
    key, mark = row["asset_key"], Retirement.model_validate_json(row["retirement"])
    known = held.get(key, NOTHING_RETIRED)
    # A join that changes nothing means that the other store knows all of it.
    complete = known.joined(mark) == known
    left = mark.deleted is not None and key in dead_letters and dead_letters[key] <= mark.deleted.append_ms
    # Repeated for dead letters alone as well: a deletion must leave no byte of them (ADR 0013).
    if mark.deleted is not None and (left or not complete):
        yield _event(row, ContentRetired(tenant=row["tenant"], asset_id=row["asset_id"], up_to=mark.deleted))
    if mark.up_to is not None and not complete:
        owner = {"tenant": row["tenant"], "asset_id": row["asset_id"]}
        yield _event(row, ContentRetired(**owner, up_to=mark.up_to, keep=mark.keep, keep_after=mark.keep_after))


def _event(row: Mapping[str, Any], data: ContentRetired) -> Event:
    return Event(
        data=data,
        tenant=row["tenant"],
        project=row["project"],
        subject=row["asset_id"],
        event_time_ms=row["updated_at_ms"],
        # Made of facts alone, so that a repetition is the same event.
        id=digest("retired", row["asset_key"], *data.up_to, data.keep),
    )
