"""The LanceDB store: moments per space, the ledger, assets. Written by one process, read through `sinks.query`."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sinks.assets.asset_status import Standing
from sinks.assets.fold import SpaceCell, cell_of
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.lifecycle import AssetState, expires_at_ms
from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.filters import one_of
from sinks.ledger.ledger_table import SEGMENTS, LedgerTable, void_clauses
from sinks.schema import SPACE_SCHEMA, labels_of, stored_rows, stored_schema
from sinks.tables.lance_tables import LanceTables
from stream.clock import Clock
from stream.events.annotations import Annotations, Space

ASSETS, SPACES = "assets", "spaces"

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
        pa.field("expires_at_ms", pa.int64(), nullable=True),
        pa.field("retirement", pa.string(), nullable=True),
        pa.field("ended_by", pa.string(), nullable=True),
        pa.field("state", pa.string(), nullable=False),
    ]
)
"""Status columns tell of the newest version, `live_*` of the one that search shows. `state` is `AssetState` as JSON,
`retirement` its watermark where it has one, `ended_by` the event that the end of its retention was told with,
`live_timecode` a `SourceTimecode` as text; `missing_ns` and `damaged_ns` are JSON lists of half-open ranges,
`notes` one of texts."""


def moments_table(space_key: str) -> str:
    """Names of spaces come from models; what no table may be called becomes `-` (the digest keeps names apart)."""
    return "moments_" + re.sub(r"[^A-Za-z0-9_.-]", "-", space_key)


class LanceIndex:
    """Every method is one commit per table it touches, and may be repeated: redelivery repairs a kill in between."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory = directory
        self.tables = LanceTables(directory)
        self.ledger = LedgerTable(self.tables)
        self._clock = clock
        self._spaces: dict[str, Space] = {}

    def open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._spaces = {space.key: space for space in spaces_of(self.tables)}

    def spaces(self) -> list[Space]:
        return [self._spaces[key] for key in sorted(self._spaces)]

    def states(self, asset_keys: Collection[str]) -> dict[str, AssetState]:
        return _states(self.tables.select_in(ASSETS, "asset_key", asset_keys, ["asset_key", "state"]))

    def ended(self, now_ms: int) -> dict[str, AssetState]:
        """States of the assets whose live version's retention ended by `now_ms`."""
        rows = self.tables.select(ASSETS, f"expires_at_ms <= {now_ms:d}", ["asset_key", "state"])
        return _states([] if rows is None else rows.to_pylist())

    def ended_by(self, event_ids: Collection[str]) -> dict[str, AssetState]:
        """States of the assets the end of whose retention was told with one of these events."""
        return _states(self.tables.select_in(ASSETS, "ended_by", event_ids, ["asset_key", "state"]))

    def endings(self) -> set[str]:
        """The events that ends of retentions were told with."""
        table = self.tables.find(ASSETS)
        if table is None or "ended_by" not in table.schema.names:
            return set()
        rows = self.tables.select(ASSETS, "ended_by IS NOT NULL", ["ended_by"])
        return set() if rows is None else set(rows["ended_by"].to_pylist())

    def unswept(self) -> dict[str, Retirement]:
        """Watermarks of all assets whose ledger still shows rows under them."""
        rows = self.tables.select(ASSETS, "retirement IS NOT NULL", ["asset_key", "retirement"])
        marks = {} if rows is None else {row["asset_key"]: row["retirement"] for row in rows.to_pylist()}
        return self.ledger.unswept({key: Retirement.model_validate_json(mark) for key, mark in marks.items()})

    def ledger_entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        return self.ledger.entries(asset_keys)

    def replace(self, batch: Sequence[Annotations]) -> None:
        """Put whole segments in place of what their cells held; unique cells, an empty one clears."""
        by_space: dict[str, list[Annotations]] = {}
        for item in batch:
            by_space.setdefault(cell_of(item.header).space, []).append(item)
        for key, items in sorted(by_space.items()):
            self.replace_rows(
                items[0].header.space, stored_rows(items), {item.header.segment_id for item in items}, key
            )

    def replace_rows(self, space: Space, rows: pa.Table, segment_ids: Collection[str], key: str) -> None:
        """Stored rows of `segment_ids` in `space`; what else these held goes after they are there."""
        name = moments_table(key)
        self.tables.ensure(
            name, stored_schema(space), keyed=("segment_id", "asset_key", "content_key", "moment_id"), worded="text"
        )
        if key not in self._spaces:
            self._register(key, space)
        if rows.num_rows:
            self.tables.merge(name, rows, "moment_id")
        gone = f"{one_of('segment_id', segment_ids)} AND NOT ({one_of('moment_id', rows['moment_id'].to_pylist())})"
        self.tables.delete(name, gone)

    def record(self, ledger_entries: Sequence[LedgerEntry], known: Collection[SpaceCell]) -> None:
        """Ledger rows, unique by cell. `known`: the cells that may have one."""
        self.ledger.record(ledger_entries, known)

    def save(self, states: Iterable[tuple[AssetState, Standing]]) -> None:
        """Asset rows: from here on search shows the live versions. One commit."""
        rows = [_asset_row(state, newest, self._clock.now_ms()) for state, newest in states]
        if rows:
            self.tables.ensure(ASSETS, ASSET_SCHEMA, keyed=("asset_key",))
            self.tables.merge(ASSETS, pa.Table.from_pylist(rows, schema=ASSET_SCHEMA), "asset_key")

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Delete void rows of these assets, the ledger's last: they are the evidence that a sweep is due."""
        for where in void_clauses(retired):
            for key in self._spaces:
                self.tables.delete(moments_table(key), where)
        self.ledger.sweep(retired)

    def rows(self, asset_keys: Collection[str], space_key: str) -> pa.Table | None:
        """Stored rows of these assets in a space; None where the space has no table."""
        return self.tables.select(moments_table(space_key), one_of("asset_key", asset_keys))

    def erase(self, segment_ids: Collection[str], space_key: str) -> None:
        """Forget these cells and their rows."""
        self.tables.delete(moments_table(space_key), one_of("segment_id", segment_ids))
        self.ledger.erase([SpaceCell(segment_id, space_key) for segment_id in segment_ids])

    def optimize(self) -> None:
        for name in (SEGMENTS, ASSETS, *(moments_table(key) for key in self._spaces)):
            self.tables.optimize(name)

    def purge(self) -> None:
        """Remove every byte of swept rows and old versions. Readers that hold an old version fail: nobody else on."""
        for name in (SEGMENTS, ASSETS):
            self.tables.purge(name)
        for key in self._spaces:
            self.tables.purge(moments_table(key), worded="text")

    def close(self) -> None:
        self.tables.forget()

    def _register(self, key: str, space: Space) -> None:
        self.tables.ensure(SPACES, SPACE_SCHEMA)
        row = {"key": key, "space": space.model_dump_json()}
        self.tables.merge(SPACES, pa.Table.from_pylist([row], schema=SPACE_SCHEMA), "key")
        self._spaces[key] = space


def spaces_of(tables: LanceTables) -> list[Space]:
    """The spaces that have a table, by key."""
    rows = tables.select(SPACES, "")
    listed = [] if rows is None else [Space.model_validate_json(row["space"]) for row in rows.to_pylist()]
    return sorted(listed, key=lambda space: space.key)


def _states(rows: Iterable[Mapping[str, Any]]) -> dict[str, AssetState]:
    return {row["asset_key"]: AssetState.model_validate_json(row["state"]) for row in rows}


def _asset_row(state: AssetState, newest: Standing, now_ms: int) -> dict[str, Any]:
    last = state.attempts[-1] if state.attempts else None
    live = state.attempt(state.live)
    version = last.version if last else state.retirement.deleted
    return {
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
        "expires_at_ms": expires_at_ms(state),
        "retirement": None if state.retirement == NOTHING_RETIRED else state.retirement.model_dump_json(),
        "ended_by": state.ended_by,
        "state": state.model_dump_json(),
    }
