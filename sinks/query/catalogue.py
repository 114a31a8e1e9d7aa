"""The assets as the index holds them: status for people, visibility for search, freshness. Read only."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from sinks.filters import literal, one_of
from sinks.lance.shown_column import SHOWN, shown_row
from sinks.location import Place
from sinks.query.filters import Filters, Scope, assets_where, status_where
from sinks.query.living_rows import LivingRows
from sinks.query.snapshots import Snapshots, chunks
from sinks.query.store_reader import StoreReader
from sinks.tables.names import ASSETS, SEGMENTS
from stream.events.asset import AssetStatus
from stream.events.ids import AssetVersion, asset_key
from stream.events.timecode import SourceTimecode

_LIVE_COLUMNS = tuple(
    f"live_{name}" for name in ("content_key", "project", "uri", "labels", "timecode", "file_offset_ns", "version_ms")
)
_TIMES = ("published_ms", "version_ms")
_PAGE = 5000
_LAST_ROWS = 256
UNDER_WAY = AssetStatus.PLANNED


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
    """What search shows of an asset: its live version's names, and when that was published. Asset time and
    `file_offset_ns` make the file's time.
    """

    tenant: str
    project: str
    asset_id: str
    uri: str
    labels: tuple[str, ...]
    timecode: SourceTimecode | None = None
    file_offset_ns: int = 0
    published_ms: int = 0

    @property
    def asset_key(self) -> str:
        return asset_key(self.tenant, self.asset_id)


@dataclass(frozen=True, slots=True)
class IndexFreshness:
    """`newest_commit_ms`: when a segment was last stored; `oldest_pending_ms`: publication of the oldest asset that
    is not final yet. None where there is none.
    """

    newest_commit_ms: int | None
    oldest_pending_ms: int | None
    pending_assets: int


@dataclass(frozen=True, slots=True)
class PendingAsset:
    """An asset that is under way, and how far it is."""

    tenant: str
    asset_id: str
    published_ms: int
    segments_done: int
    segment_count: int


@dataclass(frozen=True, slots=True)
class PendingAssets:
    """The oldest that are under way, the oldest first, of `count`."""

    assets: tuple[PendingAsset, ...]
    count: int


class Catalogue:
    """A fresh view at every call. Nothing here holds all assets at once: they are looked up, or read in pages."""

    def __init__(self, place: Place, store: StoreReader | None = None) -> None:
        self._store = store or StoreReader(place)
        self._kept = WeakKeyDictionary[Snapshots, LivingRows[LiveAsset]]()
        self._fresh = WeakKeyDictionary[Snapshots, tuple[tuple[Any, Any], IndexFreshness]]()

    def assets(
        self,
        tenant: str | None = None,
        asset_ids: Collection[str] = (),
        scopes: Sequence[Scope] | None = None,
    ) -> list[AssetView]:
        """By tenant and asset id, within `scopes`; deleted ones too, which keep a name and a time only."""
        where = status_where(tenant, asset_ids, scopes)
        rows = self._store.reading(lambda: self._store.select(ASSETS, where))
        views = [] if rows is None else [asset_view(row) for row in rows.drop_columns(["state"]).to_pylist()]
        return sorted(views, key=lambda item: (item.tenant, item.asset_id))

    def listed(
        self, tenant: str, scopes: Sequence[Scope] | None, *, project: str | None, after: str | None, limit: int
    ) -> list[AssetView]:
        """The first `limit` of a tenant by asset id, of those behind `after`; else as `assets`."""
        clauses = [status_where(tenant, (), scopes)]
        clauses += [f"project = {literal(project)}"] if project is not None else []
        clauses += [f"asset_id > {literal(after)}"] if after is not None else []
        page = partial(_listed_of, where=" AND ".join(clauses), limit=limit)
        rows = self._store.reading(lambda: list(chain.from_iterable(self._store.each(page))))
        return sorted(map(asset_view, rows), key=lambda item: item.asset_id)[:limit]

    def shown(self, content_keys: Collection[str], filters: Filters) -> dict[str, LiveAsset]:
        """The assets that show these contents and are asked for, by content; an indexed look-up of those that are not
        known yet.
        """
        found = self._store.reading(lambda: self._looked_up(content_keys))
        allows = filters.allowing()
        return {key: it for key, it in found.items() if allows(it.tenant, it.project, it.asset_id, it.labels)}

    def pages(self, filters: Filters, first: int = _PAGE) -> Iterator[dict[str, LiveAsset]]:
        """All assets that show something and are asked for, by content, in the order of tenant and asset id. Pages
        begin with `first` assets and grow.
        """
        where, after, size = assets_where(filters), "", first
        while True:
            page, ended = self._store.reading(partial(self._page, where + after, size))
            if page:
                yield dict(page)
            if ended:
                return
            last = page[-1][1]
            tenant, name = literal(last.tenant), literal(last.asset_id)
            after = f" AND (tenant > {tenant} OR (tenant = {tenant} AND asset_id > {name}))"
            # Small at first, as who asked for a few stops there.
            size = min(4 * size, _PAGE)

    def asset_keys(self, filters: Filters) -> list[str] | None:
        """Of the assets that `filters` name, None where they name none."""
        if not filters.asset_ids:
            return None
        if filters.tenant is not None:
            return [asset_key(filters.tenant, name) for name in filters.asset_ids]
        rows = self._store.reading(lambda: self._store.select(ASSETS, assets_where(filters), ["asset_key"]))
        return [] if rows is None else [str(key) for key in rows["asset_key"].to_pylist()]

    def freshness(self) -> IndexFreshness:
        parts = self._store.reading(lambda: self._store.each(self._freshness_of))
        newest = [part.newest_commit_ms for part in parts if part.newest_commit_ms is not None]
        oldest = [part.oldest_pending_ms for part in parts if part.oldest_pending_ms is not None]
        count = sum(part.pending_assets for part in parts)
        return IndexFreshness(max(newest, default=None), min(oldest, default=None), count)

    def pending(self, filters: Filters, limit: int = 100) -> PendingAssets:
        """What is under way of the tenant, project and scopes that `filters` name."""
        scoped = status_where(filters.tenant, (), filters.scopes)
        clauses = [f"status = {literal(UNDER_WAY)}", *([scoped] if scoped else [])]
        clauses += [f"project = {literal(filters.project)}"] if filters.project is not None else []
        columns = ["tenant", "asset_id", "segments_done", "segment_count"]
        found = self._published(" AND ".join(clauses), columns)
        if not found.num_rows:
            return PendingAssets((), 0)
        oldest = found.sort_by([("published_ms", "ascending"), ("asset_id", "ascending")]).slice(0, limit)
        assets = [
            PendingAsset(
                row["tenant"], row["asset_id"], row["published_ms"], row["segments_done"], row["segment_count"]
            )
            for row in oldest.to_pylist()
        ]
        return PendingAssets(tuple(assets), found.num_rows)

    def _published(self, where: str, columns: Sequence[str]) -> pa.Table:
        """Those columns of the assets that match, and when each was published: before its version where a gate passed
        it on.
        """

        dated = partial(_dated_of, where=where, columns=columns)
        found = self._store.reading(lambda: [each for each in self._store.each(dated) if each is not None])
        return pa.concat_tables(found) if found else pa.table({name: [] for name in (*columns, "published_ms")})

    def _freshness_of(self, shard: Snapshots) -> IndexFreshness:
        """Read once of each version, as every answer says how fresh it is."""
        tables = shard.newest(ASSETS), shard.newest(SEGMENTS)
        of, found = self._fresh.get(shard, ((None, None), IndexFreshness(None, None, 0)))
        # The same object is the same version, which never changes.
        if any(one is not other for one, other in zip(of, tables, strict=True)):
            rows = _dated_of(shard, where=f"status = '{AssetStatus.PLANNED}'", columns=[])
            pending = (None, 0) if rows is None else (pc.min(rows["published_ms"]).as_py(), rows.num_rows)
            found = IndexFreshness(_newest_done_ms(tables[1]), *pending)
            self._fresh[shard] = tables, found
        return found

    def _looked_up(self, content_keys: Collection[str]) -> dict[str, LiveAsset]:
        """Of all shards: a content does not tell which one holds its asset."""
        found = dict(chain.from_iterable(self._store.each(partial(self._known, content_keys=content_keys))))
        if lacking := set(content_keys).difference(found):
            found.update(chain.from_iterable(self._store.each(partial(self._read, content_keys=lacking))))
        return found

    def _known(self, shard: Snapshots, content_keys: Collection[str]) -> Iterable[tuple[str, LiveAsset]]:
        table = shard.newest(ASSETS)
        return [] if table is None else self._kept_of(shard).kept(table, content_keys).items()

    def _read(self, shard: Snapshots, content_keys: Collection[str]) -> Iterable[tuple[str, LiveAsset]]:
        table = shard.newest(ASSETS)
        return (
            [] if table is None else self._kept_of(shard).read(table, content_keys, partial(_assets_of, table)).items()
        )

    def _kept_of(self, shard: Snapshots) -> LivingRows[LiveAsset]:
        # A store that is divided anew has other shards.
        return self._kept.setdefault(shard, LivingRows())

    def _page(self, where: str, size: int) -> tuple[list[tuple[str, LiveAsset]], bool]:
        """The first assets, about `size` of them, and whether these are all."""
        share = -(-size // self._store.shards)
        return _merged(self._store.each(partial(_page_of, where=where, size=share)), share)


def _listed_of(shard: Snapshots, *, where: str, limit: int) -> list[dict[str, Any]]:
    table = shard.newest(ASSETS)
    if table is None:
        return []
    columns = [name for name in table.schema.names if name != "state"]
    found = table.scanner(columns=columns, filter=where, order_by=["asset_id"], limit=limit).to_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def _page_of(shard: Snapshots, *, where: str, size: int) -> list[tuple[str, LiveAsset]]:
    table = shard.newest(ASSETS)
    if table is None:
        return []
    order = ["tenant", "asset_id"]
    return _live_rows(table.scanner(columns=_columns(table), filter=where, order_by=order, limit=size).to_table())


def _merged(pages: Sequence[list[tuple[str, LiveAsset]]], size: int) -> tuple[list[tuple[str, LiveAsset]], bool]:
    """The assets of pages that each hold at most `size`, up to where the first one that is full ends; and whether none
    is.
    """
    full = [_place(page[-1]) for page in pages if len(page) == size]
    if len(pages) == 1:
        return pages[0], not full
    found = sorted(chain.from_iterable(pages), key=_place)
    # Behind the end of a full page its shard may have more, which come before those of others.
    return [item for item in found if not full or _place(item) <= min(full)], not full


def _place(item: tuple[str, LiveAsset]) -> tuple[str, str]:
    return item[1].tenant, item[1].asset_id


def _assets_of(table: Any, content_keys: Collection[str]) -> Iterator[tuple[str, int, LiveAsset]]:
    """With the numbers of their rows."""
    lacking, older = set(content_keys), SHOWN.name not in table.schema.names
    for number, row in () if older else _numbered(table, content_keys, [SHOWN.name]):
        shown = shown_row(row[SHOWN.name])
        if shown is None or shown["live_content_key"] not in lacking:
            older = True
        else:
            lacking.remove(shown["live_content_key"])
            yield shown["live_content_key"], number, _live(shown)
    if older:  # of a release whose rows say it in columns alone
        for number, row in _numbered(table, lacking, _columns(table)):
            yield row["live_content_key"], number, _live(row)


def _numbered(
    table: Any, content_keys: Collection[str], columns: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of these live contents, with their numbers."""
    for part in chunks(sorted(content_keys), _PAGE):
        where = one_of("live_content_key", part)
        rows = table.scanner(columns=list(columns), filter=where, with_row_id=True).to_table()
        yield from ((row["_rowid"], row) for row in rows.to_pylist())


