"""The coordinator: what follows from what, with operators that are asked and never run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.errors import BadEvent, Fatal
from stream.events.jobs import JobSubmitted, TaskAsked, UrgentTaskAsked
from stream.events.objects import TaskCost
from stream.jobs.budgets import VARIANT_STOPPED
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.states import JobState
from tests.support.job_coordination import CoordinatorBench, stored


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CoordinatorBench]:
    made = CoordinatorBench(tmp_path)
    yield made
    made.register.close()


def test_a_variant_passes_its_stages_and_is_delivered(bench: CoordinatorBench) -> None:
    bench.submit("one", "two")
    assert [task.stage for _, task in bench.take()] == ["first", "first"]
    assert bench.take() == [], "nothing is asked for twice"
    bench.register.change("UPDATE task SET asked = 0")
    stages = [task.stage for task in bench.work()]
    assert sorted(stages) == ["deliver", "deliver", "first", "first", "second", "second"]
    job = bench.job()
    assert (job.state, job.done, job.cpu_s) == (JobState.DONE, 2, 6.0)


def test_the_same_submission_again_is_nothing_new_and_another_one_is_refused(bench: CoordinatorBench) -> None:
    bench.submit("one")
    bench.work()
    bench.submit("one")
    assert bench.work() == []
    with pytest.raises(BadEvent, match="another description"):
        bench.submit("two")


def test_an_end_that_is_told_twice_counts_once(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((job, task),) = bench.take()
    for _ in range(3):
        bench.end(job.tenant, task, cost=TaskCost(cpu_s=1.0))
    assert bench.job().cpu_s == 1.0
    assert [task.stage for _, task in bench.take()] == ["second"]


def test_a_stage_in_parts_is_joined_in_their_order(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((_, begin),) = bench.take()
    bench.end("acme", begin, parts=[{"index": 0}, {"index": 1}, {"index": 2}])
    parts = [task for _, task in bench.take()]
    assert [task.part for task in parts] == [{"index": 0}, {"index": 1}, {"index": 2}]
    for task in reversed(parts):
        bench.end("acme", task)
    ((_, join),) = bench.take()
    assert join.kind == "join"
    assert [part["out.txt"] for part in join.parts] == [stored(f"{task.key} part").digest for task in parts]


def test_a_part_that_follows_another_waits_for_what_that_one_wrote(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((_, begin),) = bench.take()
    follows = [{"step": 1, "follows": True}, {"step": 2, "follows": True}]
    bench.end("acme", begin, parts=[{"step": 0}, follows[0], {"apart": True}, follows[1]])
    first, apart = (task for _, task in bench.take())
    assert (first.part, first.parts, apart.part) == ({"step": 0}, (), {"apart": True})
    bench.end("acme", apart)
    assert bench.take() == []
    bench.end("acme", first)
    second, last = (task for _, task in bench.take())
    assert [second.part, last.part] == follows
    written = {task.key: {"out.txt": stored(f"{task.key} part").digest} for task in (first, second, apart, last)}
    assert (second.parts, last.parts) == ((written[first.key],), (written[apart.key],))
    bench.end("acme", last)
    bench.end("acme", second)
    ((_, join),) = bench.take()
    assert join.parts == tuple(written.values())


def test_equal_work_of_two_jobs_is_done_once(bench: CoordinatorBench) -> None:
    bench.submit("same", name="a")
    bench.submit("same", name="b")
    done = bench.work()
    assert sorted(task.stage for task in done) == ["deliver", "deliver", "first", "second"]
    assert {bench.job("a").state, bench.job("b").state} == {JobState.DONE}
    assert bench.job("a").cpu_s + bench.job("b").cpu_s == 4.0


def test_equal_work_of_two_tenants_is_done_twice(bench: CoordinatorBench) -> None:
    """Or one would learn by time what the other has made."""
    bench.submit("same", tenant="acme")
    bench.submit("same", tenant="other")
    assert len(bench.work()) == 6


def test_a_job_that_shares_work_with_a_canceled_one_gets_it(bench: CoordinatorBench) -> None:
    bench.submit("same", name="a")
    bench.submit("same", name="b")
    asked = bench.take()
    bench.control("cancel", "a")
    ((_, task),) = asked
    bench.end("acme", task, "canceled")
    bench.work()
    assert (bench.job("a").state, bench.job("b").state) == (JobState.CANCELED, JobState.DONE)


def test_a_row_that_is_wrong_fails_alone(bench: CoordinatorBench) -> None:
    bench.submit("good", "bad", "fine")
    bench.work()
    job = bench.job()
    assert (job.state, job.done, job.failed) == (JobState.PARTIAL, 2, 1)
    assert [row.message for row in bench.register.variants(job.id)][1] == "text: this word is not allowed"


def test_a_failure_ends_its_variant_and_a_retry_begins_at_its_last_finished_stage(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((_, first),) = bench.take()
    bench.end("acme", first)
    ((_, second),) = bench.take()
    bench.end("acme", second, "failed", code="bad_image", message="no picture", cost=TaskCost(cpu_s=2.0))
    job = bench.job()
    assert (job.state, job.wasted_cpu_s) == (JobState.FAILED, 2.0)
    bench.control("retry")
    assert [task.stage for task in bench.work()] == ["second", "deliver"]
    assert bench.job().state is JobState.DONE


def test_a_late_failure_of_an_earlier_attempt_is_dropped_and_a_late_result_kept(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((_, first),) = bench.take()
    bench.register.change("UPDATE task SET asked = 0")
    ((_, again),) = bench.take()
    assert (first.attempt, again.attempt) == (1, 2)
    bench.end("acme", first, "failed", code="media_child_died")
    assert bench.job().failed == 0
    bench.end("acme", first)
    assert [task.stage for _, task in bench.take()] == ["second"]


def test_what_is_lost_is_made_again_with_what_it_was_made_of(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((_, first),) = bench.take()
    bench.end("acme", first)
    ((_, second),) = bench.take()
    bench.end("acme", second, "lost", missing=[second.inputs["text"]])
    assert [task.stage for task in bench.work()] == ["first", "second", "deliver"]
    assert bench.job().state is JobState.DONE


def test_what_is_lost_again_and_again_ends_with_words(bench: CoordinatorBench) -> None:
    bench.submit("one")
    for _ in range(6):
        ((_, first),) = bench.take()
        bench.end("acme", first)
        ((_, second),) = bench.take()
        bench.end("acme", second, "lost", missing=[second.inputs["text"]])
    (row,) = bench.register.variants(bench.job().id)
    assert (row.state, row.code) == ("failed", "objects_lost")


def test_a_canceled_job_asks_for_nothing_more_and_says_what_it_cost(bench: CoordinatorBench) -> None:
    bench.submit("one", "two")
    asked = bench.take()
    bench.control("cancel")
    for job, task in asked:
        bench.end(job.tenant, task, "canceled", cost=TaskCost(cpu_s=0.5))
    job = bench.job()
    assert (job.state, job.canceled, job.wasted_cpu_s) == (JobState.CANCELED, 2, 1.0)
    assert bench.work() == []
    assert bench.register.all("SELECT * FROM task") == []


def test_a_paused_job_finishes_what_is_in_work_and_begins_nothing(bench: CoordinatorBench) -> None:
    bench.submit("one", "two")
    asked = bench.take()
    bench.control("pause")
    for job, task in asked:
        bench.end(job.tenant, task)
    assert bench.take() == []
    bench.control("resume")
    bench.work()
    assert bench.job().state is JobState.DONE


def test_a_paused_job_stays_paused_when_what_it_delivered_is_looked_at(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    bench.submit("one", "two")
    while not bench.job().done:
        ((job, task),) = bench.take()
        bench.end(job.tenant, task)
    bench.control("pause")
    bench.control("deliver")
    assert (bench.job().state, bench.job().done, bench.take()) == (JobState.PAUSED, 0, [])
    bench.control("resume")
    bench.work()
    assert (bench.job().state, bench.job().done) == (JobState.DONE, 2)
    bench.control("deliver")
    assert [task.stage for task in bench.work()] == ["deliver", "deliver"]
    bench.register.close()


def test_a_job_stops_at_its_budget_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    bench.submit("one", "two", "three", budget="cpu_s: 4")
    bench.work()
    job = bench.job()
    assert job.state is JobState.BUDGET_EXHAUSTED
    assert job.cpu_s == 4.0
    assert "rushes jobs budget" in job.message
    bench.control("budget", cpu_s=100.0)
    bench.work()
    assert (bench.job().state, bench.job().cpu_s) == (JobState.DONE, 9.0)
    bench.register.close()


def test_a_variant_stops_at_its_budget_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    bench.submit("one", "bad", budget="variant_cpu_s: 0.5")
    before = bench.work()
    (stopped, wrong) = bench.register.variants(bench.job().id)
    assert (stopped.state, stopped.code, wrong.code) == ("failed", VARIANT_STOPPED, "template_invalid")
    assert "rushes jobs budget" in stopped.message
    bench.control("retry")
    assert bench.work() == [], "without a raise it stops at once again"
    bench.control("budget", variant_cpu_s=100.0)
    after = bench.work()
    assert [task.stage for task in before + after] == ["first", "second", "deliver"], "nothing is paid for twice"
    job = bench.job()
    assert (job.state, job.done, job.failed, job.cpu_s) == (JobState.PARTIAL, 1, 1, 3.0)
    assert job.budget_cpu_s is None, "the budget of the whole job is another one"
    bench.register.close()


def test_a_raised_budget_of_variants_does_not_take_up_a_canceled_job(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    bench.submit("one", "two", budget="variant_cpu_s: 1.5")
    ((_, task),) = bench.take()
    bench.end("acme", task, cost=TaskCost(cpu_s=2.0))
    bench.control("cancel")
    assert (bench.job().failed, bench.job().canceled) == (1, 1)
    bench.control("budget", variant_cpu_s=100.0)
    assert (bench.job().state, bench.work()) == (JobState.CANCELED, [])
    bench.control("retry")
    bench.work()
    assert (bench.job().state, bench.job().done) == (JobState.DONE, 2)
    bench.register.close()


def test_within_a_lane_what_is_due_first_is_first_and_then_what_matters_more(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    for name, deadline_ms in (("whenever", None), ("late", 2_000), ("soon", 1_000), ("later", 3_000), ("any", None)):
        bench.submit(name, name=name, deadline_ms=deadline_ms)
    bench.control("priority", "any", priority=10)
    bench.control("priority", "whenever", priority=5)
    order = list(dict.fromkeys(task.job for task in bench.work()))
    assert order == ["soon", "late", "later", "any", "whenever"]
    bench.register.close()


def test_what_is_due_first_is_asked_for_again_first(bench: CoordinatorBench) -> None:
    for name, deadline_ms in (("whenever", None), ("late", 2_000), ("soon", 1_000)):
        bench.submit(name, name=name, deadline_ms=deadline_ms)
    bench.take()
    bench.turns.forget_asked()
    assert [job.name for job, _ in bench.take()] == ["soon", "late", "whenever"]


def test_who_waits_is_served_before_a_batch_and_tenants_take_turns(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=2)
    bench.submit(*(f"w{index}" for index in range(50)), name="big", tenant="large")
    assert len(bench.take()) == 2, "a batch waits in the register and not in the topic"
    bench.submit("now", name="quick", tenant="small", lane="interactive")
    assert [job.name for job, _ in bench.take()] == ["quick"]
    bench.submit("x", "y", name="other", tenant="third")
    ((job, task), *_) = [(job, task) for job, task in _asked(bench) if job.name == "big"]
    bench.end(job.tenant, task)
    assert [job.tenant for job, _ in bench.take()] == ["third"], "who has least in work is next"
    bench.register.close()


def test_what_is_begun_is_finished_before_more_is_begun(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path, slots=1)
    bench.submit("one", "two")
    assert [task.stage for task in bench.work()] == ["first", "second", "deliver"] * 2
    bench.register.close()


def test_after_a_start_what_was_asked_for_is_asked_for_again(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one")
    ((_, task),) = bench.take()
    bench.register.close()
    again = CoordinatorBench(tmp_path)
    again.objects = bench.objects
    assert [each.key for _, each in again.turns.asked()] == [task.key]
    with again.register.changing():
        again.turns.forget_asked()
    assert [each.key for _, each in again.take()] == [task.key]
    again.register.close()


def test_a_description_of_another_tenant_is_nobodys(bench: CoordinatorBench) -> None:
    bench.submit("one", tenant="acme")
    digest = bench.job().spec
    bench.of("other").content[digest] = bench.of("acme").content[digest]
    with pytest.raises(BadEvent, match="another tenant"):
        bench.coordinator.submitted("other", "ads", JobSubmitted(job="job", spec=digest), "trace")


def test_a_register_of_a_later_release_is_not_touched(tmp_path: Path) -> None:
    register = JobRegister(tmp_path / "r.sqlite")
    register.change("PRAGMA user_version = 99")
    register.close()
    with pytest.raises(Fatal, match="version 99"):
        JobRegister(tmp_path / "r.sqlite")


def test_a_file_that_is_no_register_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "r.sqlite").write_bytes(b"not a database at all, by no means" * 100)
    with pytest.raises(Fatal, match="cannot be used"):
        JobRegister(tmp_path / "r.sqlite")


def _asked(bench: CoordinatorBench) -> list[tuple[JobRow, TaskAsked]]:
    return bench.turns.asked()


def test_work_that_somebody_waits_for_leaves_by_its_own_topic(bench: CoordinatorBench) -> None:
    """A job of the batch lane may already wait for the same work."""
    bench.submit("shared", name="a")
    bench.submit("shared", "own", name="b", lane="interactive")
    bench.submit("rest", name="c", lane="batch")
    asked = {str(task.settings["text"]): type(task) for _, task in bench.take()}
    assert asked == {"shared": UrgentTaskAsked, "own": UrgentTaskAsked, "rest": TaskAsked}
