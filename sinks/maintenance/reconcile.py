"""What the index decided and the other stores were never told, as after a kill between them. Reads only."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.dead_letters import LETTERS
from sinks.delta.store import DeltaStore
from sinks.lance.store import ASSETS
from sinks.store_errors import guarded, guarded_both
from sinks.tables.lance_tables import LanceTables
from stream.events.asset import ContentRetired
from stream.events.base import Event
from stream.events.ids import digest

_COLUMNS = ("asset_key", "tenant", "asset_id", "project", "retirement", "updated_at_ms")


def untold_retirements(lance_directory: Path, delta_directory: Path) -> list[Event]:
    """`ContentRetired` once more for each asset whose watermark the Delta table lacks, or of which letters are left.

    On a broker that outlives the process they come by themselves; saying them twice is harmless.
    """
    with guarded_both(lance_directory, delta_directory):
        tables = LanceTables(lance_directory)
        rows = tables.select(ASSETS, "retirement IS NOT NULL", _COLUMNS)
        if rows is None or not rows.num_rows:
            return []
        held = DeltaStore(delta_directory).retirements()
        letters = _oldest_letters(tables)
        return [event for row in rows.to_pylist() for event in _untold(row, held, letters)]


def newest_version_ms(lance_directory: Path) -> int:
    """The highest append time among asset versions the index knows: a later publication must lie above it."""
    with guarded(lance_directory, "the index"):
        rows = LanceTables(lance_directory).select(ASSETS, "", ["version_ms"])
    found = None if rows is None else pc.max(rows["version_ms"]).as_py()
    return found or 0


def _oldest_letters(tables: LanceTables) -> dict[str, int]:
    """Append time of the oldest letter by asset."""
    rows = tables.select(LETTERS, "", ["asset_key", "append_time_ms"])
    if rows is None:
        return {}
    oldest = rows.group_by("asset_key").aggregate([("append_time_ms", "min")]).to_pylist()
    return {row["asset_key"]: row["append_time_ms_min"] for row in oldest}


def _untold(row: Mapping[str, Any], held: Mapping[str, Retirement], letters: Mapping[str, int]) -> Iterator[Event]:
    key, mark = row["asset_key"], Retirement.model_validate_json(row["retirement"])
    known = held.get(key, NOTHING_RETIRED)
    told = known.joined(mark) == known
    left = mark.deleted is not None and key in letters and letters[key] <= mark.deleted.append_ms
    if mark.deleted is not None and (left or not told):
        yield _event(row, ContentRetired(tenant=row["tenant"], asset_id=row["asset_id"], up_to=mark.deleted))
    if mark.up_to is not None and not told:
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
        id=digest("retired", row["asset_key"], *data.up_to, data.keep),
    )
