"""Rows that no index covers are known where upkeep has moved them to, and are what is stored there."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from sinks.query.newer_vectors import NewerVectors

SIZE, ROWS = 8, 300
WHERE = "place < 40"
QUESTION = np.ones(SIZE, np.float32)


def rows(seed: int, count: int = ROWS) -> pa.Table:
    vectors = np.random.default_rng(seed).standard_normal((count, SIZE)).astype(np.float32)
    return pa.table(
        {
            "content_key": [f"{seed}-{place}" for place in range(count)],
            "place": list(range(count)),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), SIZE),
        }
    )


class Scanned:
    """A table that counts how often it is scanned."""

    def __init__(self, table: Any) -> None:
        self._table, self.scans = table, 0

    def __getattr__(self, name: str) -> Any:
        self.scans += name == "scanner"
        return getattr(self._table, name)


class Reader:
    """Looks at the newest version, each time with what it has kept."""

    def __init__(self, path: Path) -> None:
        self._path, self._kept = path, NewerVectors()

    def scans(self) -> int:
        """How often a look reads. Its answers are those of one who keeps nothing."""
        table = Scanned(lance.dataset(self._path))
        found, scans = self._answers(table, self._kept), table.scans
        fresh = self._answers(table, NewerVectors())
        assert found == fresh
        assert any(found)
        return scans

    @staticmethod
    def _answers(table: Any, kept: NewerVectors) -> list[list[tuple[int, str, float]]]:
        newer = kept.of(table, "vector")
        assert newer is not None
        return [newer.nearest(table, QUESTION, where, 2_000) for where in (None, WHERE)]


def compacted(table: Any, target_rows: int) -> None:
    # The first one has the index.
    table.optimize.compact_files(
        target_rows_per_fragment=target_rows, materialize_deletions_threshold=0.0, excluded_fragment_ids=[0]
    )


@pytest.fixture
def table(tmp_path: Path) -> Any:
    made = lance.write_dataset(rows(0), tmp_path / "moments.lance")
    made.create_index("vector", "IVF_SQ", metric="cosine", num_partitions=2, sample_rate=4)
    for seed in (1, 2, 3):
        lance.write_dataset(rows(seed), made.uri, mode="append")
    return lance.dataset(made.uri)


@pytest.mark.parametrize("target_rows", [10_000, 400])
def test_what_was_read_is_known_where_it_was_moved_to(table: Any, target_rows: int) -> None:
    reader = Reader(Path(table.uri))
    table.delete("content_key IN ('1-0', '2-7', '2-299')")
    assert reader.scans() == 2
    compacted(table, target_rows)
    assert {item.fragment_id for item in table.get_fragments()}.isdisjoint({1, 2, 3})
    assert reader.scans() == 0
    compacted(table, 20_000)
    assert reader.scans() == 0


def test_what_was_read_is_known_where_rows_are_deleted(table: Any) -> None:
    """A look then asks which rows are left, and reads no vector."""
    reader = Reader(Path(table.uri))
    reader.scans()
    for gone in ("content_key IN ('1-5', '1-299', '3-0')", "place = 7", "content_key LIKE '2-1%'"):
        table.delete(gone)
        assert reader.scans() == 1
    compacted(table, 10_000)
    table.delete("content_key = '3-1'")
    assert reader.scans() == 1


def appended(table: Any) -> None:
    lance.write_dataset(rows(4), table.uri, mode="append")


def test_what_has_come_meanwhile_is_read(table: Any) -> None:
    reader = Reader(Path(table.uri))
    reader.scans()
    appended(table)
    compacted(lance.dataset(table.uri), 10_000)
    assert reader.scans() == 2
    assert reader.scans() == 0


def test_where_the_log_is_gone_rows_are_read(table: Any) -> None:
    reader = Reader(Path(table.uri))
    reader.scans()
    compacted(table, 10_000)
    appended(table)
    table.checkout_latest()
    table.cleanup_old_versions(older_than=timedelta(0))
    # Both fragments in one look, and the condition in another.
    assert reader.scans() == 2
