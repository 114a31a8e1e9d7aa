"""The LanceDB store: moments per space, the ledger, assets. Written by one process, read through `sinks.query`."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from sinks.assets.asset_status import Standing
from sinks.assets.fold import SpaceCell, cell_of
from sinks.assets.ledger_entries import RECEIPT_SCHEMA, LedgerEntry
from sinks.assets.lifecycle import AssetState
from sinks.assets.tombstones import Retirement
from sinks.filters import one_of
from sinks.lance.asset_rows import ASSET_SCHEMA, asset_rows
from sinks.lance.known_assets import KnownAsset, KnownAssets
from sinks.lance.live_rows import NOTHING_SHOWN, LiveNames
from sinks.lance.moments import MomentTable
from sinks.lance.shown_column import SHOWN
from sinks.ledger.ledger_table import LedgerTable
from sinks.location import Location, Place
from sinks.schema import SPACE_SCHEMA, stored_rows
from sinks.storage.files import files_at
from sinks.tables import memory
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import ADDRESS, LanceTables
from sinks.tables.names import ASSETS, SEGMENTS, SPACES, moments_table
from sinks.tables.stored_ids import StoredIds
from sinks.tables.vector_index import policy_of
from sinks.tables.version_lease import LEASE_S, admit_readers, await_readers
from stream.clock import Clock
from stream.events.annotations import Annotations, Space

_log = logging.getLogger(__name__)

ENDED_AT_ONCE = 300
"""After a long pause the retention of a whole day's assets may be over: a commit that ends all takes minutes."""
_UNSAID = "(shown_at_ms IS NULL OR shown_at_ms <> updated_at_ms)"
_LIVE = ("live_content_key", "live_project", "live_labels")
_ASSET_INDEXES = Indexes(keyed=("asset_key", "live_content_key", "expires_at_ms", "version_ms"), grouped=("status",))


