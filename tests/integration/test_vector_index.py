"""The vector index: when it is due (pure), and that nothing is lost while it is built, extended, joined and dropped."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from sinks.location import Location
from sinks.query.newer_matches import NewerMatches
from sinks.query.newer_vectors import NewerVectors
from sinks.query.rankings import EXACT_ROWS, SpaceVersion
from sinks.query.remembered import Remembered
from sinks.tables import lance_tables, upkeep, vector_index
from sinks.tables.index_parts import build, fragments_of, scalar_indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.upkeep_policy import Fragment
from sinks.tables.vector_index import (
    DEFAULT_POLICY,
    IndexExtent,
    VectorIndexPolicy,
    due,
    extent_of,
    partitions,
    policy_of,
    tend,
)

POLICY = VectorIndexPolicy(from_rows=5_000, part_rows=500)
SIZE = 16


def part(number: int, *rows: int, covered: bool = True) -> list[Fragment]:
    return [Fragment(10 * number + at, count, 0, number, covered) for at, count in enumerate(rows)]


@pytest.mark.parametrize(
    ("fragments", "indexed", "wanted"),
    [
        ([*part(1, 4_000), *part(2, 999)], set(), []),
        ([*part(1, 4_000), *part(2, 1_000)], set(), [[10], [20]]),
        ([*part(1, 4_000), *part(2, 1_000)], {10}, [[20]]),
        ([*part(1, 400), *part(2, 300, 200)], {10}, [[20, 21]]),
        ([*part(1, 499), *part(2, 300, 199)], {99}, []),
        ([*part(1, 300, 200)], {10}, [[10, 11]]),
        ([*part(1, 5_000, covered=False), *part(2, 5_000)], set(), [[20]]),
    ],
)
def test_what_is_due(fragments: list[Fragment], indexed: set[int], wanted: list[list[int]]) -> None:
    found = due(fragments, indexed, POLICY)
    assert [[item.fragment_id for item in some] for some in found] == wanted


def test_tables_of_shards_have_an_index_early() -> None:
    """So that a search over all of them compares no more rows one by one."""
    assert policy_of(1) == DEFAULT_POLICY
    assert (policy_of(4).from_rows, policy_of(4).part_rows) == (25_000, 2_048)
    assert policy_of(1000).from_rows > EXACT_ROWS


def test_partitions_of_a_part_are_small_and_about_the_root_of_very_many_rows() -> None:
    assert [partitions(rows) for rows in (0, 10_240, 131_072, 1_000_000)] == [1, 40, 512, 1000]


def vectors(count: int, seed: int, drift: float = 0.0) -> npt.NDArray[np.float32]:
    """Unit vectors around fifty centres, which may lie elsewhere."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((50, SIZE))
    centres += drift
    rows = centres[random.integers(0, 50, count)] + 0.3 * random.standard_normal((count, SIZE))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def rows(count: int, seed: int, drift: float = 0.0) -> pa.Table:
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors(count, seed, drift).ravel()), SIZE)
    few = pa.array(["few" if number % 100 == 0 else "many" for number in range(count)])
    names = pa.array([f"{seed}-{number}" for number in range(count)])
    return pa.table({"moment_id": names, "content_key": names, "tenant": few, "vector": values})


