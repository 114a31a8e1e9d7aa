"""The index and the Delta table against each other: what differs is found, and either is rebuilt from the other."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from sinks.assets.fold import SpaceCell
from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.maintenance.drop_space import drop_space
from sinks.maintenance.repair import Target, repair
from sinks.maintenance.verify import portions, verify
from sinks.query.catalogue import Catalogue
from sinks.query.moments import MomentIndex
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS, SEGMENTS, moments_table
from stream.clock import ManualClock
from stream.events.ids import asset_key
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, events, planned, ref

KEY = asset_key("acme", "clip")


class Pair:
    def __init__(self, root: Path) -> None:
        self.lance_directory, self.delta_directory = root / "lance", root / "delta"
        self.lance = LanceSink(self.lance_directory, ManualClock())
        self.delta = DeltaSink(self.delta_directory, ManualClock())
        self.lance.open()
        self.delta.open()

    def repair(self, target: Target) -> int:
        self.lance.close()
        self.delta.close()
        return repair(self.lance_directory, self.delta_directory, target)

    @property
    def agrees(self) -> bool:
        return verify(self.lance_directory, self.delta_directory).agrees


def without_column(pair: Pair, column: str) -> None:
    """Both stores as a release made them that did not know this column."""
    from deltalake import DeltaTable, QueryBuilder, write_deltalake

    pair.lance.close()
    pair.delta.close()
    for space in (SPACE, OTHER_SPACE):
        table = LanceTables(pair.lance_directory).find(moments_table(space.key))
        assert table is not None
        table.drop_columns([column])
    stored = DeltaTable(str(pair.delta_directory / "moments"))
    rows = pa.table(QueryBuilder().register("found", stored).execute("SELECT * FROM found").read_all())
    write_deltalake(stored, rows.drop_columns([column]), mode="overwrite", schema_mode="overwrite")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    both = Pair(tmp_path)
    batch = events(
        planned(labels={"team": "red"}),
        *(annotations(segment=segment, words=["dog"], labels={"team": "red"}) for segment in range(2)),
        annotations(segment=2, count=0),
        annotations(space=OTHER_SPACE),
        planned(ref("second"), of=1),
        annotations(ref("second"), of=1),
    )
    for sink in (both.lance, both.delta):
        list(sink.process(batch))
    yield both
    both.lance.close()
    both.delta.close()


def test_stores_fed_alike_agree(pair: Pair) -> None:
    report = verify(pair.lance_directory, pair.delta_directory)
    assert report.agrees
    assert {item.space: item.moments for item in report.spaces} == {SPACE.key: 6, OTHER_SPACE.key: 2}


def test_assets_are_compared_some_at_a_time(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fits together, nothing is left out."""
    assert list(portions({"a": 4, "b": 6_000, "c": 4_000, "d": 20_000, "e": 0})) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert list(portions({})) == []
    pair.delta.store.erase([SpaceCell(annotations(ref("second"), of=1).header.segment_id, SPACE.key)])
    monkeypatch.setattr("sinks.maintenance.verify._MOMENTS_AT_ONCE", 1)
    report = verify(pair.lance_directory, pair.delta_directory)
    assert {item.space: item.moments for item in report.spaces} == {SPACE.key: 6, OTHER_SPACE.key: 2}
    assert report.assets == {asset_key("acme", "second")}


def test_nothing_agrees_with_nothing(tmp_path: Path) -> None:
    assert verify(tmp_path / "a", tmp_path / "b").agrees


def test_each_kind_of_difference_is_counted(pair: Pair) -> None:
    table = pair.lance.store.tables.find(moments_table(SPACE.key))
    assert table is not None
    first = annotations(words=["dog"]).rows["moment_id"].to_pylist()
    second = annotations(segment=1).rows["moment_id"].to_pylist()
    table.delete(f"moment_id = '{first[0]}'")
    table.update({"start_ns": "7"}, where=f"moment_id = '{first[1]}'")
    table.update({"vector": str([0.5] * 8)}, where=f"moment_id = '{second[0]}'")
    cell = SpaceCell(annotations(ref("second"), of=1).header.segment_id, SPACE.key)
    pair.delta.store.erase([cell])
    report = verify(pair.lance_directory, pair.delta_directory)
    (found,) = [item for item in report.spaces if item.space == SPACE.key]
    assert (found.missing_in_lance, found.different, found.missing_in_delta) == (1, 2, 2)
    assert len(found.cells) == 3
    assert report.assets == {KEY, asset_key("acme", "second")}


