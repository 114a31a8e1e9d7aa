"""What a question reads and keeps in memory does not grow with the store: what has come since, one asset, some rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sinks.lance.sink import LanceSink
from sinks.query import facets, newest_epochs
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters, assets_where, status_where
from sinks.query.moments import MomentIndex
from sinks.query.newest_epochs import NewestEpochs
from sinks.query.store_reader import StoreReader
from sinks.sharded.sink import sink_at
from sinks.tables.names import ASSETS, SEGMENTS
from stream.clock import ManualClock
from stream.events.base import Event
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, asset_deleted, events, planned, ref

ASSETS_THERE = 6


def published(number: int, **more: Any) -> list[Event]:
    asset = ref(f"clip-{number}", tenant="ab"[number % 2], project=f"p{number % 3}")
    told = planned(asset, of=1, labels={"n": str(number % 3)})
    return events(told, annotations(asset, of=1, count=3, words=["dog", "cat", ""], **more))


def filled(root: Path, shards: int = 1) -> LanceSink:
    def make(place: Any) -> LanceSink:
        return LanceSink(place, ManualClock(), shards=shards)

    sink: Any = sink_at(root, make, shards=shards, name="the index", alone=True)
    sink.open()
    for number in range(ASSETS_THERE):
        list(sink.process(published(number, epoch_ms=5)))
    return sink  # type: ignore[no-any-return]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[LanceSink]:
    made = filled(tmp_path)
    yield made
    made.close()


class Reads:
    """The rows of the ledger that are looked at."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        newest = newest_epochs.newest_in
        patch.setattr(newest_epochs, "newest_in", lambda batch: self._counted(batch, newest))

    def _counted(self, batch: Any, newest: Any) -> Any:
        self.rows += batch.num_rows
        return newest(batch)

    def since(self) -> int:
        rows, self.rows = self.rows, 0
        return rows


def test_entries_of_the_ledger_are_read_once_for_the_latest_roll_out(
    sink: LanceSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each search asks for it where there are several spaces."""
    reads, index = Reads(monkeypatch), MomentIndex(tmp_path)
    assert (index.epochs(), reads.since()) == ({SPACE.key: 5}, ASSETS_THERE)
    assert (index.epochs(), reads.since()) == ({SPACE.key: 5}, 0)
    other = annotations(ref("clip-9"), of=1, space=OTHER_SPACE, epoch_ms=9)
    list(sink.process(events(other)))
    assert (index.epochs(), reads.since()) == ({SPACE.key: 5, OTHER_SPACE.key: 9}, 1)
    assert (index.epochs(5), reads.since()) == ({OTHER_SPACE.key: 9}, 0)
    # What upkeep has joined is read once more; what was removed was stored nevertheless.
    list(sink.process([asset_deleted(ref("clip-9", 2))]))
    sink.maintain()
    assert index.epochs() == {SPACE.key: 5, OTHER_SPACE.key: 9}
    assert reads.since() == ASSETS_THERE
    assert NewestEpochs(StoreReader(tmp_path)).above() == {SPACE.key: 5}


def test_assets_by_name_are_found_by_an_index(sink: LanceSink, tmp_path: Path) -> None:
    sink.maintain()
    table = sink.store.tables.find(ASSETS)
    assert table is not None
    asked = Filters(tenant="a", asset_ids=("clip-2", "clip-4"))
    for where in (status_where("a", ("clip-2",), None), assets_where(asked)):
        assert "ScalarIndexQuery" in table.scanner(columns=["uri"], filter=where).explain_plan()
    assert "ScalarIndexQuery" not in table.scanner(columns=["uri"], filter="asset_id = 'clip-2'").explain_plan()
    catalogue = Catalogue(tmp_path)
    assert [view.asset_id for view in catalogue.assets("a", ["clip-2", "clip-3", "clip-4", "nobody"])] == [
        "clip-2",
        "clip-4",
    ]
    assert [view.asset_id for view in catalogue.assets(None, ["clip-2", "clip-3"])] == ["clip-2", "clip-3"]
    assert {it.asset_id for page in catalogue.pages(asked) for it in page.values()} == {"clip-2", "clip-4"}
    index = MomentIndex(tmp_path)
    assert (index.asset("a", "clip-2", None) is None, index.asset("b", "clip-2", None) is None) == (False, True)


@pytest.mark.parametrize("shards", [1, 3])
def test_moments_are_counted_some_at_a_time(tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = filled(tmp_path, shards)
    index, asked = MomentIndex(tmp_path), list[int]()
    shown = index.catalogue.shown

    def counted(contents: Sequence[str], filters: Filters) -> Any:
        asked.append(len(contents))
        return shown(contents, filters)

    monkeypatch.setattr(index.catalogue, "shown", counted)
    whole = facets.all_facets(index, SPACE.key, Filters())
    assert (whole.moments, whole.tenants) == (3 * ASSETS_THERE, {"a": 9, "b": 9})
    assert whole.labels == {"n=0": 6, "n=1": 6, "n=2": 6}
    assert sum(whole.tags.values()) > 0
    asked.clear()
    monkeypatch.setattr(facets, "_ROWS_AT_ONCE", 2)
    assert facets.all_facets(index, SPACE.key, Filters()) == whole
    assert max(asked) <= 2
    assert facets.all_facets(index, SPACE.key, Filters(tenant="a")).projects == {"p0": 3, "p1": 3, "p2": 3}
    sink.close()


def test_the_ledger_of_a_store_that_is_missing_tells_of_nothing(tmp_path: Path) -> None:
    assert MomentIndex(tmp_path / SEGMENTS).epochs() == {}