def indexed(path: Path, added: pa.Table) -> dict[str, int]:
    """What upkeep builds of vectors, once these rows are a part of the other index."""
    table = lance.write_dataset(added, path, mode="append")
    build(table, [[table.get_fragments()[-1].fragment_id]])
    return tend(table, POLICY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with an index of three parts and a tail that none of them has."""
    path = tmp_path_factory.mktemp("indexed") / "table.lance"
    table = lance.write_dataset(rows(6_000, 1), path)
    table.create_scalar_index("tenant", "BITMAP")
    assert tend(table, POLICY) == {"vector": 1}
    for seed in (2, 3):
        assert indexed(path, rows(600, seed)) == {"vector": 1}
    assert indexed(path, rows(100, 4)) == {"vector": 0}
    return path


def exact(table: lance.LanceDataset, vector: npt.NDArray[np.float32], where: str, depth: int) -> set[int]:
    return {item.row for item in SpaceVersion(table).near(vector, "vector", [where], depth, exact=True)}


def test_an_index_in_parts_with_a_tail_finds_what_is_there(folder: Path) -> None:
    table = lance.dataset(folder)
    extent = extent_of(table, "vector")
    assert (extent.rows, extent.indexed, extent.parts) == (7_300, 7_200, 3)
    shares = [
        len(
            exact(table, vector, "true", 10)
            & {item.row for item in SpaceVersion(table).near(vector, "vector", ["true"], 10)}
        )
        / 10
        for vector in vectors(20, 9)
    ]
    assert np.mean(shares) >= 0.95


@pytest.mark.parametrize("own", [True, False])
def test_a_part_of_vectors_that_drifted_is_as_even_as_others(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is trained on its own rows. With centres among the rows before them a search would read most of it."""
    path, drift = tmp_path / "table.lance", 3.0
    table = lance.write_dataset(rows(6_000, 1), path)
    table.create_scalar_index("tenant", "BITMAP")
    assert tend(table, POLICY) == {"vector": 1}
    if not own:
        first = vectors(partitions(6_000), 1)
        monkeypatch.setattr(vector_index, "_centres", lambda _vectors, _count: first)
    assert indexed(path, rows(6_000, 2, drift)) == {"vector": 1}
    table = lance.dataset(path)
    stats = table.stats.index_stats("vector_idx")["indices"]
    largest = [max(item["size"] for item in part["partitions"]) / 6_000 for part in stats]
    assert len(largest) == 2
    assert (max(largest) < 0.25) == own
    version = SpaceVersion(table)
    shares = [
        len(exact(table, vector, "true", 10) & {item.row for item in version.near(vector, "vector", ["true"], 10)}) / 10
        for vector in vectors(20, 9, drift)
    ]
    assert np.mean(shares) >= 0.95


def test_rows_newer_than_the_index_are_found(folder: Path) -> None:
    table = lance.dataset(folder)
    for number, vector in enumerate(vectors(100, 4)[:5]):
        best = SpaceVersion(table).near(vector, "vector", ["true"], 1)[0]
        assert best.content_key == f"4-{number}"
        assert best.score == pytest.approx(0.0, abs=1e-5)


def test_newer_rows_are_read_once_and_follow_each_version(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.lance"
    shutil.copytree(folder, path)
    table, remembered = lance.dataset(path), Remembered()

    def names(where: str = "true") -> list[str]:
        """The 20 nearest to rows that no index covers."""
        version = SpaceVersion(table, remembered)
        near = [version.near(vector, "vector", [where], 20) for vector in vectors(100, 4)[:20]]
        true = [version.near(vector, "vector", [where], 20, exact=True) for vector in vectors(100, 4)[:20]]
        shares = [
            len({item.row for item in a} & {item.row for item in b}) / 20 for a, b in zip(near, true, strict=True)
        ]
        assert np.mean(shares) >= 0.95
        assert all([item.score for item in each] == sorted(item.score for item in each) for each in near)
        return [item.content_key for each in near for item in each]

    assert {"4-1", "4-2", "4-3"} <= set(names())
    table.delete("moment_id IN ('4-2')")
    assert "4-2" not in names()
    table.update({"tenant": "'other'"}, where="moment_id = '4-3'")
    assert "4-3" in names()
    found = set(names("tenant = 'many'"))
    assert {"4-1", "4-4"} <= found
    assert not {"4-0", "4-3"} & found
    table = lance.write_dataset(rows(50, 4), path, mode="append")
    version = SpaceVersion(table, remembered)
    assert [item.content_key for item in version.near(vectors(50, 4)[1], "vector", ["true"], 1)] == ["4-1"]
    table.optimize.optimize_indices(index_names=["vector_idx"], num_indices_to_merge=0)
    table = lance.dataset(path)
    assert "4-1" in names()
    newer = remembered.newer.of(table, "vector")
    assert newer is not None
    assert not newer.kept


class CountingTable:
    """A table that counts how often it is scanned."""

    def __init__(self, table: Any) -> None:
        self.table, self.scans = table, 0

    def scanner(self, **options: Any) -> Any:
        self.scans += 1
        return self.table.scanner(**options)


def test_answers_without_a_row_are_kept_within_bounds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.query.newer_matches._MOST_BYTES", 16 << 10)
    table = lance.write_dataset(rows(40, 1), tmp_path / "table")
    counting, matches = CountingTable(table), NewerMatches()
    for where in [*(f"moment_id = 'none-{number}'" for number in range(30)), "moment_id = 'none-0'"]:
        assert not len(matches.of(counting, table.get_fragments(), where))
    assert counting.scans == 31


@pytest.mark.parametrize("most_bytes", [1 << 20, 0])
def test_a_condition_is_asked_once_of_each_fragment(
    most_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.query.newer_matches._MOST_BYTES", most_bytes)
    for seed in range(3):
        lance.write_dataset(rows(40, seed), tmp_path / "table", mode="append")
    table, matches, scans = lance.dataset(tmp_path / "table"), NewerMatches(), []

    def asked(where: str) -> None:
        counting = CountingTable(table)
        found = matches.of(counting, table.get_fragments(), where)
        true = table.scanner(columns=[], filter=where, with_row_id=True).to_table()["_rowid"].to_pylist()
        assert found.tolist() == true
        scans.append(counting.scans)

    for where in ("moment_id > '1'", "moment_id > '1'", "moment_id > '2'", "moment_id > '1'"):
        asked(where)
    table.delete("moment_id IN ('1-2', '1-3')")
    asked("moment_id > '1'")
    asked("moment_id > '1'")
    assert scans == ([1, 0, 1, 0, 1, 0] if most_bytes else [1] * 6)


def test_newer_rows_that_are_too_many_to_keep_are_left_to_lance(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.query.newer_vectors._MOST_BYTES", 100 * SIZE * 4 - 1)
    table = lance.dataset(folder)
    assert NewerVectors().of(table, "vector") is None
    best = SpaceVersion(table).near(vectors(100, 4)[3], "vector", ["true"], 1)[0]
    assert best.content_key == "4-3"


def test_filters_that_keep_few_rows_are_answered_exactly(folder: Path) -> None:
    table = lance.dataset(folder)
    where = "tenant = 'few'"
    assert 0 < table.count_rows(where) < EXACT_ROWS
    for vector in vectors(20, 8):
        found = SpaceVersion(table).near(vector, "vector", [where], 10)
        assert {item.row for item in found} == exact(table, vector, where, 10)


def test_a_part_takes_the_place_of_those_that_it_covers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.lance"
    shutil.copytree(folder, path)
    table = lance.dataset(path)
    first, *later = [item.fragment_id for item in fragments_of(table)]
    table.delete("moment_id IN ('2-1', '3-1')")
    table.update({"tenant": "'moved'"}, where="moment_id = '3-2'")  # a fragment more, of one row
    build(table, [later])
    assert tend(table, POLICY) == {"vector": 1}
    assert tend(table, POLICY) == {"vector": 0}
    index = next(index for index in table.describe_indices() if index.field_names == ["vector"])
    assert sorted(sorted(part.fragment_ids) for part in index.segments) == [[first], later]
    for kept, asked in ((True, vectors(600, 3)[3]), (False, vectors(600, 3)[1])):
        best = SpaceVersion(table).near(asked, "vector", ["true"], 1)[0]
        assert (best.content_key in ("3-3", "3-1"), best.score < 1e-5) == (kept, kept)
    assert {item.part for item in fragments_of(table)[:-1]} != {None}
    assert list(scalar_indexes(table)) == ["tenant_idx"]


def test_parts_built_anew_hold_what_is_left_and_none_is_kept_of_nothing(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.lance"
    shutil.copytree(folder, path)
    table = lance.dataset(path)
    table.delete("moment_id LIKE '2-%' OR moment_id LIKE '1-1%'")
    upkeep.materialize_deletions(Location.of(path), nullcontext())
    table = lance.dataset(path)
    after = extent_of(table, "vector")
    assert (after.parts, after.indexed) == (1, table.count_rows())
    table.delete("true")
    upkeep.materialize_deletions(Location.of(path), nullcontext())
    table = lance.dataset(path)
    assert extent_of(table, "vector") == IndexExtent(0)
    assert [(index.name, index.num_rows_indexed) for index in table.describe_indices()] == [("tenant_idx", 0)]


@pytest.mark.parametrize("distinct", [1, 7])
def test_vectors_that_are_alike_get_an_index_too(distinct: int, tmp_path: Path) -> None:
    """A camera that sees the same all day: there are fewer clusters than partitions were asked for."""
    policy = VectorIndexPolicy(from_rows=70_000)
    seen = np.tile(vectors(distinct, 1), (policy.from_rows // distinct + 1, 1))
    values = pa.FixedSizeListArray.from_arrays(pa.array(seen.ravel()), SIZE)
    table = lance.write_dataset(pa.table({"vector": values}), tmp_path / "alike.lance")
    assert tend(table, policy) == {"vector": 1}
    assert extent_of(table, "vector").indexed == table.count_rows()
    assert tend(table, policy) == {"vector": 0}


def test_a_part_without_vectors_has_no_index_and_is_no_error(tmp_path: Path) -> None:
    none = pa.nulls(600, pa.list_(pa.float32(), SIZE))
    made = rows(600, 1)
    lance.write_dataset(made.append_column("other", none), tmp_path / "t.lance")
    table = lance.write_dataset(made.append_column("other", made["vector"]), tmp_path / "t.lance", mode="append")
    assert tend(table, VectorIndexPolicy(from_rows=1, part_rows=500)) == {"vector": 2, "other": 1}
    assert (extent_of(table, "vector").indexed, extent_of(table, "other").indexed) == (1_200, 600)
    upkeep.materialize_deletions(Location.of(tmp_path / "t.lance"), nullcontext())
    assert extent_of(lance.dataset(tmp_path / "t.lance"), "other").parts == 1


def test_old_versions_go_where_a_step_of_upkeep_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = LanceTables(tmp_path)
    tables.ensure("some", pa.schema([pa.field("name", pa.string())]))
    dropped: list[str] = []

    def failing(_table: object, _policy: object) -> None:
        raise RuntimeError("no memory for k-means")

    monkeypatch.setattr(vector_index, "tend", failing)
    monkeypatch.setattr(upkeep, "drop_versions", lambda at, **_: dropped.append(str(at)))
    monkeypatch.setattr(lance_tables, "VERSIONS_DUE", 4)
    # At first, and then only when many more have come.
    for wanted, come in ((1, 0), (1, 3), (2, 1)):
        for _ in range(come):
            tables.append("some", pa.table({"name": ["a"]}))
        with pytest.raises(RuntimeError, match="no memory"):
            tables.tend("some")
        assert dropped == [str(tmp_path / "some.lance")] * wanted


@pytest.mark.parametrize("care", ["tend", "optimize"])
def test_upkeep_builds_an_index_as_early_as_it_is_told(care: str, tmp_path: Path) -> None:
    for policy, parts in ((DEFAULT_POLICY, 0), (POLICY, 1)):
        tables = LanceTables(tmp_path / str(parts), vectors=policy)
        tables.ensure("some", rows(1, 1).schema)
        tables.append("some", rows(6_000, 1))
        getattr(tables, care)("some")
        assert extent_of(lance.dataset(tmp_path / str(parts) / "some.lance"), "vector").parts == parts


def test_a_vector_that_is_no_number_does_not_spoil_a_part(tmp_path: Path) -> None:
    found = []
    for spoiled in (None, np.inf, np.nan):
        values = vectors(6_000, 1)
        if spoiled is not None:
            values[0, 3] = spoiled
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), SIZE)
        table = lance.write_dataset(rows(6_000, 1).set_column(3, "vector", column), tmp_path / str(spoiled))
        table.create_scalar_index("tenant", "BITMAP")
        assert tend(table, POLICY) == {"vector": 1}
        near = {"column": "vector", "k": 10, "nprobes": 2, "metric": "cosine"}
        shares = []
        for vector in vectors(60, 9):
            some, true = (
                table.scanner(columns=["moment_id", "_distance"], nearest={**near, "q": vector, "use_index": use})
                .to_table()["moment_id"]
                .to_pylist()
                for use in (True, False)
            )
            shares.append(len({*some} & {*true}) / 10)
        found.append(np.mean(shares))
    assert min(found) > found[0] - 0.05
