"""Recall is sampled of what searches answer, against every moment, in whichever shard has a vector index."""

from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from sinks.layout import Layout
from sinks.query.rankings import EXACT_ROWS, Candidate
from sinks.query.recall import RecallSampler, found_share, recall_of
from sinks.schema import SPACE_SCHEMA
from sinks.tables.names import SPACES, moments_table
from sinks.tables.vector_index import VectorIndexPolicy, extent_of, tend
from stream.clock import ManualClock
from stream.events.annotations import Space
from stream.observability.metrics import Metrics
from stream.operators.recall_metric import IndexRecall
from stream.sessions.stage_process import recall_samples

TOY = Space(name="toy", digest="0123456789abcdef", dimensions=16, spec="toy")
ROWS = EXACT_ROWS + 1_000
POLICY = VectorIndexPolicy(from_rows=EXACT_ROWS, part_rows=1_000)


def fill(folder: Path, seed: int) -> Path:
    """The tables that a sampler reads, with random moments that show."""
    vectors = np.random.default_rng(seed).standard_normal((ROWS, TOY.dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = {
        "content_key": pa.array([f"{row}" for row in range(ROWS)]),
        "visible": pa.array([True] * ROWS),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), TOY.dimensions),
    }
    path = folder / f"{moments_table(TOY.key)}.lance"
    lance.write_dataset(pa.table(rows), path)
    space = {"key": TOY.key, "space": TOY.model_dump_json()}
    lance.write_dataset(pa.Table.from_pylist([space], schema=SPACE_SCHEMA), folder / f"{SPACES}.lance")
    return path


def test_a_store_without_a_vector_index_has_no_recall(tmp_path: Path) -> None:
    assert RecallSampler(tmp_path / "missing").samples() == []
    fill(tmp_path, 1)
    assert RecallSampler(tmp_path).samples() == []


def test_an_index_finds_nearly_all_of_what_is_nearest(tmp_path: Path) -> None:
    tend(lance.dataset(fill(tmp_path, 1)), POLICY)
    sampler = RecallSampler(tmp_path, seed=7)
    samples = [item for _ in range(8) for item in sampler.samples()]
    assert {(item.space, item.column) for item in samples} == {(TOY.key, "vector")}
    assert np.mean([item.share for item in samples]) >= 0.9


def test_a_scrape_sees_what_an_index_finds(tmp_path: Path) -> None:
    tend(lance.dataset(fill(tmp_path, 1)), POLICY)
    registry = CollectorRegistry()
    exported = IndexRecall(Metrics(registry), lambda: recall_samples(RecallSampler(tmp_path, seed=7)), ManualClock())
    for _ in range(4):
        exported.step()
    labels = {"space": TOY.key, "column": "vector"}
    assert 0.9 <= (registry.get_sample_value("rushes_vector_index_recall_ratio", labels) or 0) <= 1


def test_an_index_of_which_no_row_is_left_has_no_recall(tmp_path: Path) -> None:
    """Upkeep has not come yet, and the process goes on."""
    table = lance.dataset(fill(tmp_path, 1))
    tend(table, POLICY)
    table.delete("true")
    assert extent_of(table, "vector").parts > 0
    assert RecallSampler(tmp_path).samples() == []


def test_an_index_that_finds_little_has_a_low_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = lance.dataset(fill(tmp_path, 1))
    table.create_index("vector", "IVF_SQ", metric="cosine", num_partitions=64, sample_rate=4)
    # One partition of many is too few to find what is nearest.
    monkeypatch.setattr("sinks.query.rankings.LEAST_PROBES", 1)
    vectors = table.take(list(range(0, ROWS, 500)), columns=["vector"])["vector"].to_pylist()
    assert np.mean([recall_of(lance.dataset(table.uri), "vector", vector) for vector in vectors]) < 0.9


def test_only_shards_with_an_index_are_asked(tmp_path: Path) -> None:
    layout = Layout(Layout.of(tmp_path).root, 3)
    layout.write()
    paths = []
    for number, place in enumerate(layout.places[:2]):
        place.directory.mkdir()
        paths.append(fill(place.directory, number))
    tend(lance.dataset(paths[1]), POLICY)
    sampler = RecallSampler(tmp_path, seed=7)
    assert all(len(sampler.samples()) == 1 for _ in range(5))


@pytest.mark.parametrize(
    ("exact", "found", "share"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], 1.0),
        ([0.1, 0.2, 0.2], [0.2, 0.2, 0.4], 2 / 3),
        ([], [], 1.0),
        ([0.1], [], 0.0),
    ],
)
def test_what_is_as_near_as_the_last_counts(exact: list[float], found: list[float], share: float) -> None:
    near = [[Candidate(row, "", score) for row, score in enumerate(scores)] for scores in (exact, found)]
    assert found_share(*near) == share
