"""The coordinator as an operator: what leaves it, and what is told of jobs, whatever fails around it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sinks.objects.store import ObjectStore
from stream.clock import ManualClock
from stream.errors import BadEvent, Unavailable
from stream.events.base import Event
from stream.events.jobs import JobControlled, JobSpec, JobSubmitted, TaskAsked, TaskEnded
from stream.jobs.reading import read_values
from stream.jobs.register import JobRegister
from stream.jobs.reports import is_at_rest, status_name
from stream.jobs.watching import CancelWatch
from stream.media.catalogue import OperatorCatalogue
from stream.operators.coordinate import CoordinateOperator, Desk
from stream.sessions.jobs_embedded import command
from tests.support.job_coordination import stored
from tests.support.media_operators import OPERATORS

TEMPLATE = """
version: 1
name: job
parameters: {mode: product, axes: {word: [one, two]}}
stages: [{name: write, operator: write, settings: {text: "${word}"}}]
finals: [write]
"""


class _Documents:
    """Those of a store that can be told to refuse."""

    def __init__(self, store: ObjectStore) -> None:
        self._kept = store.documents
        self.refuses = False

    def read(self, name: str) -> bytes | None:
        return self._kept.read(name)

    def folders(self, under: str) -> list[str]:
        return self._kept.folders(under)

    def write(self, name: str, content: bytes) -> None:
        if self.refuses:
            raise Unavailable("the store does not answer", code="store_unavailable")
        self._kept.write(name, content)

    def names(self, under: str) -> Iterator[str]:
        return self._kept.names(under)


class Bench:
    def __init__(self, folder: Path, **limits: Any) -> None:
        self.clock = ManualClock()
        self.store = ObjectStore(folder / "store")
        self.documents = _Documents(self.store)
        self.register = folder / "r.sqlite"
        desk = Desk(self.register, self.store.of, self.documents, OperatorCatalogue(OPERATORS), slots=10)
        desk = replace(desk, **limits)
        self.operator = CoordinateOperator(desk, self.clock)
        self.operator.open()

    def submitted(self, job: str = "job", words: str = "one, two") -> Event:
        values = read_values(TEMPLATE.replace("one, two", words).replace("name: job", f"name: {job}").encode(), "t")
        assert isinstance(values, dict)
        spec = JobSpec(tenant="acme", project="ads", job=job, template=values)
        digest = self.store.of("acme").put_bytes(spec.model_dump_json().encode())
        return command("acme", "ads", JobSubmitted(job=job, spec=digest), 1)

    def controlled(self, action: str) -> Event:
        return command("acme", "ads", JobControlled.model_validate({"job": "job", "action": action}), 1)

    def process(self, *events: Event[Any]) -> list[TaskAsked]:
        return [event.data for event in self.operator.process(events) if isinstance(event.data, TaskAsked)]

    def end(self, task: TaskAsked, **facts: Any) -> list[TaskAsked]:
        """Some time later."""
        self.clock.advance(10)
        told = {"job": task.job, "variant": task.variant, "kind": task.kind, "key": task.key, "outcome": "done"}
        ended = TaskEnded.model_validate(told | {"attempt": task.attempt, "outputs": (stored(task.key),)} | facts)
        return self.process(Event(ended, "acme", "ads", task.job, 1))

    def status(self, job: str = "job") -> dict[str, Any]:
        return dict(json.loads(self.documents.read(status_name("acme", job)) or b"{}"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.operator.close()


def test_tasks_that_could_not_leave_leave_when_their_event_comes_again(bench: Bench) -> None:
    submitted = bench.submitted()
    bench.documents.refuses = True
    with pytest.raises(Unavailable):
        bench.process(submitted)
    bench.documents.refuses = False
    assert len(bench.process(submitted)) == 2
    assert {task.attempt for task in bench.process(submitted)} == {3}, "its end is told apart from the earlier ones"


def test_an_event_that_comes_again_asks_for_nothing_that_has_ended(bench: Bench) -> None:
    submitted = bench.submitted()
    first, second = bench.process(submitted)
    ended = TaskEnded(
        job="job", variant=first.variant, kind="begin", key=first.key, outcome="failed", code="bad_image", attempt=1
    )
    bench.process(Event(ended, "acme", "ads", "job", 1))
    assert [task.key for task in bench.process(submitted)] == [second.key]


def test_a_state_that_changes_is_told_at_once(bench: Bench) -> None:
    """Nothing more may happen for long, and workers go by it."""
    bench.process(bench.submitted())
    for action, state in (("pause", "paused"), ("cancel", "canceled")):
        bench.process(bench.controlled(action))
        assert bench.status()["state"] == state
    watch = CancelWatch(bench.documents, bench.clock)
    assert watch.canceled("acme", "job")
    bench.process(bench.controlled("retry"))
    assert bench.status()["state"] == "running"
    assert not watch.canceled("acme", "job", fresh=True)


def test_a_job_whose_description_is_gone_holds_nobody_up(bench: Bench) -> None:
    submitted = bench.submitted()
    bench.process(submitted)
    assert isinstance(submitted.data, JobSubmitted)
    bench.operator.open()  # nothing is remembered
    for path in (bench.store.of("acme").fetch(submitted.data.spec, Path()),):
        path.unlink()
    bench.clock.advance(10)
    bench.process(bench.controlled("priority"))
    assert bench.status()["variants"] == 2


def test_of_a_job_that_ended_long_ago_the_name_is_left_and_what_was_told(bench: Bench) -> None:
    submitted = bench.submitted()
    bench.process(submitted)
    bench.process(bench.controlled("cancel"))
    told = bench.status()
    bench.clock.advance(29 * 86_400)
    bench.operator.due()
    bench.process(bench.controlled("retry"))
    assert bench.status()["state"] == "running"
    bench.process(bench.controlled("cancel"))
    bench.operator.due()
    bench.clock.advance(31 * 86_400)
    assert list(bench.operator.due()) == []
    with pytest.raises(BadEvent, match="closed"):
        bench.process(bench.controlled("retry"))
    register = JobRegister(bench.register, readonly=True)
    notices = register.all("SELECT id FROM notice")
    assert bench.process(submitted) == [], "it is known, and nothing is begun"
    assert register.all("SELECT id FROM notice") == notices, "it was told of when it ended"
    assert (bench.status()["state"], bench.status()["variants"]) == (told["state"], told["variants"])
    assert [register.all(f"SELECT * FROM {table}") for table in ("variant", "finished", "need")] == [[], [], []]
    register.close()


def test_a_job_of_which_nothing_is_heard_tells_that_it_is_held_up_and_when_it_is_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=1, most_bytes=1 << 20)
    (task,) = bench.process(bench.submitted())
    bench.process(bench.submitted("other", "three, four"))
    assert bench.status("other")["held_up"] == ""
    (delivery,) = bench.end(task, cost={"written_bytes": 2 << 20})
    assert "have written" in bench.status("other")["held_up"]
    (following,) = bench.end(delivery)
    assert following.job == "job"
    assert bench.status("other")["held_up"] == ""
    bench.operator.close()


def test_a_job_rests_where_nothing_of_it_is_in_work_and_none_of_it_has_a_turn(bench: Bench) -> None:
    first, second = bench.process(bench.submitted())
    assert not is_at_rest(bench.status())
    bench.process(bench.controlled("pause"))
    assert not is_at_rest(bench.status()), "what is in work ends"
    bench.end(first)
    bench.end(second)
    assert is_at_rest(bench.status())
    bench.clock.advance(10)
    deliveries = bench.process(bench.controlled("resume"))
    assert not is_at_rest(bench.status())
    for task in deliveries:
        bench.end(task)
    assert (bench.status()["state"], is_at_rest(bench.status())) == ("done", True)
