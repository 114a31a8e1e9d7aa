"""The index's query side: time-coded moments by vector and words, of live content only. Read only, any process."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.filters import literal, one_of
from sinks.lance.store import moments_table, spaces_of
from sinks.lance.tables import LanceTables
from sinks.query.catalogue import Catalogue, Filters, LiveAsset
from sinks.query.ranking import matched_words, places, reciprocal_ranks, why
from sinks.schema import VECTORS
from sinks.store_errors import guarded
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
class MomentMatch:
    """A moment that answers a query, or (`MomentIndex.moments`) is simply there: then without scores.

    `score` is the fused one, comparable within one answer only; `cosine` is comparable within one space.
    `text_rank` is the place among full-text matches, from 1. `timecode` is the source's own, where it has one.
    Times are asset times; `file_offset_ns` later in the file's own time line.
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
    cosine: float | None = None
    text_rank: int | None = None
    matched: tuple[str, ...] = ()
    score: float = 0.0
    why: str = ""


class MomentIndex:
    """Search over the index under `directory`; finds nothing while it does not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tables = LanceTables(directory)
        self.catalogue = Catalogue(directory)

    def spaces(self) -> list[Space]:
        with guarded(self._directory, "the index"):
            return spaces_of(self._tables)

    def query(
        self,
        space_key: str,
        *,
        vector: Vector | None = None,
        column: str = "vector",
        text: str | None = None,
        filters: Filters | None = None,
        limit: int = 20,
    ) -> list[MomentMatch]:
        """The best `limit` moments. `vector` is L2-normalised and of the size of `column` (`vector` or
        `image_vector`); with `text` too, both rankings are fused.
        """
        if column not in VECTORS:
            raise ValueError(f"unknown vector column {column!r}")
        filters = filters or Filters()
        live = self.catalogue.live(filters)
        with guarded(self._directory, "the index"):
            table = self._tables.find(moments_table(space_key))
            if table is None or not live or (vector is None and not text):
                return []
            where, depth = _where(filters, live), max(100, 4 * limit)
            near = (
                []
                if vector is None
                else _visible(lambda count: _near(table, vector, column, where, count), live, depth)
            )
            worded = [] if not text else _visible(lambda count: _worded(table, text, where, count), live, depth)
            rows = {row["moment_id"]: row for row in [*worded, *near]}
            arms = {
                "vector": places([(row["moment_id"], -float(row["_distance"])) for row in near]),
                "text": places([(row["moment_id"], float(row["_score"])) for row in worded]),
            }
            ranked = reciprocal_ranks(list(arms.values()))
            best = list(ranked)[:limit]
            cosines = {row["moment_id"]: 1.0 - float(row["_distance"]) for row in near}
            if vector is not None:
                cosines |= _cosines(table, vector, column, [key for key in best if key not in cosines])
        return [
            _scored(
                _hit(rows[key], live),
                ranked[key],
                cosines.get(key),
                {name: arm[key] for name, arm in arms.items() if key in arm},
                text or "",
            )
            for key in best
        ]

    def moments(self, space_key: str, filters: Filters | None = None, limit: int | None = None) -> list[MomentMatch]:
        """Visible moments as they lie in time, by asset."""
        filters = filters or Filters()
        live = self.catalogue.live(filters)
        if not live:
            return []
        with guarded(self._directory, "the index"):
            rows = self._tables.select(moments_table(space_key), _where(filters, live), _COLUMNS)
        found = [] if rows is None else [_hit(row, live) for row in rows.to_pylist() if row["content_key"] in live]
        found.sort(key=lambda hit: (hit.tenant, hit.asset_id, hit.kind, hit.start_ns))
        return found if limit is None else found[:limit]

    def neighbours(self, space_key: str, hits: Collection[MomentMatch]) -> list[MomentMatch]:
        """All moments of the contents that `hits` belong to: what `shots.group_into_shots` needs beside them."""
        live = {hit.content_key: _asset_of(hit) for hit in hits}
        if not live:
            return []
        with guarded(self._directory, "the index"):
            rows = self._tables.select(moments_table(space_key), one_of("content_key", live), _COLUMNS)
        return [] if rows is None else [_hit(row, live) for row in rows.to_pylist()]

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


def _cosines(table: Any, vector: Vector, column: str, moment_ids: Sequence[str]) -> dict[str, float]:
    """Exact scores of moments that only the words found."""
    if not moment_ids:
        return {}
    rows = table.search().where(one_of("moment_id", moment_ids)).select(["moment_id", column]).to_arrow()
    values = np.asarray(rows[column].to_pylist(), np.float32) @ np.asarray(vector, np.float32)
    return dict(zip(rows["moment_id"].to_pylist(), (float(value) for value in values), strict=True))


def _asset_of(hit: MomentMatch) -> LiveAsset:
    return LiveAsset(hit.tenant, hit.project, hit.asset_id, hit.uri, hit.labels, hit.timecode, hit.file_offset_ns)


def _hit(row: dict[str, Any], live: Mapping[str, LiveAsset]) -> MomentMatch:
    asset = live[row["content_key"]]
    fields = {name: row[name] for name in _COLUMNS if name != "tags"}
    return MomentMatch(
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


def _scored(hit: MomentMatch, score: float, cosine: float | None, ranks: Mapping[str, int], text: str) -> MomentMatch:
    words = matched_words(text, hit.text) if "text" in ranks else ()
    return replace(
        hit,
        score=score,
        cosine=cosine,
        text_rank=ranks.get("text"),
        matched=words,
        why=why(cosine, ranks, words),
    )
