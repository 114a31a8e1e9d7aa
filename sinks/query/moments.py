"""Reading moments: by vector, by words, by asset; of live content only. Read only, from any process. How what is found
becomes an answer is `stream.search`'s.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.filters import literal, one_of
from sinks.lance.moments import moments_table
from sinks.lance.store import spaces_of
from sinks.query.catalogue import Catalogue, Filters, LiveAsset
from sinks.schema import VECTORS
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from stream.events.annotations import Space
from stream.events.timecode import SourceTimecode

Vector = Sequence[float] | npt.NDArray[np.float32]

_LISTED_CONTENTS = 1000
_COLUMNS = (
    *("moment_id", "segment_id", "content_key", "segment", "start_ns", "end_ns", "starts_at_cut", "ends_at_cut"),
    *("shot_method", "kind", "tags", "moderation_nsfw", "caption", "caption_method", "text"),
    *("damaged", "profile", "models"),
)


@dataclass(frozen=True, slots=True)
class StoredMoment:
    """A moment as the index holds it, with the names of the asset that shows it.

    `timecode` is the source's own, where it has one. Times are asset times; `file_offset_ns` later in the file's own
    time line.
    """

    moment_id: str
    segment_id: str
    content_key: str
    tenant: str
    project: str
    asset_id: str
    uri: str
    labels: tuple[str, ...]
    segment: int
    start_ns: int
    end_ns: int
    starts_at_cut: bool
    ends_at_cut: bool
    shot_method: str
    kind: str
    tags: tuple[tuple[str, float], ...]
    moderation_nsfw: float | None
    caption: str
    caption_method: str
    text: str
    damaged: bool
    profile: str
    models: str
    timecode: SourceTimecode | None = None
    file_offset_ns: int = 0


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the index holds near a vector and under words, by moment id, the best first.

    `distances` are cosine distances (1 - cosine; lower is nearer), `text_scores` those of BM25 (higher is better).
    """

    moments: Mapping[str, StoredMoment] = field(default_factory=dict)
    distances: Mapping[str, float] = field(default_factory=dict)
    text_scores: Mapping[str, float] = field(default_factory=dict)


