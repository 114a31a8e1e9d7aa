"""A report that never comes holds nothing up: the ledger is asked, then the task is asked for again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.events.jobs import TaskAsked, TaskContinued
from stream.events.objects import Known, TaskCost
from stream.jobs.register import JobRow
from stream.jobs.sweep import MOST, Sweep
from tests.support.job_coordination import CoordinatorBench, KeptObjects, stored

LOST_S = 100.0


class LedgerObjects(KeptObjects):
    """With a ledger that a test writes."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: dict[str, Known] = {}
        self.looks = 0

    def known(self, key: str) -> Known | None:
        self.looks += 1
        return self.ledger.get(key)


class SweepBench(CoordinatorBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ledgers = {"acme": LedgerObjects()}
        self.objects.update(self.ledgers)
        self._sweep = Sweep(self.register, self.coordinator, self.turns, self.of, lost_after_s=LOST_S, clock=self.clock)

    def sweep(self, after_s: float) -> list[tuple[JobRow, TaskAsked]]:
        self.clock.advance(after_s)
        with self.register.changing():
            return self._sweep.run()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SweepBench]:
    made = SweepBench(tmp_path)
    yield made
    made.register.close()


def test_what_the_ledger_knows_is_not_done_again(bench: SweepBench) -> None:
    bench.submit("one")
    ((_, task),) = bench.take()
    known = Known(outputs=(stored("made"),), cost=TaskCost(cpu_s=2.0), made_ms=bench.clock.now_ms())
    bench.ledgers["acme"].ledger[task.key] = known
    assert bench.sweep(LOST_S - 1) == []
    assert bench.ledgers["acme"].looks == 0, "nobody is asked before it is time"
    assert bench.sweep(1) == []
    assert bench.job().cpu_s == 2.0
    assert [each.stage for _, each in bench.take()] == ["second"]
    bench.end("acme", task, cost=TaskCost(cpu_s=2.0))  # its own report comes after all
    assert bench.job().cpu_s == 2.0


def test_what_nobody_knows_is_asked_for_again_and_ever_less_often(bench: SweepBench) -> None:
    bench.submit("one")
    ((_, task),) = bench.take()
    ((_, again),) = bench.sweep(LOST_S)
    assert (again.key, again.attempt) == (task.key, task.attempt + 1)
    assert bench.sweep(2 * LOST_S - 1) == []
    assert [each.attempt for _, each in bench.sweep(1)] == [3]
    bench.end("acme", task)
    assert [each.stage for _, each in bench.take()] == ["second"], "a late result is as good as any"


def test_what_somebody_is_at_is_not_lost(bench: SweepBench) -> None:
    bench.submit("one")
    ((_, task),) = bench.take()
    for _ in range(5):
        assert bench.sweep(LOST_S - 1) == []
        with bench.register.changing():
            bench.coordinator.continued("acme", TaskContinued(job="job", key=task.key, share=0.5))
    assert [each.key for _, each in bench.sweep(LOST_S)] == [task.key]


def test_a_task_that_nobody_waits_for_gives_its_place_back(bench: SweepBench) -> None:
    bench.submit("one")
    bench.take()
    bench.control("cancel")
    assert bench.sweep(LOST_S) == []
    assert bench.register.all("SELECT * FROM task") == []


def test_a_sweep_is_bounded(bench: SweepBench) -> None:
    bench.submit(*(f"word{number}" for number in range(MOST + 10)))
    assert len(bench.take()) == MOST + 10
    assert len(bench.sweep(LOST_S)) == MOST
    assert len(bench.sweep(0)) == 10
