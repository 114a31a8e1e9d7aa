"""The coordinator: what follows from what, with operators that are asked and never run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from stream.clock import ManualClock
from stream.errors import BadEvent, BadRequest, Fatal
from stream.events.jobs import JobControlled, JobSpec, JobSubmitted, TaskAsked, TaskEnded
from stream.events.objects import Digest, Known, LostObject, StoredFile, TaskCost, digest_of
from stream.jobs.coordination import Coordinator
from stream.jobs.descriptions import Descriptions
from stream.jobs.reading import read_values
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.states import JobState
from stream.jobs.turns import Turns

TEMPLATE = """
version: 1
name: {name}
lane: {lane}
parameters: {{mode: product, axes: {{word: [{words}]}}}}
stages:
  - {{name: first, operator: write, settings: {{text: "${{word}}"}}}}
  - {{name: second, operator: join, inputs: {{text: "stage:first"}}}}
finals: [second]
budget: {{{budget}}}
"""


class _Objects:
    def __init__(self) -> None:
        self.content: dict[Digest, bytes] = {}

    def put(self, path: Path) -> tuple[Digest, int]:
        return self.put_bytes(path.read_bytes()), path.stat().st_size

    def put_bytes(self, content: bytes) -> Digest:
        self.content[digest_of(content)] = content
        return digest_of(content)

    def has(self, digest: Digest, size: int) -> bool:
        return len(self.content.get(digest, b"")) == size

    def fetch(self, digest: Digest, scratch: Path) -> Path:
        raise LostObject(digest)

    def read(self, digest: Digest, most_bytes: int) -> bytes:
        if digest not in self.content:
            raise LostObject(digest)
        return self.content[digest]

    def known(self, key: str) -> Known | None:
        return None

    def learn(self, key: str, known: Known) -> None: ...


class _Operators:
    def version(self, operator: str) -> int:
        return 1

    def checked(
        self, operator: str, settings: Mapping[str, JsonValue], inputs: tuple[str, ...]
    ) -> dict[str, JsonValue]:
        if settings.get("text") == "bad":
            raise BadRequest("text: this word is not allowed", code="template_invalid")
        return dict(settings)

    def outputs(self, operator: str, settings: Mapping[str, JsonValue]) -> Mapping[str, str]:
        return {"out.txt": "text/plain"}

    def toolchain(self, operator: str, settings: Mapping[str, JsonValue]) -> dict[str, str]:
        return {}


class Bench:
    """A coordinator over a register in a folder, and workers that are this object's methods."""

    def __init__(self, folder: Path, slots: int = 100) -> None:
        self.clock = ManualClock()
        self.objects: dict[str, _Objects] = {}
        self.register = JobRegister(folder / "register.sqlite")
        self.coordinator = Coordinator(self.register, Descriptions(self.of), _Operators(), self.clock)
        self.turns = Turns(self.register, self.coordinator, slots)

    def of(self, tenant: str) -> _Objects:
        return self.objects.setdefault(tenant, _Objects())

    def submit(
        self, *words: str, name: str = "job", tenant: str = "acme", lane: str = "batch", budget: str = ""
    ) -> None:
        text = TEMPLATE.format(name=name, lane=lane, words=", ".join(words), budget=budget)
        values = read_values(text.encode(), "t")
        assert isinstance(values, dict)
        spec = JobSpec(tenant=tenant, project="ads", job=name, template=values)
        digest = self.of(tenant).put_bytes(spec.model_dump_json().encode())
        with self.register.changing():
            self.coordinator.submitted(tenant, "ads", JobSubmitted(job=name, spec=digest), "trace")

    def control(self, action: str, name: str = "job", tenant: str = "acme", **values: Any) -> None:
        with self.register.changing():
            data = JobControlled.model_validate({"job": name, "action": action, **values})
            self.coordinator.controlled(tenant, data)

    def take(self) -> list[tuple[JobRow, TaskAsked]]:
        with self.register.changing():
            return self.turns.take()

    def end(self, tenant: str, task: TaskAsked, outcome: str = "done", **more: Any) -> None:
        made = (stored(f"{task.key} {task.kind}"),) if outcome == "done" and "parts" not in more else ()
        facts = {"job": task.job, "variant": task.variant, "kind": task.kind, "key": task.key, "outcome": outcome}
        ended = TaskEnded.model_validate(facts | {"attempt": task.attempt, "outputs": made} | more)
        with self.register.changing():
            self.coordinator.ended(tenant, ended)

    def work(self) -> list[TaskAsked]:
        """Do all there is, whole stages at a time; what was done."""
        done = []
        while asked := self.take():
            for job, task in asked:
                self.end(job.tenant, task, cost=TaskCost(cpu_s=1.0))
                done.append(task)
        return done

    def job(self, name: str = "job", tenant: str = "acme") -> JobRow:
        found = self.register.job(tenant, name)
        assert found is not None
        return found


def stored(content: str) -> StoredFile:
    return StoredFile(name="out.txt", digest=digest_of(content.encode()), size=1, media_type="text/plain")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.register.close()


def test_a_variant_passes_its_stages_and_is_delivered(bench: Bench) -> None:
    bench.submit("one", "two")
    assert [task.stage for _, task in bench.take()] == ["first", "first"]
    assert bench.take() == [], "nothing is asked for twice"
    bench.register.change("UPDATE task SET asked = 0")
    stages = [task.stage for task in bench.work()]
    assert sorted(stages) == ["deliver", "deliver", "first", "first", "second", "second"]
    job = bench.job()
    assert (job.state, job.done, job.cpu_s) == (JobState.DONE, 2, 6.0)


