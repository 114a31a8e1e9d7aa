"""Reading moments: by vector, by words, by asset; of live content only. Read only, from any process. How what is found
becomes an answer is `stream.search`'s.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from sinks.filters import one_of
from sinks.lance.hit_column import HIT, HIT_COLUMNS, hit_of
from sinks.location import Place
from sinks.query.asset_detail import AssetDetail, asset_detail, live_source
from sinks.query.catalogue import Catalogue, LiveAsset
from sinks.query.filters import EVERYTHING, LIVE_COLUMNS, Filters, Scope, moments_where, rows_where
from sinks.query.newest_epochs import NewestEpochs
from sinks.query.rankings import EXACT_ROWS, Vector
from sinks.query.sharded_version import Version
from sinks.query.snapshots import chunks
from sinks.query.store_reader import StoreReader
from sinks.schema import VECTORS
from sinks.tables.names import ASSETS, SPACES, moments_table
from stream.events.annotations import Space
from stream.events.asset import SourceVersion
from stream.events.timecode import SourceTimecode

T = TypeVar("T")
U = TypeVar("U")
_CONTENTS_A_QUERY = 5000
_FIRST_ASSETS = 64
_SPAN = ("content_key", "kind", "start_ns", "end_ns", "starts_at_cut", "ends_at_cut", "shot_method")
_COLUMNS = ("content_key", *HIT_COLUMNS)
_MADE_BY = ("segment", "epoch_ms", "version_ms", "models")
_NEARLY_ALL = 0.98
"""Where filters keep such a share of the rows, the assets of what is found narrow it: that costs less."""

NOBODY = "none"
"""The method of what no model has looked for."""

StoredRow = Mapping[str, Any]
"""The columns of a row that a `StoredMoment` is made of."""
_NOTHING_READ: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StoredMoment:
    """A moment as the index holds it, with the names of the asset that shows it.

    `timecode` is the source's own, where it has one. Times are asset times; `file_offset_ns` later in the file's own
    time line.
    """

    moment_id: str
    content_key: str
    tenant: str
    project: str
    asset_id: str
    uri: str
    labels: tuple[str, ...]
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
    timecode: SourceTimecode | None = None
    file_offset_ns: int = 0
    published_ms: int = 0

    @property
    def not_looked_for(self) -> tuple[str, ...]:
        """What says nothing here by being empty, as no model has looked: of shots, tags and moderation."""
        looked = {
            "shots": self.shot_method != NOBODY,
            "tags": self.caption_method != NOBODY,
            "moderation": self.moderation_nsfw is not None,
        }
        return tuple(name for name, done in looked.items() if not done)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a moment lies in its content, as shots are made of it."""

    content_key: str
    kind: str
    start_ns: int
    end_ns: int
    starts_at_cut: bool
    ends_at_cut: bool
    shot_method: str


@dataclass(frozen=True, slots=True)
class MomentDetail:
    """A moment and what made it: its cell, the roll-out, the version of the asset, and the models as JSON."""

    moment: StoredMoment
    segment: int
    epoch_ms: int
    version_ms: int
    models: str


@dataclass(frozen=True, slots=True)
class ShownThumbnail:
    """A JPEG, and the asset that shows it."""

    jpeg: bytes
    tenant: str
    asset_id: str


