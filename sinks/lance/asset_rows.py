"""The row of an asset in the index (pure): status for people, what search shows, and the state it is judged by."""

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from sinks.assets.asset_status import Standing
from sinks.assets.lifecycle import AssetState, expires_at_ms
from sinks.assets.tombstones import NOTHING_RETIRED
from sinks.lance.shown_column import SHOWN, shown_text
from sinks.schema import labels_of

ASSET_SCHEMA = pa.schema(
    [
        pa.field("asset_key", pa.string(), nullable=False),
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("project", pa.string(), nullable=False),
        pa.field("asset_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("version_ms", pa.int64(), nullable=False),
        pa.field("version_offset", pa.int64(), nullable=False),
        pa.field("live_content_key", pa.string(), nullable=True),
        pa.field("live_version_ms", pa.int64(), nullable=True),
        pa.field("live_version_offset", pa.int64(), nullable=True),
        pa.field("live_project", pa.string(), nullable=True),
        pa.field("live_uri", pa.string(), nullable=True),
        pa.field("live_labels", pa.list_(pa.string()), nullable=False),
        pa.field("live_timecode", pa.string(), nullable=True),
        pa.field("live_file_offset_ns", pa.int64(), nullable=True),
        pa.field("segment_count", pa.int32(), nullable=False),
        pa.field("segments_done", pa.int32(), nullable=False),
        pa.field("duration_ns", pa.int64(), nullable=False),
        pa.field("missing_ns", pa.string(), nullable=False),
        pa.field("damaged_ns", pa.string(), nullable=True),
        pa.field("notes", pa.string(), nullable=True),
        pa.field("code", pa.string(), nullable=True),
        pa.field("reason", pa.string(), nullable=True),
        pa.field("updated_at_ms", pa.int64(), nullable=False),
        pa.field("shown_at_ms", pa.int64(), nullable=True),
        pa.field("expires_at_ms", pa.int64(), nullable=True),
        pa.field("retirement", pa.string(), nullable=True),
        pa.field("ended_by", pa.string(), nullable=True),
        pa.field("state", pa.string(), nullable=False),
        pa.field("published_ms", pa.int64(), nullable=True),
        SHOWN,
    ]
)
"""Status columns tell of the newest version, `live_*` of the one that search shows. `state` is `AssetState` as JSON,
`retirement` its watermark where it has one, `ended_by` the event that the end of its retention was told with,
`live_timecode` a `SourceTimecode` as text; `missing_ns` and `damaged_ns` are JSON lists of half-open ranges, `notes`
one of texts. `shown_at_ms` is `updated_at_ms` where rows of moments say what search shows: a release that does not
know of that changes the other one alone."""


def asset_rows(states: Iterable[tuple[AssetState, Standing]], now_ms: int) -> pa.Table:
    """`ASSET_SCHEMA` rows of assets and the standing of their newest version."""
    return pa.Table.from_pylist([_asset_row(state, newest, now_ms) for state, newest in states], schema=ASSET_SCHEMA)


def _asset_row(state: AssetState, newest: Standing, now_ms: int) -> dict[str, Any]:
    last = state.attempts[-1] if state.attempts else None
    live = state.attempt(state.live)
    version = last.version if last else state.retirement.deleted
    row = {
        "asset_key": state.key,
        "tenant": state.tenant,
        "project": state.project,
        "asset_id": state.asset_id,
        "uri": last.uri if last else "",
        "status": newest.status.value,
        "version_ms": version.append_ms if version else 0,
        "version_offset": version.offset if version else 0,
        "live_content_key": live.content_key if live else None,
        "live_version_ms": live.version.append_ms if live else None,
        "live_version_offset": live.version.offset if live else None,
        "live_project": live.project if live else None,
        "live_uri": live.uri if live else None,
        "live_labels": labels_of(live.labels) if live else [],
        "live_timecode": live.source_timecode if live else None,
        "live_file_offset_ns": live.file_offset_ns if live else None,
        "segment_count": last.segment_count if last else 0,
        "segments_done": newest.done,
        "duration_ns": last.duration_ns if last else 0,
        "missing_ns": json.dumps(newest.missing_ns),
        "damaged_ns": json.dumps(newest.damaged_ns),
        "notes": json.dumps(last.notes if last else ()),
        "code": newest.code,
        "reason": newest.reason,
        "updated_at_ms": now_ms,
        "shown_at_ms": now_ms,
        "expires_at_ms": expires_at_ms(state),
        # Null where there is none, so that looks for watermarks pass over these rows.
        "retirement": None if state.retirement == NOTHING_RETIRED else state.retirement.model_dump_json(),
        "ended_by": state.ended_by,
        "state": state.model_dump_json(),
        "published_ms": last.published_ms if last else None,
    }
    return row | {SHOWN.name: shown_text(row)}