def test_the_same_submission_again_is_nothing_new_and_another_one_is_refused(bench: Bench) -> None:
    bench.submit("one")
    bench.work()
    bench.submit("one")
    assert bench.work() == []
    with pytest.raises(BadEvent, match="another description"):
        bench.submit("two")


def test_an_end_that_is_told_twice_counts_once(bench: Bench) -> None:
    bench.submit("one")
    ((job, task),) = bench.take()
    for _ in range(3):
        bench.end(job.tenant, task, cost=TaskCost(cpu_s=1.0))
    assert bench.job().cpu_s == 1.0
    assert [task.stage for _, task in bench.take()] == ["second"]


def test_a_stage_in_parts_is_joined_in_their_order(bench: Bench) -> None:
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


def test_equal_work_of_two_jobs_is_done_once(bench: Bench) -> None:
    bench.submit("same", name="a")
    bench.submit("same", name="b")
    done = bench.work()
    assert sorted(task.stage for task in done) == ["deliver", "deliver", "first", "second"]
    assert {bench.job("a").state, bench.job("b").state} == {JobState.DONE}
    assert bench.job("a").cpu_s + bench.job("b").cpu_s == 4.0


def test_equal_work_of_two_tenants_is_done_twice(bench: Bench) -> None:
    """Or one would learn by time what the other has made."""
    bench.submit("same", tenant="acme")
    bench.submit("same", tenant="other")
    assert len(bench.work()) == 6


def test_a_job_that_shares_work_with_a_canceled_one_gets_it(bench: Bench) -> None:
    bench.submit("same", name="a")
    bench.submit("same", name="b")
    asked = bench.take()
    bench.control("cancel", "a")
    ((_, task),) = asked
    bench.end("acme", task, "canceled")
    bench.work()
    assert (bench.job("a").state, bench.job("b").state) == (JobState.CANCELED, JobState.DONE)


def test_a_row_that_is_wrong_fails_alone(bench: Bench) -> None:
    bench.submit("good", "bad", "fine")
    bench.work()
    job = bench.job()
    assert (job.state, job.done, job.failed) == (JobState.PARTIAL, 2, 1)
    assert [row.message for row in bench.register.variants(job.id)][1] == "text: this word is not allowed"


def test_a_failure_ends_its_variant_and_a_retry_begins_at_its_last_finished_stage(bench: Bench) -> None:
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


def test_a_late_failure_of_an_earlier_attempt_is_dropped_and_a_late_result_kept(bench: Bench) -> None:
    bench.submit("one")
    ((_, first),) = bench.take()
    bench.register.change("UPDATE task SET asked = 0")
    ((_, again),) = bench.take()
    assert (first.attempt, again.attempt) == (1, 2)
    bench.end("acme", first, "failed", code="media_child_died")
    assert bench.job().failed == 0
    bench.end("acme", first)
    assert [task.stage for _, task in bench.take()] == ["second"]


def test_what_is_lost_is_made_again_with_what_it_was_made_of(bench: Bench) -> None:
    bench.submit("one")
    ((_, first),) = bench.take()
    bench.end("acme", first)
    ((_, second),) = bench.take()
    bench.end("acme", second, "lost", missing=[second.inputs["text"]])
    assert [task.stage for task in bench.work()] == ["first", "second", "deliver"]
    assert bench.job().state is JobState.DONE


def test_what_is_lost_again_and_again_ends_with_words(bench: Bench) -> None:
    bench.submit("one")
    for _ in range(6):
        ((_, first),) = bench.take()
        bench.end("acme", first)
        ((_, second),) = bench.take()
        bench.end("acme", second, "lost", missing=[second.inputs["text"]])
    (row,) = bench.register.variants(bench.job().id)
    assert (row.state, row.code) == ("failed", "objects_lost")


def test_a_canceled_job_asks_for_nothing_more_and_says_what_it_cost(bench: Bench) -> None:
    bench.submit("one", "two")
    asked = bench.take()
    bench.control("cancel")
    for job, task in asked:
        bench.end(job.tenant, task, "canceled", cost=TaskCost(cpu_s=0.5))
    job = bench.job()
    assert (job.state, job.canceled, job.wasted_cpu_s) == (JobState.CANCELED, 2, 1.0)
    assert bench.work() == []
    assert bench.register.all("SELECT * FROM task") == []


def test_a_paused_job_finishes_what_is_in_work_and_begins_nothing(bench: Bench) -> None:
    bench.submit("one", "two")
    asked = bench.take()
    bench.control("pause")
    for job, task in asked:
        bench.end(job.tenant, task)
    assert bench.take() == []
    bench.control("resume")
    bench.work()
    assert bench.job().state is JobState.DONE


def test_a_job_stops_at_its_budget_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=1)
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


def test_who_waits_is_served_before_a_batch_and_tenants_take_turns(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=2)
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
    bench = Bench(tmp_path, slots=1)
    bench.submit("one", "two")
    assert [task.stage for task in bench.work()] == ["first", "second", "deliver"] * 2
    bench.register.close()


def test_after_a_start_what_was_asked_for_is_asked_for_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("one")
    ((_, task),) = bench.take()
    bench.register.close()
    again = Bench(tmp_path)
    again.objects = bench.objects
    assert [each.key for _, each in again.turns.asked()] == [task.key]
    with again.register.changing():
        again.turns.forget_asked()
    assert [each.key for _, each in again.take()] == [task.key]
    again.register.close()


def test_a_description_of_another_tenant_is_nobodys(bench: Bench) -> None:
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


def _asked(bench: Bench) -> list[tuple[JobRow, TaskAsked]]:
    return bench.turns.asked()
