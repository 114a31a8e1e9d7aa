"""Indexes of a table grow by parts, which are joined now and then: answers are the same all along."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from sinks.location import Location
from sinks.tables import upkeep
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import ADDRESS, LanceTables
from sinks.tables.upkeep_policy import UpkeepPolicy

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("number", pa.int64()),
        pa.field("group", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("text", pa.string()),
    ]
)
INDEXES = Indexes(keyed=("key", "number"), grouped=("group",), listed=("labels",), worded=("text",))
POLICY = UpkeepPolicy(least_rows=10, middle_rows=60, part_rows=1000, most_parts=3)
QUESTIONS = ("number = 33", "number IN (3, 33, 63)", "\"group\" = 'b'", "array_has(labels, 'x=1')")
BATCH = 30


def rows(first: int) -> pa.Table:
    numbers = range(first, first + BATCH)
    made = [
        {
            "key": f"k{it}",
            "number": it,
            "group": "ab"[it % 2],
            "labels": [f"x={it % 3}"],
            "text": f"river number{it % 5}",
        }
        for it in numbers
    ]
    return pa.Table.from_pylist(made, schema=SCHEMA)


def test_answers_are_the_same_however_many_parts_an_index_has(tmp_path: Path) -> None:
    tables = LanceTables(tmp_path)
    tables.ensure("t", SCHEMA, INDEXES)
    most: list[int] = []
    for number in range(8):
        tables.append("t", rows(number * BATCH))
        tables.tend("t", POLICY)
        table = lance.dataset(str(Location.of(tmp_path / "t.lance")))
        parts = {index.name: len(index.segments) for index in table.describe_indices()}
        assert len(set(parts.values())) == 1
        most.append(max(parts.values()))
        assert all(index.num_rows_indexed == (number + 1) * BATCH for index in table.describe_indices())
        for question in QUESTIONS:
            found = table.scanner(filter=question, columns=["number"]).to_table()
            expected = table.scanner(filter=question, columns=["number"], use_scalar_index=False).to_table()
            assert sorted(found["number"].to_pylist()) == sorted(expected["number"].to_pylist())
        worded = table.scanner(full_text_query="number2", columns=["number"], limit=1000).to_table()
        assert sorted(worded["number"].to_pylist()) == list(range(2, (number + 1) * BATCH, 5))
    assert max(most) == 4
    assert most.count(1) > 1, "small ones were joined"


def test_parts_that_went_leave_no_folder_behind(tmp_path: Path) -> None:
    tables, folder = LanceTables(tmp_path), tmp_path / "t.lance" / "_indices"
    tables.ensure("t", SCHEMA, INDEXES)
    for number in range(4):
        tables.append("t", rows(number * BATCH))
        tables.tend("t", POLICY)
    before = len(list(folder.iterdir()))
    # As beside commits: what a killed process may have left stays.
    upkeep.drop_versions(Location.of(tmp_path / "t.lance"), older_than=timedelta(0))
    table = lance.dataset(tmp_path / "t.lance")
    standing = {str(part.uuid) for index in table.describe_indices() for part in index.segments}
    assert {path.name for path in folder.iterdir()} == standing
    assert len(standing) < before
    worded = table.scanner(full_text_query="number2", columns=["number"], limit=1000).to_table()
    assert worded.num_rows == 4 * BATCH // 5


def test_an_update_changes_what_matches_and_nothing_else(tmp_path: Path) -> None:
    tables = LanceTables(tmp_path)
    tables.ensure("t", SCHEMA, INDEXES)
    tables.append("t", rows(0))
    tables.tend("t", POLICY)
    tables.append("t", rows(BATCH))  # no index covers these yet
    tables.update("t", "number IN (3, 33, 1000)", {"group": "'c'"})
    tables.update("t", "number = 1000", {"group": "'d'"})
    found = tables.select("t", "")
    assert found is not None
    changed = {row["number"]: row["group"] for row in found.to_pylist() if row["group"] not in "ab"}
    assert changed == {3: "c", 33: "c"}
    assert sorted(found["number"].to_pylist()) == list(range(2 * BATCH))


def test_rows_that_were_moved_since_they_were_looked_up_are_replaced_all_the_same(tmp_path: Path) -> None:
    tables = LanceTables(tmp_path)
    tables.ensure("t", SCHEMA, INDEXES)
    for first in range(0, 4 * BATCH, BATCH):
        tables.append("t", rows(first))
    found = tables.select_in("t", "key", ["k7", "k50"], ["key"], addressed=True)
    tables.optimize("t")
    tables.exchange("t", "key", ["k7", "k50"], rows(1_000), [row[ADDRESS] for row in found])
    left = tables.select("t", "", ["number"])
    assert left is not None
    expected = {*range(4 * BATCH), *range(1_000, 1_000 + BATCH)} - {7, 50}
    assert sorted(left["number"].to_pylist()) == sorted(expected)


@pytest.mark.parametrize("exclusive_rows", [0, 1_000])
def test_commits_beside_upkeep_lose_nothing_and_double_nothing(exclusive_rows: int, tmp_path: Path) -> None:
    tables = LanceTables(tmp_path)
    tables.ensure("t", SCHEMA, INDEXES)
    tables.append("t", rows(0))
    policy = UpkeepPolicy(
        tail_fragments=2,
        joined_rows=64,
        fragment_rows=128,
        least_rows=1,
        middle_rows=60,
        part_rows=200,
        most_parts=3,
        deleted=0.05,
        small_fragments=2,
        exclusive_rows=exclusive_rows,
    )
    ended = threading.Event()

    def upkeep() -> int:
        rounds = 0
        while not ended.is_set():
            tables.tend("t", policy)
            rounds += 1
        return rounds

    expected = {it["number"]: it["group"] for it in rows(0).to_pylist()}
    with ThreadPoolExecutor(1) as threads:
        beside = threads.submit(upkeep)
        try:
            for first in range(BATCH, 12 * BATCH, BATCH):
                tables.append("t", rows(first))
                expected.update((it["number"], it["group"]) for it in rows(first).to_pylist())
                tables.delete("t", f"number % 10 = 3 AND number IN ({first + 3}, {first + 13}, {first - 7}, 5)")
                tables.update("t", f"number IN ({first + 1}, {first - 29})", {"group": "'c'"})
                tables.merge("t", rows(first - 10), "key")
                for number in (first + 3, first + 13, first - 7):
                    expected.pop(number, None)
                expected.update({first + 1: "c", first - 29: "c"})
                expected.update((it["number"], it["group"]) for it in rows(first - 10).to_pylist())
        finally:
            ended.set()
        assert beside.result() > 1
    found = tables.select("t", "")
    assert found is not None
    assert sorted(zip(found["number"].to_pylist(), found["group"].to_pylist(), strict=True)) == sorted(expected.items())
    tables.optimize("t")
    assert tables.count("t") == len(expected)
