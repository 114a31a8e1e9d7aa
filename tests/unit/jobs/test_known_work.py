"""What the ledger knows of a job is taken by the coordinator itself: no worker is asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.events.jobs import TaskAsked
from stream.events.objects import Known
from stream.jobs import known_work
from stream.jobs.register import JobRegister
from stream.jobs.states import JobState
from tests.support.job_coordination import CoordinatorBench, stored

SLICE = 5
WORDS = [f"word{number}" for number in range(SLICE + 6)]


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_work, "SLICE", SLICE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CoordinatorBench]:
    made = CoordinatorBench(tmp_path / "first", slots=2)
    yield made
    made.register.close()


def anew(bench: CoordinatorBench, folder: Path, slots: int = 2) -> CoordinatorBench:
    """A coordinator whose register was lost, over the objects of another one."""
    made = CoordinatorBench(folder, slots)
    made.objects = bench.objects
    return made


def work(bench: CoordinatorBench) -> list[TaskAsked]:
    """Do all there is; what was computed. Workers look into the ledger before they begin."""
    computed = []
    while (asked := bench.take()) or bench.turns.going_on():
        for job, task in asked:
            objects = bench.of(job.tenant)
            known = objects.known(task.key) or (objects.known(task.stage_key) if task.kind == "begin" else None)
            if known is None:
                computed.append(task)
                known = Known(outputs=(stored(f"{task.key} {task.kind}"),))
                objects.learn(task.key, known)
                objects.learn(task.stage_key, known)
                bench.end(job.tenant, task, outputs=known.outputs)
            else:
                bench.end(job.tenant, task, outputs=known.outputs, reused=True)
    return computed


def test_a_lost_register_costs_a_few_tasks_and_no_work(bench: CoordinatorBench, tmp_path: Path) -> None:
    bench.submit(*WORDS)
    assert len(work(bench)) == 3 * len(WORDS)
    assert bench.of("acme").asked == [], "of a job of which nothing is known, nothing is looked up"
    outcome = [(row.id, row.manifest) for row in bench.register.variants(1)]

    second = anew(bench, tmp_path / "second")
    second.submit(*WORDS)
    assert work(second) == []
    job = second.job()
    assert (job.state, job.done, job.computed, job.reused) == (JobState.DONE, len(WORDS), 0, 3 * len(WORDS))
    assert [(row.id, row.manifest) for row in second.register.variants(1)] == outcome
    looked_up = len(set(bench.of("acme").asked))
    assert looked_up >= 2 * (len(WORDS) - 4), "workers are asked for the first few alone"
    second.register.close()


def test_what_is_not_known_is_made_beside_what_is(bench: CoordinatorBench, tmp_path: Path) -> None:
    bench.submit(*WORDS[:4])
    work(bench)
    second = anew(bench, tmp_path / "second")
    second.submit(*WORDS, name="larger")
    made = work(second)
    stages = [task.stage for task in made]
    fresh = len(WORDS) - 4
    assert (stages.count("first"), stages.count("second"), stages.count("deliver")) == (fresh, fresh, len(WORDS))
    assert second.job("larger").done == len(WORDS)
    second.register.close()


def test_a_slice_is_a_transaction_and_others_come_between(bench: CoordinatorBench, tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(3 * SLICE)]
    bench.submit(*words)
    work(bench)
    slots = SLICE + 2
    second = anew(bench, tmp_path / "second", slots)
    second.submit(*words)
    waiting, going_on = [], []
    for _ in range(4):
        for job, task in second.take():
            known = bench.of("acme").ledger[task.key]
            second.end(job.tenant, task, outputs=known.outputs, reused=True)
        waiting.append(second.job().waiting)
        going_on.append([each.name for each in second.turns.going_on()])
    # The workers' three stages of the first variants, then as many as are looked up together.
    rest = len(words) - slots
    assert waiting == [rest, rest, rest, rest - SLICE]
    assert going_on == [[], [], [], ["job"]]
    second.control("pause")
    assert second.take() == [] and second.turns.going_on() == []
    second.register.close()


def test_a_register_says_how_many_wait(tmp_path: Path, bench: CoordinatorBench) -> None:
    bench.submit("one", "two", "three", "four")
    bench.take()
    read = JobRegister(tmp_path / "first" / "register.sqlite", readonly=True)
    assert read.waiting(1) == bench.job().waiting == 2
    read.close()
