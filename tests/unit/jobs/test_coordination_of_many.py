"""The coordinator where jobs share work, and where what is around it fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.errors import Unavailable
from stream.events.objects import Digest
from stream.jobs.coordination import Coordinator
from stream.jobs.descriptions import Descriptions
from stream.jobs.states import JobState
from tests.support.job_coordination import AskedOperators, CoordinatorBench, KeptObjects


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CoordinatorBench]:
    made = CoordinatorBench(tmp_path)
    yield made
    made.register.close()


def test_a_job_whose_work_another_one_shares_ends_with_it(bench: CoordinatorBench) -> None:
    bench.submit("same", name="a")
    bench.submit("same", name="b")
    ((_, task),) = bench.take()
    bench.end("acme", task, "failed", code="bad_image", message="no picture")
    assert {bench.job("a").state, bench.job("b").state} == {JobState.FAILED}


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_shared_work_is_asked_for_by_a_job_that_goes_on(bench: CoordinatorBench, action: str, early: bool) -> None:
    """Also in its name: workers leave alone what a canceled job asks for."""
    for name in ("a", "b") if early else ("a",):
        bench.submit("same", name=name)
    bench.take()
    bench.register.change("UPDATE task SET asked = 0")
    bench.control(action, "a")
    bench.submit("same", name="b")
    assert {task.job for task in bench.work()} == {"b"}
    assert bench.job("b").state is JobState.DONE


def test_a_store_that_does_not_answer_fails_no_variant(
    bench: CoordinatorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.submit("one")
    again = Coordinator(bench.register, Descriptions(bench.of), AskedOperators(), bench.clock)
    content = dict(bench.of("acme").content)

    def refuses(_objects: KeptObjects, _digest: Digest, _most_bytes: int) -> bytes:
        raise Unavailable("the store does not answer", code="store_unavailable")

    with monkeypatch.context() as refusing:
        refusing.setattr(KeptObjects, "read", refuses)
        with pytest.raises(Unavailable), bench.register.changing():
            again.open_variant(bench.job())
    assert (bench.job().failed, bench.of("acme").content) == (0, content)
    bench.work()
    assert bench.job().state is JobState.DONE


def test_a_defect_of_an_operator_costs_its_variant_alone(bench: CoordinatorBench) -> None:
    bench.submit("good", "defect", "fine")
    bench.work()
    job = bench.job()
    assert (job.state, job.done, job.failed) == (JobState.PARTIAL, 2, 1)
    assert [row.code for row in bench.register.variants(job.id)] == ["", "operator_defect", ""]


def test_parts_that_are_lost_leave_no_task_that_nobody_waits_for(bench: CoordinatorBench) -> None:
    bench.submit("one")
    ((_, first),) = bench.take()
    bench.end("acme", first)
    ((_, begin),) = bench.take()
    bench.end("acme", begin, parts=[{"index": 0}, {"index": 1}])
    (_, part), _ = bench.take()
    bench.register.change("UPDATE task SET asked = 0 WHERE key != ?", part.key)
    bench.end("acme", part, "lost", missing=[part.inputs["text"]])
    assert [task.stage for _, task in bench.take()] == ["first"], "the other part would be in vain"
