"""Budgets of variants: an estimate is reserved, who has no room waits for its own parts, and a delivery is paid."""

from pathlib import Path

from stream.events.jobs import TaskAsked
from stream.events.objects import TaskCost
from stream.jobs.budgets import VARIANT_STOPPED
from stream.jobs.states import JobState
from tests.support.job_coordination import CoordinatorBench
from tests.support.job_office import Office

PARTS = tuple({"index": index} for index in range(4))


def parts_of(bench: CoordinatorBench, limit_cpu_s: float) -> list[TaskAsked]:
    """Those that are asked for of the one variant of a job, of four; each is taken for one CPU second."""
    bench.submit("one", budget=f"variant_cpu_s: {limit_cpu_s}")
    ((_, begun),) = bench.take()
    bench.end("acme", begun, parts=PARTS)
    return [task for _, task in bench.take()]


def test_a_variant_asks_for_no_part_that_has_no_room_beside_those_in_work(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    first, second = parts_of(bench, 2.5)
    (variant,) = bench.register.variants(bench.job().id)
    assert (variant.state, variant.code) == ("running", VARIANT_STOPPED)
    assert "0.0 of its 2.5 CPU seconds, 2.0 are reserved, the next part takes about 1.0" in variant.message
    assert bench.coordinator.budgets.changed_jobs() == {bench.job().id}, "it is told"
    bench.submit("two", name="other")
    assert [job.name for job, _ in bench.take()] == ["other"], "others go on"
    # It takes less than was thought, so both of the others fit.
    bench.end("acme", first, cost=TaskCost(cpu_s=0.2))
    rest = [task for _, task in bench.take()]
    assert len(rest) == 2
    (variant,) = bench.register.variants(bench.job().id)
    assert (variant.state, variant.code, variant.message) == ("running", "", "")
    for task in (second, *rest):
        bench.end("acme", task, cost=TaskCost(cpu_s=0.2))
    ((_, join),) = bench.take()
    assert (join.kind, len(join.parts)) == ("join", 4)
    bench.register.close()


def test_a_variant_fails_before_it_takes_more_than_its_budget_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    for task in parts_of(bench, 2.5):
        bench.end("acme", task, cost=TaskCost(cpu_s=1.0))
    assert bench.take() == []
    (variant,) = bench.register.variants(bench.job().id)
    assert (variant.state, variant.code, variant.cpu_s) == ("failed", VARIANT_STOPPED, 2.0)
    assert bench.job().state is JobState.FAILED
    bench.control("budget", variant_cpu_s=100.0)
    bench.work()
    assert bench.job().state is JobState.DONE
    bench.register.close()


def test_a_raise_lets_a_variant_go_on_that_waits_for_its_parts(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    assert len(parts_of(bench, 2.5)) == 2
    bench.control("budget", variant_cpu_s=100.0)
    assert len(bench.take()) == 2
    bench.register.close()


def test_a_variant_that_waits_goes_on_where_nobody_is_at_its_parts_any_more(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    assert len(parts_of(bench, 2.5)) == 2
    with bench.register.changing():
        bench.turns.forget_asked()
    assert len(bench.take()) == 2, "as many as before"
    bench.register.close()


def test_what_another_job_waits_for_too_is_asked_for_by_that(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one", name="poor", budget="variant_cpu_s: 0.5")
    bench.submit("one", name="rich")
    bench.work()
    assert (bench.job("poor").state, bench.job("rich").state) == (JobState.FAILED, JobState.DONE)
    assert (bench.job("poor").cpu_s, bench.job("rich").cpu_s) == (0.0, 3.0)
    bench.register.close()


def test_a_delivery_needs_no_room(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one", budget="variant_cpu_s: 3")
    ((_, first),) = bench.take()
    bench.end("acme", first, cost=TaskCost(cpu_s=0.5))
    ((_, second),) = bench.take()
    bench.end("acme", second, cost=TaskCost(cpu_s=7.0))
    ((_, delivery),) = bench.take()
    bench.end("acme", delivery)
    assert (delivery.kind, bench.job().state) == ("deliver", JobState.DONE)
    bench.register.close()


def test_who_waits_for_a_job_is_told_when_its_last_variant_has_no_room(tmp_path: Path) -> None:
    office = Office(tmp_path, "budget: {variant_cpu_s: 0.5}")
    (told,) = office.submit()
    assert (told.data.state, told.data.failed) == ("failed", 2)


def test_what_a_task_takes_does_not_grow_with_its_job(tmp_path: Path) -> None:
    def steps(count: int) -> int:
        """Of SQLite, for the end of a task and what is asked for then."""
        bench = CoordinatorBench(tmp_path / str(count), slots=1)
        bench.submit(*(f"w{number}" for number in range(count)), budget="variant_cpu_s: 100")
        ((_, task),) = bench.take()
        found = 0

        def step() -> int:
            nonlocal found
            found += 1
            return 0

        bench.register.db.set_progress_handler(step, 10)
        bench.end("acme", task, cost=TaskCost(cpu_s=0.1))
        assert len(bench.take()) == 1
        bench.register.db.set_progress_handler(None, 0)
        bench.register.close()
        return found

    assert steps(2000) < 1.5 * steps(20)
