"""The ledger and the watermarks of a store, over a real LanceDB."""

from collections.abc import Iterator
from pathlib import Path

import lance
import pytest

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from sinks.ledger.ledger_table import LedgerTable, void_clauses
from sinks.ledger.watermark_table import WatermarkTable
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import SEGMENTS
from stream.events.ids import asset_key
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, key_of, ref, segment_failed, version

KEY = asset_key("acme", "clip")


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[LanceTables]:
    opened = LanceTables(tmp_path)
    yield opened
    opened.forget()


def entry(segment: int = 0, *, revision: int = 0, asset_id: str = "clip", other: bool = False) -> LedgerEntry:
    item = annotations(ref(asset_id), segment, revision=revision, space=OTHER_SPACE if other else SPACE)
    return LedgerEntry.done(item, 7)


def orders(ledger: LedgerTable, *asset_keys: str) -> list[tuple[int, str, int]]:
    return sorted((item.segment, item.space, item.revision) for item in ledger.entries(asset_keys or [KEY]))


def test_what_is_missing_is_nothing(tables: LanceTables) -> None:
    ledger = LedgerTable(tables)
    assert ledger.entries([KEY]) == []
    assert ledger.of_segments(["0" * 32], ["segment_id"]).num_rows == 0
    assert ledger.cells().num_rows == 0
    ledger.erase([SpaceCell("0" * 32, SPACE.key)])
    ledger.sweep({KEY: Retirement(deleted=version(1))})
    assert WatermarkTable(tables).marks() == WatermarkTable(tables).marks([KEY]) == {}
    assert list(tables.location.directory.iterdir()) == []


@pytest.mark.parametrize("others", [0, 2_000])
def test_segments_and_assets_are_looked_up_together(tables: LanceTables, others: int) -> None:
    ledger = LedgerTable(tables)
    ledger.record([entry(0), entry(1), entry(0, asset_id="else"), entry(1, asset_id="else")], ())
    asked = [entry(1).segment_id, entry(0, asset_id="else").segment_id, *(f"{number:032x}" for number in range(others))]
    columns = ["segment", "asset_key"]
    found = ledger.known(asked, [KEY], columns)
    assert found.schema.names == columns
    other = asset_key("acme", "else")
    assert sorted(map(tuple, (row.values() for row in found.to_pylist()))) == sorted([(0, KEY), (1, KEY), (0, other)])
    assert ledger.known([], [], columns).num_rows == 0


def test_entries_replace_their_cells_and_no_others(tables: LanceTables) -> None:
    ledger = LedgerTable(tables)
    first = [entry(0), entry(1), entry(0, other=True), LedgerEntry.failed(segment_failed(segment=0), 7)]
    ledger.record(first, ())
    ledger.record([entry(0, revision=1), entry(2)], {item.cell for item in first})
    assert orders(ledger) == [
        (0, "", 0),
        (0, OTHER_SPACE.key, 0),
        (0, SPACE.key, 1),
        (1, SPACE.key, 0),
        (2, SPACE.key, 0),
    ]
    found = ledger.of_segments([entry(0).segment_id, entry(2).segment_id], ["segment", "space", "stage_digests"])
    assert sorted(row["segment"] for row in found.to_pylist()) == [0, 0, 0, 2]
    assert {row["stage_digests"] for row in found.to_pylist()} == {'{"understand": "u1"}', "{}"}


def test_a_ledger_forgets_cells_spaces_and_what_is_void(tables: LanceTables) -> None:
    ledger = LedgerTable(tables)
    ledger.record([entry(0), entry(1), entry(0, other=True), entry(0, asset_id="kept")], ())
    marks = {KEY: Retirement(up_to=version(2), keep=key_of("b"))}
    assert ledger.unswept(marks) == marks
    assert ledger.unswept({asset_key("acme", "kept"): Retirement(deleted=version(0))}) == {}
    ledger.erase([entry(1).cell])
    assert orders(ledger) == [(0, OTHER_SPACE.key, 0), (0, SPACE.key, 0)]
    ledger.drop_space(OTHER_SPACE.key)
    assert orders(ledger) == [(0, SPACE.key, 0)]
    ledger.sweep(marks)
    assert orders(ledger) == []
    assert ledger.unswept(marks) == {}
    assert orders(ledger, asset_key("acme", "kept")) == [(0, SPACE.key, 0)]


def test_a_ledger_without_a_column_of_today_leaves_it_empty(tables: LanceTables) -> None:
    ledger = LedgerTable(tables)
    ledger.record([entry(0)], ())
    tables.ensure(SEGMENTS, ledger.cells().schema).drop_columns(["damaged"])
    tables.forget()
    assert [item.damaged for item in ledger.entries([KEY])] == [None]
    ledger.record([entry(1)], ())
    assert sorted((item.segment, item.damaged) for item in ledger.entries([KEY])) == [(0, None), (1, False)]


def test_watermarks_are_replaced_by_asset(tables: LanceTables) -> None:
    table = WatermarkTable(tables)
    one, two = Retirement(deleted=version(1)), Retirement(up_to=version(2), keep="k")
    table.put({"a": one, "b": one})
    table.put({"b": two})
    assert table.marks() == {"a": one, "b": two}
    assert table.marks(["b", "c"]) == {"b": two}


def test_what_watermarks_void_is_found_by_an_index_and_nothing_else_goes(tables: LanceTables) -> None:
    ledger = LedgerTable(tables)
    assets = [f"clip-{number}" for number in range(6)]
    ledger.record([entry(segment, asset_id=asset_id) for asset_id in assets for segment in range(2)], ())
    keys = [asset_key("acme", asset_id) for asset_id in assets]
    marks = {
        keys[0]: Retirement(deleted=version(2)),
        keys[1]: Retirement(up_to=version(2), keep=key_of("b")),
        keys[2]: Retirement(up_to=version(2), keep=key_of("a", "clip-2")),
        keys[3]: Retirement(deleted=version(0)),
    }
    tables.optimize(SEGMENTS)  # an index that covers nothing is not asked
    (clause,) = void_clauses(marks)
    table = lance.dataset(tables.location.child(f"{SEGMENTS}.lance").uri)
    plan = table.scanner(columns=["segment"], filter=clause).explain_plan(verbose=True)
    assert "ScalarIndexQuery" in plan
    assert "@asset_key_idx" in plan
    ledger.sweep(marks)
    assert sorted({item.asset_key for item in ledger.entries(keys)}) == sorted(keys[2:])
    assert len(ledger.entries(keys)) == 8