class MomentIndex:
    """The moments of the index under `directory`; finds nothing while it does not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tables = LanceTables(directory)
        self.catalogue = Catalogue(directory)

    def spaces(self) -> list[Space]:
        with guarded(self._directory, "the index"):
            return spaces_of(self._tables)

    def retrieve(
        self,
        space_key: str,
        *,
        vector: Vector | None = None,
        column: str = "vector",
        text: str | None = None,
        filters: Filters | None = None,
        depth: int = 100,
    ) -> Retrieved:
        """The `depth` moments nearest to `vector`, and the `depth` best for `text`. `vector` is L2-normalised and of
        the size of `column` (`vector` or `image_vector`, else `ValueError`).
        """
        _check(column)
        filters = filters or Filters()
        live = self.catalogue.live(filters)
        with guarded(self._directory, "the index"):
            table = self._tables.find(moments_table(space_key))
            if table is None or not live:
                return Retrieved()
            where = _where(filters, live)
            near, worded = [], []
            if vector is not None:
                near = _visible(lambda count: _near(table, vector, column, where, count), live, depth)
            if text:
                worded = _visible(lambda count: _worded(table, text, where, count), live, depth)
        return Retrieved(
            {row["moment_id"]: _moment(row, live) for row in [*worded, *near]},
            {row["moment_id"]: float(row["_distance"]) for row in near},
            {row["moment_id"]: float(row["_score"]) for row in worded},
        )

    def cosines(self, space_key: str, vector: Vector, column: str, moment_ids: Collection[str]) -> dict[str, float]:
        """Exact similarity of named moments to `vector`; ids that are not there are left out."""
        with guarded(self._directory, "the index"):
            rows = self._tables.select_in(moments_table(space_key), "moment_id", moment_ids, ["moment_id", column])
        if not rows:
            return {}
        values = np.asarray([row[column] for row in rows], np.float32) @ np.asarray(vector, np.float32)
        return {row["moment_id"]: float(value) for row, value in zip(rows, values, strict=True)}

    def vector_of(self, space_key: str, moment_id: str, column: str, filters: Filters) -> list[float] | None:
        """The stored vector of a moment; None where `filters` hide it or there is none. `column` as in `retrieve`."""
        _check(column)
        live = self.catalogue.live(filters)
        if not live:
            return None
        where = f"{one_of('moment_id', [moment_id])} AND {_where(filters, live)}"
        with guarded(self._directory, "the index"):
            found = self._tables.select(moments_table(space_key), where, ["content_key", column])
        rows = [] if found is None else [row for row in found.to_pylist() if row["content_key"] in live]
        return list(rows[0][column]) if rows else None

    def moments(self, space_key: str, filters: Filters | None = None, limit: int | None = None) -> list[StoredMoment]:
        """Visible moments as they lie in time, by asset."""
        filters = filters or Filters()
        live = self.catalogue.live(filters)
        if not live:
            return []
        with guarded(self._directory, "the index"):
            rows = self._tables.select(moments_table(space_key), _where(filters, live), _COLUMNS)
        found = [] if rows is None else [_moment(row, live) for row in rows.to_pylist() if row["content_key"] in live]
        found.sort(key=lambda it: (it.tenant, it.asset_id, it.kind, it.start_ns))
        return found if limit is None else found[:limit]

    def neighbours(self, space_key: str, moments: Collection[StoredMoment]) -> list[StoredMoment]:
        """All moments of the contents that `moments` belong to, as shots are made of them."""
        live = {moment.content_key: _asset_of(moment) for moment in moments}
        if not live:
            return []
        with guarded(self._directory, "the index"):
            rows = self._tables.select(moments_table(space_key), one_of("content_key", live), _COLUMNS)
        return [] if rows is None else [_moment(row, live) for row in rows.to_pylist()]

    def thumbnails(self, space_key: str, moment_ids: Collection[str]) -> dict[str, bytes]:
        """JPEG bytes by moment id; ids that are not there are left out."""
        with guarded(self._directory, "the index"):
            rows = self._tables.select_in(moments_table(space_key), "moment_id", moment_ids, ["moment_id", "thumbnail"])
        return {row["moment_id"]: row["thumbnail"] for row in rows}


def _where(filters: Filters, live: Mapping[str, LiveAsset]) -> str:
    """Row conditions; visibility itself too, as long as the list of visible contents stays short."""
    clauses = []
    if len(live) <= _LISTED_CONTENTS:
        clauses.append(one_of("content_key", live))
    elif filters.tenant is not None:
        clauses.append(f"tenant = {literal(filters.tenant)}")
    if filters.kind is not None:
        clauses.append(f"kind = {literal(filters.kind)}")
    if filters.end_ns is not None:
        clauses.append(f"start_ns < {filters.end_ns:d}")
    if filters.start_ns is not None:
        clauses.append(f"end_ns > {filters.start_ns:d}")
    return " AND ".join(clauses) or "true"


def _visible(
    fetch: Callable[[int], list[dict[str, Any]]], live: Mapping[str, LiveAsset], depth: int
) -> list[dict[str, Any]]:
    """The first `depth` rows of live contents, fetching deeper while hidden ones stand before them."""
    count = depth
    while True:
        rows = fetch(count)
        shown = [row for row in rows if row["content_key"] in live]
        if len(shown) >= depth or len(rows) < count:
            return shown[:depth]
        count *= 4


def _near(table: Any, vector: Vector, column: str, where: str, count: int) -> list[dict[str, Any]]:
    query = table.search(np.asarray(vector, np.float32), vector_column_name=column, query_type="vector")
    query = query.distance_type("cosine").where(where, prefilter=True).select([*_COLUMNS, "_distance"])
    rows: list[dict[str, Any]] = query.limit(count).to_list()
    return rows


def _worded(table: Any, text: str, where: str, count: int) -> list[dict[str, Any]]:
    query = table.search(text, query_type="fts", fts_columns="text").where(where, prefilter=True)
    rows: list[dict[str, Any]] = query.select([*_COLUMNS, "_score"]).limit(count).to_list()
    return rows


def _check(column: str) -> None:
    if column not in VECTORS:
        raise ValueError(f"unknown vector column {column!r}")


def _asset_of(it: StoredMoment) -> LiveAsset:
    return LiveAsset(it.tenant, it.project, it.asset_id, it.uri, it.labels, it.timecode, it.file_offset_ns)


def _moment(row: dict[str, Any], live: Mapping[str, LiveAsset]) -> StoredMoment:
    asset = live[row["content_key"]]
    fields = {name: row[name] for name in _COLUMNS if name != "tags"}
    return StoredMoment(
        **fields,
        tags=tuple((tag["label"], tag["score"]) for tag in row["tags"]),
        tenant=asset.tenant,
        project=asset.project,
        asset_id=asset.asset_id,
        uri=asset.uri,
        labels=asset.labels,
        timecode=asset.timecode,
        file_offset_ns=asset.file_offset_ns,
    )
