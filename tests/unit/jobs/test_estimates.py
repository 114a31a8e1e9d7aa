"""Estimates of jobs: learned from what work took, scaled by its size, and honest where nothing was measured."""

from pathlib import Path

import pytest

from stream.events.jobs import JobSpec
from stream.events.objects import TaskCost
from stream.jobs.descriptions import Description
from stream.jobs.estimates import ASSUMED_CPU_S, ASSUMED_FACTOR, MEGAPIXEL, TASK, Rate, RateKind, Rates
from stream.jobs.examination import examined
from stream.jobs.forecast import Forecast, forecast
from stream.jobs.reading import read_values
from tests.support.job_coordination import AskedOperators, CoordinatorBench

TEMPLATE = """
version: 1
name: job
parameters: {mode: product, axes: {size: [10, 30], word: [one, two]}}
stages:
  - {name: draw, operator: draw, settings: {megapixels: "${size}"}}
  - {name: name, operator: name, inputs: {picture: "stage:draw"}, settings: {text: "${word}"}}
finals: [name]
"""


def rate(kind: RateKind, cpu_s: float, tasks: int = 5, unit: str = MEGAPIXEL) -> Rate:
    return Rate("draw", kind, unit, tasks, cpu_s, 0.0, cpu_s, 100.0)


def expected(rates: Rates) -> Forecast:
    values = read_values(TEMPLATE.encode(), "t")
    assert isinstance(values, dict)
    spec = JobSpec(tenant="acme", project="ads", job="job", template=values)
    described = Description.of(spec)
    return forecast(described, examined(described, AskedOperators()), rates)


def test_what_was_never_measured_is_assumed_and_says_so() -> None:
    (draw, name, delivery) = expected(Rates()).stages
    assert (draw.estimate.tasks, draw.estimate.cpu_s) == (0, 40 * ASSUMED_CPU_S[MEGAPIXEL])
    assert draw.estimate.high_cpu_s == draw.estimate.cpu_s * ASSUMED_FACTOR
    # The size of what is named is that of what was drawn.
    assert name.estimate.cpu_s == 80 * ASSUMED_CPU_S[MEGAPIXEL]
    assert delivery.estimate.cpu_s == 0


def test_equal_work_is_counted_once() -> None:
    assert [stage.computed for stage in expected(Rates()).stages] == [2, 4, 4]


def test_what_was_measured_small_says_what_large_takes() -> None:
    (draw, _, _) = expected(Rates([rate("whole", 0.5)])).stages
    assert draw.estimate.cpu_s == pytest.approx((10 + 30) * 0.5)
    assert draw.estimate.low_cpu_s < draw.estimate.cpu_s < draw.estimate.high_cpu_s
    assert draw.estimate.tasks == 5


def test_a_stage_in_parts_is_its_division_its_parts_and_their_joining() -> None:
    rates = Rates([rate("divide", 0.01), rate("part", 0.5, tasks=20), rate("join", 0.1)])
    assert rates.stage("draw", 10.0).cpu_s == pytest.approx(10 * 0.61)
    by_task = Rates([rate("divide", 0.01, unit=TASK), rate("part", 0.5, 20, TASK), rate("join", 0.1, unit=TASK)])
    assert by_task.stage("draw", None).cpu_s == pytest.approx(0.01 + 4 * 0.5 + 0.1)


def test_the_newest_tasks_weigh_most_and_the_first_ones_alike() -> None:
    found = Rate("draw", "whole", TASK, 0, 0.0, 0.0, 0.0, 0.0)
    for cpu_s in (1.0, 3.0):
        found = found.with_task(cpu_s, cpu_s, 0.0)
    assert (found.cpu_s, found.tasks, found.cpu_variance) == (2.0, 2, 1.0)
    for _ in range(50):
        found = found.with_task(10.0, 10.0, 0.0)
    assert found.cpu_s == pytest.approx(10.0, rel=0.01)


def test_a_coordinator_learns_and_reserves_what_it_learned(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one")
    ((_, task),) = bench.take()
    bench.end("acme", task, cost=TaskCost(cpu_s=7.0, wall_s=8.0, written_bytes=90))
    bench.submit("two", name="other")
    bench.take()
    learned = Rate("write", "whole", TASK, 1, 7.0, 0.0, 8.0, 90.0)
    assert bench.register.rates("write") == [learned]
    assert bench.job("other").reserved_cpu_s == 7.0
    bench.register.close()


def test_what_was_known_already_or_failed_teaches_nothing(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one", "two")
    (first, second) = [task for _, task in bench.take()]
    bench.end("acme", first, reused=True)
    bench.end("acme", second, "failed", code="bad", message="bad", cost=TaskCost(cpu_s=99.0))
    assert bench.register.rates() == []
    bench.register.close()
