"""Indexes of a table grow by parts, which are joined now and then: answers are the same all along."""

from pathlib import Path

import lance
import pyarrow as pa

from sinks.location import Location
from sinks.tables.lance_tables import Indexes, LanceTables
from sinks.tables.upkeep_policy import UpkeepPolicy

SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64()),
        pa.field("group", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("text", pa.string()),
    ]
)
INDEXES = Indexes(keyed=("number",), grouped=("group",), listed=("labels",), worded=("text",))
POLICY = UpkeepPolicy(growth=0.0, least_rows=10, index_parts=3)
QUESTIONS = ("number = 33", "number IN (3, 33, 63)", "\"group\" = 'b'", "array_has(labels, 'x=1')")
BATCH = 30


def rows(first: int) -> pa.Table:
    numbers = range(first, first + BATCH)
    made = [
        {"number": it, "group": "ab"[it % 2], "labels": [f"x={it % 3}"], "text": f"river number{it % 5}"}
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
    assert max(most) == POLICY.index_parts
    assert most.count(1) > 1, "they were joined"


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