def test_a_missing_receipt_is_a_difference(pair: Pair) -> None:
    pair.lance.store.tables.delete(SEGMENTS, f"segment_id = '{annotations(segment=2).header.segment_id}'")
    report = verify(pair.lance_directory, pair.delta_directory)
    assert not report.agrees
    assert pair.repair("lance") == 1
    assert pair.agrees


@pytest.mark.parametrize("target", ["lance", "delta"])
def test_what_one_store_lost_comes_back(pair: Pair, target: Target) -> None:
    cells = [SpaceCell(annotations(segment=segment).header.segment_id, SPACE.key) for segment in range(3)]
    if target == "delta":
        pair.delta.store.erase(cells)
    else:
        pair.lance.store.erase([cell.segment_id for cell in cells], SPACE.key)
    assert not pair.agrees
    assert pair.repair(target) == 3
    assert pair.agrees


@pytest.mark.parametrize("target", ["lance", "delta"])
def test_what_one_store_has_too_much_goes(pair: Pair, target: Target) -> None:
    more = events(annotations(ref("third"), of=1), annotations(count=5, revision=1))
    list((pair.lance if target == "lance" else pair.delta).process(more))
    assert not pair.agrees
    assert pair.repair(target) == 2
    assert pair.agrees
    assert len(MomentIndex(pair.lance_directory).moments(SPACE.key)) == 6


@pytest.mark.parametrize("target", ["lance", "delta"])
def test_a_lost_store_is_rebuilt_whole(pair: Pair, target: Target) -> None:
    pair.lance.close()
    pair.delta.close()
    before = MomentIndex(pair.lance_directory).moments(SPACE.key)
    shutil.rmtree(pair.lance_directory if target == "lance" else pair.delta_directory)
    assert pair.repair(target) > 0
    assert pair.agrees
    assert MomentIndex(pair.lance_directory).moments(SPACE.key) == before
    assert [view.status for view in Catalogue(pair.lance_directory).assets()] == ["ready", "ready"]


def test_a_repaired_index_says_so_in_its_assets(pair: Pair) -> None:
    pair.lance.store.erase([annotations().header.segment_id], SPACE.key)
    pair.lance.store.tables.delete(ASSETS, f"asset_key = '{KEY}'")
    pair.repair("lance")
    assert {view.asset_id: view.status for view in Catalogue(pair.lance_directory).assets()} == {
        "clip": "ready",
        "second": "ready",
    }


def test_dropping_a_space_leaves_the_others(pair: Pair) -> None:
    pair.lance.close()
    pair.delta.close()
    for _ in range(2):
        drop_space(pair.lance_directory, pair.delta_directory, OTHER_SPACE.key)
        report = verify(pair.lance_directory, pair.delta_directory)
        assert (report.agrees, [item.space for item in report.spaces]) == (True, [SPACE.key])
    index = MomentIndex(pair.lance_directory)
    assert (len(index.moments(SPACE.key)), index.moments(OTHER_SPACE.key)) == (6, [])


def test_stores_of_an_older_release_are_read_and_written_on(pair: Pair, tmp_path: Path) -> None:
    """A column that is new is empty in what was stored before, in both stores alike."""
    without_column(pair, "file_offset_ns")
    assert pair.agrees
    assert len(MomentIndex(pair.lance_directory).moments(SPACE.key)) == 6
    later = Pair(tmp_path)
    batch = events(planned(ref("third"), of=1), annotations(ref("third"), of=1))
    for sink in (later.lance, later.delta):
        list(sink.process(batch))
        sink.close()
    assert pair.agrees
    rows = later.delta.store.rows([KEY, asset_key("acme", "third")], SPACE.key, ["asset_id", "file_offset_ns"])
    assert {(row["asset_id"], row["file_offset_ns"]) for row in rows.to_pylist()} == {("clip", None), ("third", 0)}
