"""Metrics of stores and of what the models say, as a scrape sees them."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from stream.metrics import Metrics
from stream.pipelines.content_metrics import watch_scores, watch_stores
from stream.pipelines.understanding import reference_topology
from tests.annotations import annotations


def test_scores_and_footage_of_a_cell_are_counted() -> None:
    registry = CollectorRegistry()
    cell = annotations()
    watch_scores(Metrics(registry), cell)
    tagged = [tags for tags in cell.rows["tags"].to_pylist() if tags]
    judged = [score for score in cell.rows["moderation_nsfw"].to_pylist() if score is not None]
    assert tagged
    assert judged
    for model, sums in (("tagger", [max(tag["score"] for tag in tags) for tags in tagged]), ("moderator", judged)):
        assert registry.get_sample_value("rushes_model_score_ratio_count", {"model": model}) == len(sums)
        found = registry.get_sample_value("rushes_model_score_ratio_sum", {"model": model})
        assert found is not None
        assert abs(found - sum(sums)) < 1e-6
    seconds = (cell.header.end_ns - cell.header.start_ns) / 1e9
    assert registry.get_sample_value("rushes_annotated_video_seconds_total") == seconds


def test_only_the_stores_of_stages_that_run_are_measured_and_at_every_scrape(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    stores = {"index": tmp_path / "lancedb", "parquet": tmp_path / "parquet"}
    watch_stores(Metrics(registry), stores, [reference_topology().stage("index")])

    def told(store: str) -> float | None:
        return registry.get_sample_value("rushes_store_bytes", {"store": store})

    assert told("index") == 0
    (stores["index"] / "deep").mkdir(parents=True)
    (stores["index"] / "deep" / "file").write_bytes(b"12345")
    assert told("index") == 5
    assert told("parquet") is None
    free = registry.get_sample_value("rushes_store_free_bytes", {"store": "index"})
    assert free is not None
    assert free > 0
