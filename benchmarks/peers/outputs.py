"""What a peer has made: how many frames it tagged, and whether its tags are those of another."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sinks.delta.store import DeltaStore
from sinks.location import Location

CELL_S = 10
Tags = dict[tuple[str, int], set[str]]
"""By file and ten seconds of it."""


def frames_of(out: Path) -> int:
    """Frames that were tagged: rows, or what rushes says its moments were made of."""
    rows = _rows(out)
    return sum(rows["sample_count"].to_pylist()) if "sample_count" in rows.column_names else rows.num_rows


def in_common(out: Path, other: Path) -> float:
    """The share of the tags of `out` that `other` gives to a frame of the same ten seconds."""
    mine, theirs = _tags(out), _tags(other)
    found = [tag in theirs.get(place, ()) for place, tags in mine.items() for tag in tags]
    return sum(found) / max(1, len(found))


def _tags(out: Path) -> Tags:
    rows = _rows(out)
    tags: Tags = {}
    for row in rows.to_pylist():
        of_moment = "sample_count" in row
        seconds = row["start_ns"] / 1e9 if of_moment else row["time_s"]
        labels = [tag["label"] for tag in row["tags"]] if of_moment else row["tags"]
        tags.setdefault((row["uri"], int(seconds // CELL_S)), set()).update(labels)
    return tags


def _rows(out: Path) -> pa.Table:
    store = out / "parquet"
    if not store.is_dir():
        return pq.read_table(out)
    delta = DeltaStore(Location.of(store))
    delta.open()
    (space,) = delta.spaces()
    keys = set(delta.cells()["asset_key"].to_pylist())
    return delta.rows(keys, space.key, ["uri", "start_ns", "tags", "sample_count"])
