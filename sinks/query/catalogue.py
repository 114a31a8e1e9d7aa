"""The assets as the index holds them: status for people, visibility for search, freshness. Read only."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sinks.filters import literal, one_of
from sinks.lance.store import ASSETS
from sinks.ledger.ledger_table import LedgerTable
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from stream.events.asset import AssetStatus
from stream.events.ids import AssetVersion
from stream.events.timecode import SourceTimecode

_LIVE_COLUMNS = ("content_key", "project", "uri", "labels", "timecode", "file_offset_ns")


@dataclass(frozen=True, slots=True)
class Filters:
    """All given conditions hold. `labels` must all be on the asset. [start_ns, end_ns) overlaps the moment's range."""

    tenant: str | None = None
    project: str | None = None
    asset_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class AssetView:
    """Status of an asset's newest version. `live_content_key` is set where search shows something of it."""

    tenant: str
    project: str
    asset_id: str
    uri: str
    status: AssetStatus
    version: AssetVersion
    segment_count: int
    segments_done: int
    duration_ns: int
    missing_ns: tuple[tuple[int, int], ...]
    damaged_ns: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    code: str | None
    reason: str | None
    labels: tuple[str, ...]
    live_content_key: str | None
    live_version: AssetVersion | None
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class LiveAsset:
    """What search shows of an asset: its live version's names. Asset time and `file_offset_ns` make the file's time."""

    tenant: str
    project: str
    asset_id: str
    uri: str
    labels: tuple[str, ...]
    timecode: SourceTimecode | None = None
    file_offset_ns: int = 0


@dataclass(frozen=True, slots=True)
class IndexFreshness:
    """`newest_commit_ms`: when a segment was last stored; `oldest_pending_ms`: publication of the oldest asset that
    is not final yet. None where there is none.
    """

    newest_commit_ms: int | None
    oldest_pending_ms: int | None
    pending_assets: int


class Catalogue:
    """A fresh view at every call; the live set is cached by table version, as every query needs it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tables = LanceTables(directory)
        self._live: dict[str, LiveAsset] = {}
        self._live_at: int | None = None

    def assets(self, tenant: str | None = None, asset_ids: Collection[str] = ()) -> list[AssetView]:
        """By tenant and asset id; deleted ones too, which keep a name and a time only."""
        clauses = [f"tenant = {literal(tenant)}"] if tenant is not None else []
        clauses += [one_of("asset_id", asset_ids)] if asset_ids else []
        with guarded(self._directory, "the index"):
            rows = self._tables.select(ASSETS, " AND ".join(clauses))
        views = [] if rows is None else [_view(row) for row in rows.drop_columns(["state"]).to_pylist()]
        return sorted(views, key=lambda item: (item.tenant, item.asset_id))

    def live(self, filters: Filters) -> dict[str, LiveAsset]:
        """Visible content keys that satisfy the filters on assets."""
        labels = {f"{key}={value}" for key, value in filters.labels.items()}
        wanted = set(filters.asset_ids)
        return {
            key: asset
            for key, asset in self._all_live().items()
            if (filters.tenant is None or asset.tenant == filters.tenant)
            and (filters.project is None or asset.project == filters.project)
            and (not wanted or asset.asset_id in wanted)
            and labels <= set(asset.labels)
        }

    def freshness(self) -> IndexFreshness:
        with guarded(self._directory, "the index"):
            pending = self._tables.select(ASSETS, f"status = '{AssetStatus.PLANNED}'", ["version_ms"])
            newest_ms = LedgerTable(self._tables).newest_done_ms()
        times = [] if pending is None else pending["version_ms"].to_pylist()
        return IndexFreshness(newest_ms, min(times, default=None), len(times))

    def _all_live(self) -> dict[str, LiveAsset]:
        with guarded(self._directory, "the index"):
            table = self._tables.find(ASSETS)
            if table is None:
                return {}
            version = table.version
            if version != self._live_at:
                names = ("tenant", "asset_id", *(f"live_{name}" for name in _LIVE_COLUMNS))
                columns = [name for name in names if name in table.schema.names]  # an older index lacks some
                rows = self._tables.select(ASSETS, "live_content_key IS NOT NULL", columns)
                self._live = {} if rows is None else {row["live_content_key"]: _live(row) for row in rows.to_pylist()}
                self._live_at = version
        return self._live


def _live(row: dict[str, Any]) -> LiveAsset:
    return LiveAsset(
        tenant=row["tenant"],
        project=row["live_project"],
        asset_id=row["asset_id"],
        uri=row["live_uri"],
        labels=tuple(row["live_labels"]),
        timecode=SourceTimecode.parse(row.get("live_timecode") or ""),
        file_offset_ns=row.get("live_file_offset_ns") or 0,
    )


def _view(row: dict[str, Any]) -> AssetView:
    live = row["live_version_ms"]
    return AssetView(
        tenant=row["tenant"],
        project=row["project"],
        asset_id=row["asset_id"],
        uri=row["uri"],
        status=AssetStatus(row["status"]),
        version=AssetVersion(row["version_ms"], row["version_offset"]),
        segment_count=row["segment_count"],
        segments_done=row["segments_done"],
        duration_ns=row["duration_ns"],
        missing_ns=_ranges(row["missing_ns"]),
        damaged_ns=_ranges(row.get("damaged_ns")),
        notes=tuple(json.loads(row.get("notes") or "[]")),
        code=row["code"],
        reason=row["reason"],
        labels=tuple(row["live_labels"]),
        live_content_key=row["live_content_key"],
        live_version=None if live is None else AssetVersion(live, row["live_version_offset"]),
        updated_at_ms=row["updated_at_ms"],
    )


def _ranges(text: str | None) -> tuple[tuple[int, int], ...]:
    """Of a JSON list; an older index has none of what is damaged."""
    return tuple((start, end) for start, end in json.loads(text or "[]"))