def _columns(table: Any) -> list[str]:
    """Those of `LiveAsset` that there are: an older index lacks some."""
    known = set(table.schema.names)
    return [name for name in ("tenant", "asset_id", *_LIVE_COLUMNS) if name in known]


def _dated_of(shard: Snapshots, *, where: str, columns: Sequence[str]) -> pa.Table | None:
    """Those columns of the matching assets of a shard, and when each was published; None without a table."""
    table = shard.newest(ASSETS)
    if table is None:
        return None
    # A store that no writer of this release has opened lacks the second.
    known = [name for name in _TIMES if name in table.schema.names]
    return _dated(table.scanner(columns=[*columns, *known], filter=where).to_table())


def _dated(rows: pa.Table) -> pa.Table:
    """`rows` with one time in place of `_TIMES`: the first that each has."""
    times = [rows[name] for name in _TIMES if name in rows.schema.names]
    return rows.drop_columns([name for name in _TIMES if name in rows.schema.names]).append_column(
        pa.field("published_ms", pa.int64()), pc.coalesce(*times)
    )


def _live_rows(rows: pa.Table) -> list[tuple[str, LiveAsset]]:
    return [(row["live_content_key"], _live(row)) for row in rows.to_pylist()]


def _live(row: Mapping[str, Any]) -> LiveAsset:
    return LiveAsset(
        tenant=row["tenant"],
        project=row["live_project"],
        asset_id=row["asset_id"],
        uri=row["live_uri"],
        labels=tuple(row["live_labels"]),
        timecode=SourceTimecode.parse(row.get("live_timecode") or ""),
        file_offset_ns=row.get("live_file_offset_ns") or 0,
        published_ms=row.get("live_version_ms") or 0,
    )


def asset_view(row: Mapping[str, Any]) -> AssetView:
    """Of a row of the table of assets."""
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


def _newest_done_ms(ledger: Any | None) -> int | None:
    """When an entry was last written; None where there is none. Joining files keeps the order of rows, so it is among
    the last.
    """
    if ledger is None:
        return None
    before = max(0, ledger.count_rows() - _LAST_ROWS)
    rows = ledger.scanner(columns=["done_at_ms"], offset=before, limit=_LAST_ROWS).to_table()
    newest: int | None = pc.max(rows["done_at_ms"]).as_py()
    return newest
