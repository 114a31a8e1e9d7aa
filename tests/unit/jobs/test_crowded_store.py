"""While unfinished variants have written much, no more are begun; who waits is not held up, and all of it ends."""

from pathlib import Path

from stream.events.jobs import TaskAsked
from stream.events.objects import TaskCost
from stream.jobs.reviews import AWAITED
from stream.jobs.states import JobState
from stream.jobs.turns import Turns
from tests.support.job_coordination import CoordinatorBench

MEBIBYTE = 1 << 20


def bounded(folder: Path, most_bytes: float) -> CoordinatorBench:
    bench = CoordinatorBench(folder)
    bench.turns = Turns(bench.register, bench.coordinator, 100, bench.clock, most_bytes)
    return bench


def written(bench: CoordinatorBench, task: TaskAsked, mebibytes: int) -> None:
    bench.end("acme", task, cost=TaskCost(written_bytes=mebibytes * MEBIBYTE))


def test_what_is_begun_is_finished_before_the_store_is_filled_further(tmp_path: Path) -> None:
    bench = bounded(tmp_path, 10 * MEBIBYTE)
    bench.submit("one", "two")
    first, second = (task for _, task in bench.take())
    written(bench, first, 6)
    written(bench, second, 6)
    bench.submit("three", "four", name="later")
    taken = [task for _, task in bench.take()]
    assert [task.stage for task in taken] == ["second", "second"], "of what is begun; no other variant"
    assert "have written 0.0117 GiB of at most 0.00977" in bench.turns.holds_up(bench.job("later"))
    assert bench.turns.holds_up(bench.job()) == "", "all of it is begun"
    assert bench.turns.changed_jobs() == {bench.job("later").id}
    # Somebody waits for it.
    bench.submit("now", name="quick", lane="interactive")
    assert [(job.name, task.stage) for job, task in bench.take()] == [("quick", "first")]
    for task in taken:
        written(bench, task, 0)
    delivered = [task for _, task in bench.take()]
    assert [task.stage for task in delivered] == ["deliver", "deliver"]
    written(bench, delivered[0], 0)
    # 6 MiB are left of 12.
    assert bench.turns.changed_jobs() == set()
    assert {task.job for _, task in bench.take()} == {"later"}
    assert bench.turns.holds_up(bench.job("later")) == ""
    bench.register.close()


def test_a_job_that_rests_holds_nobody_up_and_a_large_variant_ends(tmp_path: Path) -> None:
    bench = bounded(tmp_path, 10 * MEBIBYTE)
    bench.submit("one", name="large")
    ((_, task),) = bench.take()
    written(bench, task, 500)
    bench.control("pause", "large")
    bench.submit("two", name="other")
    assert {task.job for task in bench.work()} == {"other"}
    bench.control("resume", "large")
    bench.work()
    assert {bench.job("large").state, bench.job("other").state} == {JobState.DONE}
    bench.register.close()


def test_a_variant_that_waits_for_moderation_holds_nobody_up(tmp_path: Path) -> None:
    """Nobody knows for how long, and it writes nothing meanwhile."""
    bench = bounded(tmp_path, 10 * MEBIBYTE)
    bench.submit("one", name="large")
    ((_, task),) = bench.take()
    written(bench, task, 500)
    bench.submit("two", name="other")
    assert [task.job for _, task in bench.take()] == ["large"]
    assert bench.turns.holds_up(bench.job("other"))
    bench.register.tell_variant(bench.job("large").id, 0, code=AWAITED, message="")
    assert [task.job for _, task in bench.take()] == ["other"]
    assert bench.turns.holds_up(bench.job("other")) == ""
    bench.register.close()