class LanceIndex:
    """Every method is one commit per table it touches, and may be repeated: redelivery repairs a kill in between."""

    def __init__(
        self,
        place: Place,
        clock: Clock,
        before_removal: Callable[[], None] = lambda: None,
        epoch: Callable[[], int | None] = lambda: None,
        shards: int = 1,
    ) -> None:
        self.location = Location.of(place)
        self.tables = LanceTables(place, before_removal=before_removal, epoch=epoch, vectors=policy_of(shards))
        self.ledger = LedgerTable(self.tables)
        self._clock = clock
        self._read_spaces: dict[str, Space] | None = None
        self._assets = KnownAssets()
        self._cells: dict[str, StoredIds] = {}

    def open(self) -> None:
        memory.bound()
        files_at(self.location).make()
        admit_readers(self.location)

    def upgrade(self) -> None:
        """Bring the tables of an older release up to date, for the writer. Cut off in between it begins again."""
        # Before the others get the columns: these are filled at once and need no second look.
        told = [table for table in self._tables_of_moments() if not table.lacks_live_columns()]
        for space in self._spaces.values():
            self._moments(space)
        self.ledger.upgrade()
        if self.tables.find(ASSETS) is not None:
            self.tables.ensure(ASSETS, ASSET_SCHEMA, _ASSET_INDEXES)
            self._say_what_shows(told)

    def spaces(self) -> list[Space]:
        return [self._spaces[key] for key in sorted(self._spaces)]

    def states(self, asset_keys: Collection[str]) -> dict[str, AssetState]:
        return _states(self.tables.select_in(ASSETS, "asset_key", asset_keys, ["asset_key", "state"]))

    def known(self, asset_keys: Collection[str]) -> dict[str, KnownAsset]:
        """What is stored of these assets. For the writer, who changes them now and then says so by `remember`."""
        if self._assets.worn:
            # By the thread that commits: all that was written before lies in the tables when it is filled.
            self._assets = KnownAssets()
        found = self._assets.of(asset_keys)
        if unknown := [key for key in asset_keys if key not in found]:
            found |= self._looked_up(unknown)
        self._assets.changing(found)
        return found

    def remember(self, assets: Mapping[str, KnownAsset]) -> None:
        """What is stored of these assets now, after a batch that is whole."""
        self._assets.learn(assets)

    def _looked_up(self, asset_keys: Sequence[str]) -> dict[str, KnownAsset]:
        rows = self.tables.select_in(ASSETS, "asset_key", asset_keys, ["asset_key", "state"], addressed=True)
        states, lying = _states(rows), {row["asset_key"]: row[ADDRESS] for row in rows}
        entries: dict[str, list[LedgerEntry]] = {}
        for item in self.ledger.entries(asset_keys):
            entries.setdefault(item.asset_key, []).append(item)
        return {key: KnownAsset(states.get(key), tuple(entries.get(key, ())), lying.get(key)) for key in asset_keys}

    def ended(self, now_ms: int) -> dict[str, AssetState]:
        """States of assets whose live version's retention ended by `now_ms`, `ENDED_AT_ONCE` of them at most."""
        rows = self.tables.select(ASSETS, f"expires_at_ms <= {now_ms:d}", ["asset_key", "state"], ENDED_AT_ONCE)
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

    def replace(self, batch: Sequence[Annotations], shown: Mapping[str, LiveNames] = NOTHING_SHOWN) -> None:
        """Put whole segments in place of what their cells held; unique cells, an empty one clears. `shown`: what search
        shows after this batch.
        """
        by_space: dict[str, list[Annotations]] = {}
        for item in batch:
            by_space.setdefault(cell_of(item.header).space, []).append(item)
        for _, items in sorted(by_space.items()):
            segment_ids = {item.header.segment_id for item in items}
            self._moments(items[0].header.space).replace(stored_rows(items), segment_ids, shown)

    def replace_rows(self, space: Space, rows: pa.Table, segment_ids: Collection[str]) -> None:
        """Stored rows of `segment_ids` in `space`, shown as their assets say."""
        contents = set(rows["content_key"].to_pylist())
        self._assets.forget(set(rows["asset_key"].to_pylist()))
        self._moments(space).replace(rows, segment_ids, self._shown(contents))

    def show(self, contents: Mapping[str, LiveNames]) -> None:
        """Before the asset rows say so: let the rows of these contents show."""
        for table in self._tables_of_moments():
            table.show(contents)

    def record(self, ledger_entries: Sequence[LedgerEntry], known: Collection[SpaceCell]) -> None:
        """Ledger rows, unique by cell. `known`: the cells that may have one."""
        self.ledger.record(ledger_entries, known)

    def save(
        self, states: Iterable[tuple[AssetState, Standing]], known: Mapping[str, int | None] | None = None
    ) -> dict[str, int]:
        """Asset rows: from here on search shows the live versions. One commit. `known`: assets that have a row by now,
        where the caller has asked (`known`), and its address where that is known; others are only added. The addresses
        of the rows are returned, as far as they are known.
        """
        rows = asset_rows(states, self._clock.now_ms())
        if not rows.num_rows:
            return {}
        self.tables.ensure(ASSETS, ASSET_SCHEMA, _ASSET_INDEXES)
        keys = rows["asset_key"].to_pylist()
        if known is None:
            self._assets.forget(keys)
            replaced, lying = sorted(set(keys)), None
        else:
            replaced = sorted(known.keys() & set(keys))
            addresses = [at for key in replaced if (at := known[key]) is not None]
            lying = addresses if len(addresses) == len(replaced) else None
        come = self.tables.exchange(ASSETS, "asset_key", replaced, rows, lying)
        return {} if come is None else dict(zip(keys, come, strict=True))

    def sweep(self, retired: Mapping[str, Retirement], void: Collection[SpaceCell] | None = None) -> None:
        """Delete void rows of these assets, the ledger's last: they are the evidence that a sweep is due. `void`: all
        cells of which the ledger shows some, where the caller knows.
        """
        for table in self._tables_of_moments():
            table.sweep(retired)
        if void is None:
            self._assets.forget(retired)
            self.ledger.sweep(retired)
        else:
            self.ledger.erase(void)

    def rows(self, asset_keys: Collection[str], space_key: str) -> pa.Table | None:
        """Stored rows of these assets in a space; None where the space has no table."""
        return self.tables.select(moments_table(space_key), one_of("asset_key", asset_keys))

    def erase(self, segment_ids: Collection[str], space_key: str) -> None:
        """Forget these cells and their rows."""
        self._assets = KnownAssets()  # of which assets they are is not asked
        self.tables.delete(moments_table(space_key), one_of("segment_id", segment_ids))
        self.ledger.erase([SpaceCell(segment_id, space_key) for segment_id in segment_ids])

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        return {name: self.tables.count(name) for name in self._names()}

    def contents(self) -> Iterator[tuple[str, pa.Table]]:
        """All rows, each with its `asset_key`, some at a time with the name of their table."""
        for name in self._names():
            yield from ((name, rows) for rows in self.tables.batches(name))

    def register(self, spaces: Iterable[Space]) -> None:
        """Remember what these spaces are, with a table for each."""
        for space in spaces:
            self._moments(space)

    def take_in(self, name: str, rows: pa.Table) -> None:
        """Rows of a table of another store, as `contents` gives them. Their spaces are registered, and this store has
        nothing of their assets.
        """
        if name == SEGMENTS:
            self.ledger.put(rows.select(RECEIPT_SCHEMA.names))
            self._assets = KnownAssets()
            return
        if name == ASSETS:
            self.tables.ensure(ASSETS, ASSET_SCHEMA, _ASSET_INDEXES)
        found = self.tables.find(name)
        assert found is not None, name
        self._cells, self._assets = {}, KnownAssets()  # they know nothing of these rows
        self.tables.append(name, rows.select(found.schema.names))

    def tend(self) -> None:
        """Upkeep that is due, beside commits and from another thread."""
        # First, as every commit looks until then. Copies, as commits add to both.
        for key, cells in list(self._cells.items()):
            if (space := self._spaces.get(key)) is not None:
                MomentTable(self.tables, space, cells).read_cells()
        self._assets.fill(self._asset_keys)
        for name in self._names():
            self.tables.tend(name)

    def optimize(self) -> None:
        for name in self._names():
            self.tables.optimize(name)

    def purge(self) -> None:
        """Remove every byte of swept rows and old versions, when those have gone who read them, or after `LEASE_S`."""
        names = self._names()
        for name in names:
            self.tables.rewrite(name)
        # After all tables are rewritten, so that readers are waited for once.
        if not await_readers(self.location, self._clock):
            _log.info("the index: versions that are still read are removed after %g s", LEASE_S)
        for name in names:
            self.tables.drop_old_versions(name)

    def _names(self) -> list[str]:
        # A copy of the keys: a commit may add a space while upkeep lists them in its thread.
        return [SEGMENTS, ASSETS, *(moments_table(key) for key in list(self._spaces))]

    def _asset_keys(self) -> tuple[int, Iterator[pa.Array]]:
        """How many rows there are in the tables by asset, and their keys."""
        # The ledger first: a batch writes it before the assets, so that both know what one of them does.
        parts = [self.tables.column(name, "asset_key") for name in (SEGMENTS, ASSETS)]
        return sum(count for count, _ in parts), chain.from_iterable(keys for _, keys in parts)

    def close(self) -> None:
        """The next use reads anew what there is: tables may have been taken back."""
        self.tables.forget()
        self.ledger.forget()
        self._cells, self._assets = {}, KnownAssets()
        self._read_spaces = None

    @property
    def _spaces(self) -> dict[str, Space]:
        if self._read_spaces is None:
            self._read_spaces = {space.key: space for space in spaces_of(self.tables)}
        return self._read_spaces

    def _moments(self, space: Space) -> MomentTable:
        if (cells := self._cells.get(space.key)) is None or cells.worn:
            # By the thread that commits: all that was written before lies in the table when it is filled.
            cells = self._cells[space.key] = StoredIds()
        table = MomentTable(self.tables, space, cells)
        if table.lacks_live_columns():
            table.add_live_columns(self._shown())
        table.ensure()
        # After its table: a space that is listed has one.
        if space.key not in self._spaces:
            self._register(space)
        return table

    def _say_what_shows(self, tables: Sequence[MomentTable]) -> None:
        """Of assets that a release wrote whose rows say nothing of it: after an upgrade, or a return from one."""
        found = self.tables.select(ASSETS, f"live_content_key IS NOT NULL AND {_UNSAID}", _LIVE)
        contents = {} if found is None else _names(found.to_pylist())
        for table in tables:
            table.show(contents, other_release=True)
        # Last: after a kill before it, the next start does all of this again.
        self.tables.update(ASSETS, _UNSAID, {"shown_at_ms": "updated_at_ms", SHOWN.name: "NULL"})

    def _shown(self, content_keys: Collection[str] | None = None) -> dict[str, LiveNames]:
        """What search shows, as the asset rows say; of these contents, or of all."""
        if content_keys is None:
            found = self.tables.select(ASSETS, "live_content_key IS NOT NULL", _LIVE)
            return {} if found is None else _names(found.to_pylist())
        return _names(self.tables.select_in(ASSETS, "live_content_key", content_keys, _LIVE))

    def _tables_of_moments(self) -> list[MomentTable]:
        return [MomentTable(self.tables, space) for space in self._spaces.values()]

    def _register(self, space: Space) -> None:
        self.tables.ensure(SPACES, SPACE_SCHEMA)
        row = {"key": space.key, "space": space.model_dump_json()}
        self.tables.merge(SPACES, pa.Table.from_pylist([row], schema=SPACE_SCHEMA), "key")
        self._spaces[space.key] = space


def spaces_of(tables: LanceTables) -> list[Space]:
    """The spaces that have a table, by key."""
    rows = tables.select(SPACES, "")
    listed = [] if rows is None else [Space.model_validate_json(row["space"]) for row in rows.to_pylist()]
    return sorted(listed, key=lambda space: space.key)


def _states(rows: Iterable[Mapping[str, Any]]) -> dict[str, AssetState]:
    return {row["asset_key"]: AssetState.model_validate_json(row["state"]) for row in rows}


def _names(rows: Iterable[Mapping[str, Any]]) -> dict[str, LiveNames]:
    """By content, of asset rows."""
    return {row["live_content_key"]: LiveNames(row["live_project"], tuple(row["live_labels"])) for row in rows}
