"""How far the newest version of one asset is: its cells by outcome, with what failed and why. Read only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sinks.assets.lifecycle import AssetState
from sinks.query.catalogue import AssetView, LiveAsset, asset_view
from sinks.query.filters import Scope, status_where
from sinks.query.store_reader import StoreReader
from sinks.tables.names import ASSETS, SEGMENTS
from stream.events.asset import Outcome, SourceVersion
from stream.events.ids import AssetVersion

_CELL = (
    *("content_key", "segment", "space", "outcome", "stage", "code", "message"),
    *("version_ms", "version_offset"),
)


@dataclass(frozen=True, slots=True)
class CellFailure:
    """Why these cells are not there: `stage` gave up on them."""

    stage: str
    code: str
    message: str
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AssetDetail:
    """`stored`: cells that the index has in the space that they are wanted in. No cell is in two of `failures`."""

    view: AssetView
    stored: int = 0
    failures: tuple[CellFailure, ...] = ()


def asset_detail(store: StoreReader, tenant: str, asset_id: str, scopes: Sequence[Scope] | None) -> AssetDetail | None:
    """None where there is no such asset within `scopes`."""
    where = status_where(tenant, (asset_id,), scopes)

    def read() -> AssetDetail | None:
        rows = store.select(ASSETS, where)
        if rows is None or not rows.num_rows:
            return None
        row = rows.to_pylist()[0]
        return _detail(store, row["asset_key"], asset_view(row), AssetState.model_validate_json(row["state"]))

    return store.reading(read)


def live_source(store: StoreReader, asset: LiveAsset) -> SourceVersion | None:
    """The bytes that the version which search shows was made of; None where an older release made it."""

    def read() -> SourceVersion | None:
        rows = store.select(ASSETS, status_where(asset.tenant, (asset.asset_id,), None), ["state"])
        if rows is None or not rows.num_rows:
            return None
        state = AssetState.model_validate_json(rows["state"][0].as_py())
        shown = state.attempt(state.live)
        return None if shown is None else shown.source

    return store.reading(read)


def _detail(store: StoreReader, key: str, view: AssetView, state: AssetState) -> AssetDetail:
    newest = state.attempts[-1] if state.attempts else None
    if newest is None or newest.content_key is None:
        return AssetDetail(view)
    parts = store.select_in(SEGMENTS, "asset_key", [key], _CELL)
    rows = pa.concat_tables(parts).to_pylist() if parts else []
    cells = [row for row in rows if row["content_key"] == newest.content_key]
    stored = {
        row["segment"]
        for row in cells
        # An empty space is that of an older release, in which any counts.
        if row["outcome"] == Outcome.DONE and newest.space in ("", row["space"])
    }
    failed = [row for row in cells if row["outcome"] != Outcome.DONE and row["segment"] not in stored]
    return AssetDetail(view, len(stored), tuple(_failures(failed)))


def _failures(rows: Iterable[dict[str, Any]]) -> list[CellFailure]:
    """Cells of one fault together, in the order of the first of each."""
    last: dict[int, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: AssetVersion(row["version_ms"], row["version_offset"])):
        last[row["segment"]] = row
    found: dict[tuple[str, str, str], list[int]] = {}
    for segment, row in sorted(last.items()):
        found.setdefault((row["stage"], row["code"], row["message"]), []).append(segment)
    return [CellFailure(stage, code, message, tuple(segments)) for (stage, code, message), segments in found.items()]
