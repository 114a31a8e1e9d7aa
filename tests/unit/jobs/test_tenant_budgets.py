"""Budgets of tenants: all jobs of a tenant stop at a part's edge, others go on, and a raise pays nothing twice."""

from pathlib import Path
from typing import Any

from stream.events.jobs import TenantBudgeted
from stream.events.objects import TaskCost
from stream.jobs.budgets import TENANT_STOPPED
from stream.jobs.states import JobState
from stream.sessions.jobs_embedded import command
from tests.support.job_coordination import CoordinatorBench
from tests.support.job_office import Office


def budget(bench: CoordinatorBench, tenant: str = "acme", **data: Any) -> None:
    with bench.register.changing():
        bench.coordinator.budgeted(tenant, TenantBudgeted(**{"limited": True} | data))


def test_jobs_of_a_tenant_stop_together_and_go_on_when_it_is_raised(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    budget(bench, cpu_s=4.0)
    for name in ("first", "other"):
        bench.submit("one", name, name=name)
    bench.submit("one", name="strange", tenant="beta")
    bench.work()
    jobs = [bench.job("first"), bench.job("other")]
    assert {(job.state, job.code) for job in jobs} == {(JobState.BUDGET_EXHAUSTED, TENANT_STOPPED)}
    assert all("rushes jobs tenant-budget" in job.message for job in jobs)
    assert sum(job.cpu_s for job in jobs) == 4.0
    assert bench.coordinator.budgets.tenant("acme").told() == {
        "tenant": "acme",
        "cpu_s": 4.0,
        "used_cpu_s": 4.0,
        "reserved_cpu_s": 0.0,
        "since_ms": 0,
    }
    assert bench.job("strange", "beta").state is JobState.DONE, "tenants have nothing to do with each other"
    budget(bench, cpu_s=100.0)
    done = [(task.job, task.key) for task in bench.work()]
    assert {bench.job(name).state for name in ("first", "other")} == {JobState.DONE}
    assert len(done) == len(set(done)) == 8, "12 tasks in all, of which 4 were done"
    assert bench.coordinator.budgets.tenant("acme").used_cpu_s == 12.0
    bench.register.close()


def test_a_budget_reserves_what_is_in_work(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    # One task tells what the next ones will take.
    bench.submit("zero", name="before")
    bench.work()
    before = bench.coordinator.budgets.tenant("acme").used_cpu_s
    budget(bench, cpu_s=before + 2.5)
    bench.submit("one", "two", "three", name="job")
    asked = bench.take()
    assert len(asked) == 2, "two of about one CPU second each are reserved"
    assert bench.coordinator.budgets.tenant("acme").reserved_cpu_s == 2.0
    assert bench.job().state is JobState.BUDGET_EXHAUSTED
    # The first takes less than its estimate, so there is room after all.
    bench.end("acme", asked[0][1], cost=TaskCost(cpu_s=0.25))
    assert (bench.job().state, len(bench.take())) == (JobState.RUNNING, 1)
    bench.register.close()


def test_a_restart_counts_from_now_on_and_once(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    budget(bench, cpu_s=1.0)
    bench.submit("one", "two")
    bench.work()
    assert bench.job().state is JobState.BUDGET_EXHAUSTED
    budget(bench, cpu_s=1.0, restart_ms=1000)
    bench.work()
    budget(bench, cpu_s=1.0, restart_ms=1000)
    found = bench.coordinator.budgets.tenant("acme")
    assert (found.used_cpu_s, found.since_ms) == (2.0, 1000), "the same event again forgets nothing"
    budget(bench, limited=False)
    bench.work()
    assert bench.job().state is JobState.DONE
    bench.register.close()


def test_what_nobody_works_on_any_more_reserves_nothing(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    budget(bench, cpu_s=100.0)
    bench.submit("one")
    bench.take()
    assert bench.coordinator.budgets.tenant("acme").reserved_cpu_s > 0
    with bench.register.changing():
        bench.turns.forget_asked()
    assert bench.coordinator.budgets.tenant("acme").reserved_cpu_s == 0
    bench.register.close()


def test_who_waits_for_a_job_is_told_when_its_tenant_has_no_room_and_when_it_goes_on(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.work(command("acme", "default", TenantBudgeted(limited=True, cpu_s=3), 1))
    (stopped,) = office.submit()
    assert stopped.data.state == "budget_exhausted"
    told = office.store.documents.read("budgets/acme.json")
    assert told is not None and b'"used_cpu_s": 4.0' in told
    (done,) = office.work(command("acme", "default", TenantBudgeted(limited=True, cpu_s=100), 2))
    assert done.data.state == "done"
