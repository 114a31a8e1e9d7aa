"""Decisions of the index that did not reach the other stores, as after a kill in between. Read only."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.compute as pc

from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.dead_letters import DEAD_LETTERS_TABLE
from sinks.delta.store import DeltaStore
from sinks.lance.store import ASSETS
from sinks.location import Place
from sinks.store_errors import guarded, guarded_both
from sinks.tables.lance_tables import LanceTables
from stream.events.asset import ContentRetired
from stream.events.base import Event
from stream.events.ids import digest

_COLUMNS = ("asset_key", "tenant", "asset_id", "project", "retirement", "updated_at_ms")


def missing_retirements(index: Place, parquet: Place) -> list[Event]:
    """`ContentRetired` again for each asset whose watermark the Delta table lacks, or which still has dead letters.

    Only an embedded broker loses them with its process. A repetition is harmless.
    """
    with guarded_both(index, parquet):
        tables = LanceTables(index)
        rows = tables.select(ASSETS, "retirement IS NOT NULL", _COLUMNS)
        if rows is None or not rows.num_rows:
            return []
        held = DeltaStore(parquet).retirements()
        # Asked apart: the dead-letter sink may have missed a deletion that the Delta table has.
        dead_letters = _oldest_dead_letters(tables)
        return [event for row in rows.to_pylist() for event in _missing(row, held, dead_letters)]


def newest_version_ms(index: Place) -> int:
    """The highest append time among asset versions the index knows: a later publication must lie above it."""
    with guarded(index, "the index"):
        rows = LanceTables(index).select(ASSETS, "", ["version_ms"])
    found = None if rows is None else pc.max(rows["version_ms"]).as_py()
    # An index without assets knows no time, so any clock is above it.
    return found or 0


def _oldest_dead_letters(tables: LanceTables) -> dict[str, int]:
    """Append time of the oldest dead letter, by asset."""
    rows = tables.select(DEAD_LETTERS_TABLE, "", ["asset_key", "append_time_ms"])
    if rows is None:
        return {}
    oldest = rows.group_by("asset_key").aggregate([("append_time_ms", "min")]).to_pylist()
    return {row["asset_key"]: row["append_time_ms_min"] for row in oldest}


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
        yield _event(
            row, ContentRetired(tenant=row["tenant"], asset_id=row["asset_id"], up_to=mark.up_to, keep=mark.keep)
        )


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
