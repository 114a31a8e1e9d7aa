"""Fragments that are joined while others commit: who waits for whom, and what is left where they are given up."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lance
import lance.optimize
import pyarrow as pa
import pytest

from sinks.location import Location
from sinks.tables import index_parts, joining, upkeep
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.upkeep_policy import UpkeepPolicy
from sinks.tables.vector_index import VectorIndexPolicy

KEY = pa.field("number", pa.int64())
VECTOR = pa.field("vector", pa.list_(pa.float32(), 8))
INDEXES = Indexes(keyed=("number",))
ROWS, FRAGMENTS, GONE = 20, 10, 8
POLICY = UpkeepPolicy(tail_fragments=100, joined_rows=ROWS, fragment_rows=ROWS, least_rows=ROWS * FRAGMENTS)
VECTORS = VectorIndexPolicy(from_rows=100, part_rows=100)


class Exclusive:
    """How often upkeep has let commits wait."""

    def __init__(self) -> None:
        self.taken = 0

    def __enter__(self) -> None:
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def tables(tmp_path: Path) -> LanceTables:
    return LanceTables(tmp_path, vectors=VECTORS)


def filled(tables: LanceTables, schema: pa.Schema) -> Location:
    """A table whose indexes have one part of ten fragments; of the first one, two in five rows are gone."""
    tables.ensure("t", schema, INDEXES)
    for first in range(0, FRAGMENTS * ROWS, ROWS):
        rows = [{"number": it, "vector": [1.0 + it % 7, *[1.0] * 7]} for it in range(first, first + ROWS)]
        tables.append("t", pa.Table.from_pylist(rows, schema))
    tables.tend("t", POLICY)
    at = tables.location.child("t.lance")
    found = upkeep.fragments(at)
    assert [(item.rows, item.part, item.covered) for item in found] == [(ROWS, 0, True)] * FRAGMENTS
    tables.delete("t", f"number < {GONE}")
    return at


def deleted(at: Location) -> list[int]:
    return [item.deleted for item in upkeep.fragments(at) if item.deleted]


def numbers(tables: LanceTables) -> list[int]:
    found = tables.select("t", "", ["number"])
    assert found is not None
    return sorted(found["number"].to_pylist())


@pytest.mark.parametrize(
    ("columns", "most", "waits"),
    [([KEY, VECTOR], 100, 0), ([KEY, VECTOR], 200, 1), ([KEY], 100, 1)],
    ids=["large part", "small part", "no vectors"],
)
def test_commits_wait_for_few_rows_only_where_no_large_part_is_rewritten(
    columns: Sequence[pa.Field], most: int, waits: int, tables: LanceTables
) -> None:
    at, exclusive = filled(tables, pa.schema(columns)), Exclusive()
    assert deleted(at) == [GONE]
    policy = UpkeepPolicy(tail_fragments=100, fragment_rows=ROWS, exclusive_part_rows=most)
    upkeep.tend(at, exclusive, policy, VECTORS)
    assert exclusive.taken == waits
    assert deleted(at) == [], "it was rewritten all the same"
    assert numbers(tables) == list(range(GONE, ROWS * FRAGMENTS))


def test_a_commit_goes_on_while_few_rows_of_a_large_part_are_joined(
    tables: LanceTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tables, pa.schema([KEY, VECTOR]))
    begun, committed, beside = threading.Event(), threading.Event(), []

    def held(real: Callable[..., Any]) -> Callable[..., Any]:
        def joined(*words: Any) -> Any:
            begun.set()
            beside.append(committed.wait(10))
            return real(*words)

        return joined

    for name in ("join", "join_beside"):
        monkeypatch.setattr(joining, name, held(getattr(joining, name)))
    policy = UpkeepPolicy(tail_fragments=100, fragment_rows=ROWS, exclusive_part_rows=100)
    care = threading.Thread(target=tables.tend, args=("t", policy))
    care.start()
    try:
        assert begun.wait(10)
        tables.delete("t", "number = 100")
    finally:
        committed.set()
        care.join()
    assert beside == [True], "the commit waited for the join"
    assert numbers(tables) == [it for it in range(GONE, ROWS * FRAGMENTS) if it != 100]


def test_a_join_that_is_given_up_leaves_nothing_behind(tables: LanceTables, monkeypatch: pytest.MonkeyPatch) -> None:
    at = filled(tables, pa.schema([KEY, VECTOR]))
    real = lance.optimize.Compaction

    class Late:
        """Another commit comes just before that of the join."""

        plan = staticmethod(real.plan)

        @staticmethod
        def commit(table: Any, made: Any, options: Any) -> Any:
            tables.delete("t", f"number = {GONE}")
            return real.commit(table, made, options)

    table = lance.dataset(at.uri)
    first = table.get_fragments()[0].fragment_id
    assert at.path is not None
    before = {path.name for path in (at.path / "data").iterdir()}, index_parts.folders(at)
    with monkeypatch.context() as patched:
        patched.setattr(lance.optimize, "Compaction", Late)
        assert not joining.join_beside(table, at, [first], ROWS, 0.1)
    assert ({path.name for path in (at.path / "data").iterdir()}, index_parts.folders(at)) == before
    assert len(index_parts.names(table)) == 2
    assert index_parts.names(table) <= before[1]
    # The next one finds the commit there.
    assert joining.join_beside(table, at, [first], ROWS, 0.1)
    assert deleted(at) == []
    assert numbers(tables) == list(range(GONE + 1, ROWS * FRAGMENTS))
    assert table.count_rows(f"number >= {GONE}") == ROWS * FRAGMENTS - GONE - 1
