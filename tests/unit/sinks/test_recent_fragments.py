"""Look-ups of a writer pass over fragments that it wrote and that hold none of what it asks for."""

from pathlib import Path

import pyarrow as pa

from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.recent_fragments import RecentFragments
from sinks.tables.upkeep_policy import UpkeepPolicy

SCHEMA = pa.schema([pa.field("key", pa.string()), pa.field("owner", pa.string()), pa.field("value", pa.int64())])
KEYED = Indexes(keyed=("key", "owner", "value"))


def rows(*keys: str, owner: str = "o", value: int = 0) -> pa.Table:
    found = [{"key": key, "owner": owner, "value": value} for key in keys]
    return pa.Table.from_pylist(found, schema=SCHEMA)


def filled(at: Path, *batches: pa.Table) -> LanceTables:
    tables = LanceTables(at)
    tables.ensure("t", SCHEMA, KEYED)
    for batch in batches:
        tables.append("t", batch)
    return tables


def values(tables: LanceTables) -> dict[str, int]:
    found = tables.select("t", "")
    assert found is not None
    assert len(set(found["key"].to_pylist())) == found.num_rows, "a key is there once"
    return dict(zip(found["key"].to_pylist(), found["value"].to_pylist(), strict=True))


def test_fragments_without_the_keys_are_passed_over_and_others_are_not(tmp_path: Path) -> None:
    tables = filled(tmp_path, rows("a", "b"), rows("c", owner="p"))
    table = tables.find("t")
    assert table is not None
    recent = RecentFragments(["key", "owner"])
    first, second = table.get_fragments()
    recent.wrote(table, [second.metadata], rows("c", owner="p"))
    assert recent.holding(table, ["c"]) is None, "of the first nothing is known"
    assert [item.fragment_id for item in recent.holding(table, ["a"]) or ()] == [first.fragment_id]
    assert recent.holding(table, ["a", "p"]) is None, "by any of its columns"
    recent.wrote(table, [first.metadata], rows("x"))
    assert [item.fragment_id for item in recent.holding(table, ["a"]) or ()] == [first.fragment_id], "not the last one"


def test_what_was_written_just_now_is_found_and_replaced(tmp_path: Path) -> None:
    tables = filled(tmp_path, rows("a", "b"), rows("c"), rows("d"))
    tables.exchange("t", "key", ["b", "c", "none"], rows("b", "e", value=1))
    tables.exchange("t", "key", ["b"], rows("b", value=2))
    assert values(tables) == {"a": 0, "b": 2, "d": 0, "e": 1}
    assert [row["value"] for row in tables.select_in("t", "key", ["e", "b"], ["value"])] == [1, 2]
    assert tables.select_in("t", "key", ["c"], ["value"]) == []


def test_rows_are_found_where_upkeep_has_joined_their_fragments(tmp_path: Path) -> None:
    tables = filled(tmp_path, *(rows(f"{number}") for number in range(6)))
    LanceTables(tmp_path).tend("t", UpkeepPolicy(tail_fragments=2, least_rows=4, joined_rows=4, fragment_rows=4))
    tables.append("t", rows("late"))
    tables.exchange("t", "key", ["2", "late"], rows("2", "late", value=1))
    tables.delete("t", "owner = 'o' AND value = 0", among=["o"])
    assert values(tables) == {"2": 1, "late": 1}


def test_a_column_of_numbers_tells_nothing_of_keys(tmp_path: Path) -> None:
    tables = filled(tmp_path, rows("a", value=1), rows("b", value=2))
    assert [row["key"] for row in tables.select_in("t", "owner", ["o"], ["key"])] == ["a", "b"]
    found = tables.select("t", "value = 2", ["key"])
    assert found is not None
    assert found["key"].to_pylist() == ["b"]


def test_after_an_error_nothing_is_known(tmp_path: Path) -> None:
    """Tables may have been taken back, so that numbers come again."""
    tables = filled(tmp_path, rows("a"), rows("b"))
    tables.drop("t")
    tables.ensure("t", SCHEMA, KEYED)
    other = LanceTables(tmp_path)
    other.append("t", rows("c"))
    assert [row["key"] for row in tables.select_in("t", "key", ["c"], ["key"])] == ["c"]
