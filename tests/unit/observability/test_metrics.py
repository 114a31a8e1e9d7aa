"""Metrics are named by the house rule, registered once, and documented from the same definitions."""

import pytest
from prometheus_client import CollectorRegistry

from stream.observability.metrics import DEFINITIONS, WORKER_DEFINITIONS, Metrics, StageMetrics, markdown_table

UNITS = (
    "_seconds",
    "_total",
    "_bytes",
    "_records",
    "_workers",
    "_per_second",
    "_replicas",
    "_partitions",
    "_assets",
    "_ratio",
)


def test_names_are_unique_and_end_in_their_unit() -> None:
    names = [definition.name for definition in DEFINITIONS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("rushes_") and name.endswith(UNITS) for name in names)
    assert all((it.kind == "counter") == it.name.endswith("_total") for it in DEFINITIONS)


def test_every_definition_of_a_worker_is_registered() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    registered = {family.name for family in registry.collect()}
    assert registered == {definition.name.removesuffix("_total") for definition in WORKER_DEFINITIONS}


def test_two_registries_do_not_meet() -> None:
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.records.labels("plan", "done").inc()
    assert second.registry.get_sample_value("rushes_records_total", {"stage": "plan", "outcome": "done"}) is None
    assert first.registry.get_sample_value("rushes_records_total", {"stage": "plan", "outcome": "done"}) == 1


def test_the_timings_of_all_workers_of_a_stage_are_added() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    first, second, other = (StageMetrics(metrics, stage) for stage in ("plan", "plan", "decode"))
    for worker, seconds in ((first, 0.0005), (second, 0.001), (second, 0.02), (second, 1000.0), (other, 0.002)):
        worker.processing.observe(seconds)

    def counted(stage: str, bound: str) -> float | None:
        return registry.get_sample_value("rushes_processing_seconds_bucket", {"stage": stage, "le": bound})

    assert [counted("plan", bound) for bound in ("0.001", "0.01", "0.03", "300.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert [counted("decode", bound) for bound in ("0.001", "0.003", "+Inf")] == [0, 1, 1]
    assert registry.get_sample_value("rushes_processing_seconds_count", {"stage": "plan"}) == 4
    assert registry.get_sample_value("rushes_processing_seconds_sum", {"stage": "plan"}) == pytest.approx(1000.0215)


def test_the_table_has_a_row_for_each() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(DEFINITIONS)
    for definition in DEFINITIONS:
        assert any(f"`{definition.name}`" in line and definition.help in line for line in lines)
