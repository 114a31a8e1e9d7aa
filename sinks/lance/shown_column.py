"""What a search shows of an asset, in one more column of its row (pure): each column that is read costs a search as
much again (ADR 0057).
"""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

SHOWN = pa.field("shown", pa.string(), nullable=True)
"""JSON: the number of the layout, then what the row holds in `SHOWN_COLUMNS`. Null where nothing is live, and in rows
of an older release."""

SHOWN_COLUMNS = (
    *("live_content_key", "tenant", "asset_id", "live_project", "live_uri", "live_labels"),
    *("live_timecode", "live_file_offset_ns", "live_version_ms"),
)
_LAYOUT = 1


def shown_text(row: Mapping[str, Any]) -> str | None:
    """The column `SHOWN` of a row that has `SHOWN_COLUMNS`."""
    if row["live_content_key"] is None:
        return None
    return json.dumps((_LAYOUT, *map(row.get, SHOWN_COLUMNS)), ensure_ascii=False, separators=(",", ":"))


def shown_row(text: str | None) -> dict[str, Any] | None:
    """What a row holds in `SHOWN_COLUMNS`, as Arrow gives it; None where `SHOWN` tells nothing that is known here."""
    layout, *values = json.loads(text) if text else (None,)
    return dict(zip(SHOWN_COLUMNS, values, strict=True)) if layout == _LAYOUT else None
