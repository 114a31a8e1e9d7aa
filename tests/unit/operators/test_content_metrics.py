"""Metrics of stores and of what the models say, as a scrape sees them."""

import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from sinks.store_size import StoreSize
from stream.clock import ManualClock
from stream.observability.metrics import Metrics
from stream.operators.content_metrics import StoreSizes, watch_scores
from stream.pipelines.understanding import reference_topology
from tests.support.annotations import annotations


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


def test_only_the_stores_of_stages_that_run_are_measured_and_not_by_a_scrape(tmp_path: Path) -> None:
    registry, clock, stop = CollectorRegistry(), ManualClock(), threading.Event()
    stores = {"index": tmp_path / "lancedb", "parquet": tmp_path / "parquet"}
    measured = {name: StoreSize(place, name) for name, place in stores.items()}
    sizes = StoreSizes(Metrics(registry), measured, [reference_topology().stage("index")], clock)

    def reported(store: str) -> float | None:
        return registry.get_sample_value("rushes_store_bytes", {"store": store})

    assert reported("index") is None
    assert sizes.step(stop) == 60.0
    assert reported("index") == 0
    (stores["index"] / "deep").mkdir(parents=True)
    (stores["index"] / "deep" / "file").write_bytes(b"12345")
    (stores["index"] / "link").symlink_to(tmp_path)
    assert reported("index") == 0
    sizes.step(stop)
    assert reported("index") == 5 + (stores["index"] / "link").lstat().st_size
    assert reported("parquet") is None
    free = registry.get_sample_value("rushes_store_free_bytes", {"store": "index"})
    assert free is not None
    assert free > 0


def test_a_walk_that_takes_long_is_rare_and_ends_with_its_process(tmp_path: Path) -> None:
    registry, stop = CollectorRegistry(), threading.Event()
    (tmp_path / "file").write_bytes(b"12345")
    clock = Slow()
    sizes = StoreSizes(
        Metrics(registry), {"index": StoreSize(tmp_path, "index")}, [reference_topology().stage("index")], clock
    )
    assert sizes.step(stop) == 19 * Slow.walk_s
    stop.set()
    (tmp_path / "file").write_bytes(b"1234567")
    sizes.run(stop)
    assert registry.get_sample_value("rushes_store_bytes", {"store": "index"}) == 5


class Slow(ManualClock):
    """Every look at it is 100 s later."""

    walk_s = 100.0

    def monotonic_s(self) -> float:
        self.advance(self.walk_s)
        return super().monotonic_s()
