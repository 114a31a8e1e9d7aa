"""The recall of vector indexes as a scrape sees it: a mean of the last samples, asked for rarely, never fatal."""

import threading
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import CollectorRegistry

from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.observability.metrics import Metrics
from stream.operators.recall_metric import IndexRecall, Sample


class Kit:
    def __init__(self, sample: Callable[[], Iterable[Sample]], clock: ManualClock | None = None) -> None:
        self.registry = CollectorRegistry()
        self.recall = IndexRecall(Metrics(self.registry), sample, clock or ManualClock())

    def exported(self, column: str = "vector") -> float | None:
        return self.registry.get_sample_value("rushes_vector_index_recall_ratio", {"space": "s", "column": column})


def test_the_mean_of_the_last_samples_is_exported() -> None:
    shares = iter([1.0, 0.5, *[0.75] * 32])
    kit = Kit(lambda: [("s", "vector", next(shares)), ("s", "image_vector", 1.0)])
    assert kit.exported() is None
    assert kit.recall.step() == 120.0
    assert kit.exported() == 1.0
    kit.recall.step()
    assert kit.exported() == 0.75
    assert kit.exported("image_vector") == 1.0
    for _ in range(32):
        kit.recall.step()
    assert kit.exported() == 0.75


def test_a_question_that_takes_long_is_rare() -> None:
    clock = ManualClock()

    def slow() -> list[Sample]:
        clock.advance(10)
        return []

    assert Kit(slow, clock).recall.step() == 990.0


def test_a_store_that_cannot_be_read_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> list[Sample]:
        raise Unavailable("the disk reports an error", code="store_unavailable")

    kit = Kit(broken)
    assert kit.recall.step() == 120.0
    assert kit.exported() is None
    assert "store_unavailable" in caplog.text


def test_nothing_is_asked_after_the_stop() -> None:
    stop = threading.Event()
    stop.set()
    kit = Kit(lambda: [("s", "vector", 1.0)])
    kit.recall.run(stop)
    assert kit.exported() is None
