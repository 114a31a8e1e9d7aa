"""What the recall of a vector index is measured against."""

from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from sinks.tables import vector_index


def test_the_nearest_of_all_rows_are_found_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By cosine, whatever the lengths; rows without a vector are passed over."""
    monkeypatch.setattr(vector_index, "_COMPARED_AT_ONCE", 7)
    drawn = np.random.default_rng(1)
    vectors = (drawn.normal(size=(100, 8)) * drawn.uniform(0.1, 9, size=(100, 1))).astype(np.float32)
    listed = [None if number % 10 == 9 else vector.tolist() for number, vector in enumerate(vectors)]
    column = pa.array(listed, pa.list_(pa.float32(), 8))
    table = lance.write_dataset(pa.table({"vector": column}), tmp_path / "one.lance")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    unit[9::10] = np.nan
    wanted = [set(np.argsort(-(unit @ unit[asked]))[:5].tolist()) for asked in (3, 50)]
    assert vector_index._nearest(table, "vector", vectors[[3, 50]], 5) == wanted
    assert vector_index.recall(table, "vector", 4, depth=5) == 1.0


def test_fewer_rows_than_asked_for_are_all_found(tmp_path: Path) -> None:
    column = pa.array([[1.0, 0.0], [0.0, 1.0]], pa.list_(pa.float32(), 2))
    table = lance.write_dataset(pa.table({"vector": column}), tmp_path / "one.lance")
    assert vector_index._nearest(table, "vector", np.eye(2, dtype=np.float32)[:1], 10) == [{0, 1}]
