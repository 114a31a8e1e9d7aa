"""What a hit shows of a moment, in one more column of its row (pure): each column that is read costs a search as much
again.
"""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

HIT = pa.field("hit", pa.string(), nullable=True)
"""JSON: the number of the layout, then what the row holds in `HIT_COLUMNS`. Rows of an older release have none."""

HIT_COLUMNS = (
    *("moment_id", "kind", "start_ns", "end_ns", "starts_at_cut", "ends_at_cut", "shot_method"),
    *("tags", "moderation_nsfw", "caption", "caption_method", "text", "damaged"),
)
_LAYOUT = 1
_TAGS = HIT_COLUMNS.index("tags")
_ENCODED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def hits_of(rows: pa.Table) -> pa.Array:
    """The column `HIT` of rows that have `HIT_COLUMNS`."""
    columns: list[Sequence[Any]] = [rows[name].to_pylist() for name in HIT_COLUMNS]
    columns[_TAGS] = [[(tag["label"], tag["score"]) for tag in tags] for tags in columns[_TAGS]]
    return pa.array([_ENCODED((_LAYOUT, *row)) for row in zip(*columns, strict=True)], HIT.type)


def hit_of(text: str | None) -> dict[str, Any] | None:
    """What a row holds in `HIT_COLUMNS`, as Arrow gives it; None where `HIT` tells nothing, or in another layout."""
    layout, *values = json.loads(text) if text else (None,)
    if layout != _LAYOUT:
        return None
    row = dict(zip(HIT_COLUMNS, values, strict=True))
    return row | {"tags": [{"label": label, "score": score} for label, score in row["tags"]]}