class MomentIndex:
    """The moments of the index under `place`; finds nothing while it does not exist."""

    def __init__(self, place: Place) -> None:
        self._store = StoreReader(place)
        self.catalogue = Catalogue(place, self._store)
        self._spaces: tuple[list[Any], list[Space]] | None = None
        self._epochs = NewestEpochs(self._store)

    def asset(self, tenant: str, asset_id: str, scopes: Sequence[Scope] | None) -> AssetDetail | None:
        """Its newest version, whether it shows something or not; None where there is no such asset within `scopes`."""
        return asset_detail(self._store, tenant, asset_id, scopes)

    def live_source(self, asset: LiveAsset) -> SourceVersion | None:
        """The bytes that an asset's live version was made of; None where an older release made it."""
        return live_source(self._store, asset)

    def spaces(self) -> list[Space]:
        def read() -> list[Space]:
            # They hardly ever change, and every search asks for them.
            tables = self._store.tables(SPACES)
            if self._spaces is None or not _same(self._spaces[0], tables):
                self._spaces = tables, stored_spaces(self._store)
            return list(self._spaces[1])

        return self.reading(read)

    def epochs(self, above_ms: int = -1) -> dict[str, int]:
        """By space: the latest roll-out that stored something there, of those later than `above_ms`."""
        return self._epochs.above(above_ms)

    def reading(self, work: Callable[[], T]) -> T:
        """`work` on what `version` gives, as `StoreReader.reading` does it. Raises `Unavailable` and `Fatal`."""
        return self._store.reading(work)

    def version(self, space_key: str) -> Version | None:
        """The space's moments as they are now."""
        return self._store.version(moments_table(space_key))

    def both(self, one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
        """Two pieces of one `reading` at the same time, as `StoreReader.both` does it."""
        return self._store.both(one, other)

    def wheres(self, version: Version, filters: Filters) -> list[str]:
        """Conditions on rows of `version`, of which one holds for each that may be asked for; whether it is, the
        catalogue knows (`shown`).
        """
        columns = version.columns
        where = moments_where(filters, self.catalogue.asset_keys(filters), columns)
        if set(LIVE_COLUMNS) <= set(columns) or not filters.by_asset_state:
            return [self._cheapest(version, where, filters)]
        pages = self.catalogue.pages(filters)  # of an older release: its rows do not follow what is published
        return [f"{one_of('content_key', page)} AND {where}" for page in pages]

    def stored(
        self, version: Version, rows: Mapping[int, str], read: Mapping[int, str] = _NOTHING_READ
    ) -> dict[int, StoredRow]:
        """What these rows hold, whose contents are given, and the column `HIT` as far as it is `read` already."""
        found = {number: hit for number in rows if (hit := hit_of(read.get(number))) is not None}
        if unread := [number for number in rows if number not in found]:
            found |= self._hits(version, unread)
        if lacking := [number for number in rows if number not in found]:
            # Of an older release, whose rows say it in columns alone.
            found |= zip(lacking, version.take(lacking, HIT_COLUMNS).to_pylist(), strict=True)
        return {number: found[number] | {"content_key": key} for number, key in rows.items()}

    @staticmethod
    def _hits(version: Version, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Of those that say in one column what a hit shows: each column costs a read of its own."""
        if HIT.name not in version.columns:
            return {}
        texts = version.take(rows, [HIT.name])[HIT.name].to_pylist()
        return {number: hit for number, text in zip(rows, texts, strict=True) if (hit := hit_of(text)) is not None}

    @staticmethod
    def _cheapest(version: Version, where: str, filters: Filters) -> str:
        """`where`, or what the moment alone decides of it."""
        total = version.rows
        # Of few rows the asset would hide too large a part of an answer.
        if total <= EXACT_ROWS or version.kept(where) < _NEARLY_ALL * total:
            return where
        return " AND ".join(rows_where(filters)) or EVERYTHING

    def vector_of(self, space_key: str, moment_id: str, column: str, filters: Filters) -> list[float] | None:
        """The stored vector of a moment; None where `filters` hide it or there is none. `column` is one of `VECTORS`,
        else `ValueError`.
        """
        check_column(column)
        row = self._permitted_row(space_key, moment_id, ["content_key", column], filters)
        return None if row is None else list(row[column])

    def state(self, space_key: str) -> str:
        """A text that changes with every commit to the space's moments or to the catalogue."""
        return self._store.state((moments_table(space_key), ASSETS))

    def of_ids(self, space_key: str, moment_ids: Collection[str], filters: Filters) -> dict[str, StoredMoment]:
        """These moments by their ids, without those that `filters` hide or that are gone."""

        def read() -> dict[str, StoredMoment]:
            version = self.version(space_key)
            if version is None or not moment_ids:
                return {}
            numbers = [row for where in self.wheres(version, filters) for row in version.numbers(moment_ids, where)]
            rows = version.take(numbers, _COLUMNS).to_pylist() if numbers else []
            shown = self.catalogue.shown({row["content_key"] for row in rows}, filters)
            return {row["moment_id"]: moment_of(row, shown) for row in rows if row["content_key"] in shown}

        return self.reading(read)

    def moment(self, space_key: str, moment_id: str, filters: Filters) -> MomentDetail | None:
        """A moment with what made it; None where `filters` hide it or there is none."""
        columns = (*_COLUMNS, *_MADE_BY)
        row = self._permitted_row(space_key, moment_id, columns, filters)
        if row is None:
            return None
        made = {name: row.pop(name) for name in _MADE_BY}
        # Asked again, as a row alone does not say who shows it; it may have gone meanwhile.
        shown = self.catalogue.shown([row["content_key"]], filters)
        return None if not shown else MomentDetail(moment_of(row, shown), **made)

    def thumbnail_of(self, space_key: str, moment_id: str, filters: Filters) -> ShownThumbnail | None:
        """The JPEG of a moment; None where `filters` hide it or there is none."""
        found = self._permitted(space_key, moment_id, ["content_key", "thumbnail"], filters)
        return (
            None if found is None else ShownThumbnail(bytes(found[0]["thumbnail"]), found[1].tenant, found[1].asset_id)
        )

    def _permitted_row(
        self, space_key: str, moment_id: str, columns: Sequence[str], filters: Filters
    ) -> dict[str, Any] | None:
        found = self._permitted(space_key, moment_id, columns, filters)
        return None if found is None else found[0]

    def _permitted(
        self, space_key: str, moment_id: str, columns: Sequence[str], filters: Filters
    ) -> tuple[dict[str, Any], LiveAsset] | None:
        """`columns`, of which one is `content_key`, of a moment that `filters` allow, and the asset that shows it."""

        def read() -> tuple[dict[str, Any], LiveAsset] | None:
            version = self.version(space_key)
            if version is None:
                return None
            rows = [row for where in self.wheres(version, filters) for row in version.numbers([moment_id], where)]
            for row in version.take(rows, columns).to_pylist() if rows else ():
                shown = self.catalogue.shown([row["content_key"]], filters)
                if shown:
                    return dict(row), shown[row["content_key"]]
            return None

        return self.reading(read)

    def moments(self, space_key: str, filters: Filters | None = None, limit: int | None = None) -> list[StoredMoment]:
        """Visible moments as they lie in time, by asset."""
        filters, found = filters or Filters(), list[StoredMoment]()
        for page in self.catalogue.pages(filters, _CONTENTS_A_QUERY if limit is None else _FIRST_ASSETS):
            rows = self._of_contents(space_key, page, _COLUMNS, rows_where(filters))
            moments = [moment_of(row, page) for row in rows]
            found += sorted(moments, key=lambda it: (it.tenant, it.asset_id, it.kind, it.start_ns))
            if limit is not None and len(found) >= limit:
                break
        return found if limit is None else found[:limit]

    def neighbours(self, space_key: str, moments: Collection[StoredMoment]) -> list[Span]:
        """All moments of the contents that `moments` belong to, as shots are made of them."""
        rows = self._of_contents(space_key, {moment.content_key for moment in moments}, _SPAN)
        return [Span(**row) for row in rows]

    def thumbnails(self, space_key: str, moment_ids: Collection[str]) -> dict[str, bytes]:
        """JPEG bytes by moment id; ids that are not there are left out."""
        columns, table = ["moment_id", "thumbnail"], moments_table(space_key)
        parts = self.reading(lambda: self._store.select_in(table, "moment_id", moment_ids, columns))
        return {row["moment_id"]: row["thumbnail"] for part in parts for row in part.to_pylist()}

    def _of_contents(
        self, space_key: str, contents: Collection[str], columns: Sequence[str], conditions: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        table, where = moments_table(space_key), " AND ".join(conditions)
        for part in chunks(sorted(contents), _CONTENTS_A_QUERY):
            for rows in self.reading(partial(self._store.select_in, table, "content_key", part, columns, where)):
                yield from rows.to_pylist()


def _same(tables: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether they are the same versions: a reader opens another object for each."""
    return len(tables) == len(others) and all(one is other for one, other in zip(tables, others, strict=True))


def stored_spaces(store: StoreReader) -> list[Space]:
    """Those that any shard tells of, by their keys."""
    rows = store.select(SPACES, "")
    listed = [] if rows is None else [Space.model_validate_json(text) for text in rows["space"].to_pylist()]
    return sorted({space.key: space for space in listed}.values(), key=lambda space: space.key)


def similarities(version: Version, rows: Sequence[int], vector: Vector, column: str) -> dict[int, float]:
    """Exact cosine of these rows to `vector`."""
    if not rows:
        return {}
    stored = version.take(rows, [column])[column].combine_chunks()
    values = np.einsum("rd,d->r", stored.values.to_numpy().reshape(len(rows), -1), np.asarray(vector, np.float32))
    return {row: float(value) for row, value in zip(rows, values, strict=True)}


def check_column(column: str) -> None:
    """Raises `ValueError` for a column that holds no vectors."""
    if column not in VECTORS:
        raise ValueError(f"unknown vector column {column!r}")


def moment_of(row: StoredRow, assets: Mapping[str, LiveAsset]) -> StoredMoment:
    """The moment with the names of its asset, which is one of `assets`, by content."""
    asset = assets[row["content_key"]]
    return StoredMoment(
        **(dict(row) | {"tags": tuple((tag["label"], tag["score"]) for tag in row["tags"])}),
        tenant=asset.tenant,
        project=asset.project,
        asset_id=asset.asset_id,
        uri=asset.uri,
        labels=asset.labels,
        timecode=asset.timecode,
        file_offset_ns=asset.file_offset_ns,
        published_ms=asset.published_ms,
    )
