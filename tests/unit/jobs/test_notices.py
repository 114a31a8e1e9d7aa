"""Who is told that a job has ended: once for each outcome, in the same words, whatever fails on the way."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sinks.objects.store import ObjectStore
from stream.clock import ManualClock
from stream.events.base import Event
from stream.events.jobs import JobControlled, JobEnded, JobSpec, JobSubmitted, TaskAsked, TaskEnded
from stream.events.objects import StoredFile, digest_of
from stream.jobs.reading import read_values
from stream.media.catalogue import OperatorCatalogue
from stream.operators.coordinate import CoordinateOperator, Desk
from stream.operators.webhook import WebhookSettings, signed
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_notices import post_notices
from stream.sessions.jobs_embedded import command
from tests.support.media_operators import OPERATORS
from tests.support.receivers import receiving

TEMPLATE = """
version: 1
name: job
parameters: {mode: product, axes: {word: [one, two]}}
stages: [{name: write, operator: write, settings: {text: "${word}"}}]
finals: [write]
BUDGET
"""
SECRET = b"a secret of sixteen"


class Office:
    """A coordinator on a broker that keeps what it sends, and workers that finish whatever is asked."""

    def __init__(self, folder: Path, budget: str = "") -> None:
        self.clock = ManualClock()
        self.settings = JobSettings.under(folder)
        store = ObjectStore(self.settings.objects)
        desk = Desk(self.settings.register, store.of, store.documents, OperatorCatalogue(OPERATORS), slots=1)
        self.operator = CoordinateOperator(desk, self.clock)
        self.operator.open()
        values = read_values(TEMPLATE.replace("BUDGET", budget).encode(), "t")
        assert isinstance(values, dict)
        spec = JobSpec(tenant="acme", project="ads", job="job", template=values)
        self.submitted = JobSubmitted(job="job", spec=store.of("acme").put_bytes(spec.model_dump_json().encode()))

    def work(self, *events: Event[Any], outcome: str = "done") -> list[Event[JobEnded]]:
        """What was told until nothing was left to do."""
        told: list[Event[JobEnded]] = []
        waiting: Sequence[Event[Any]] = events
        while waiting:
            left: list[Event[Any]] = list(self.operator.process(waiting))
            told += [event for event in left if isinstance(event.data, JobEnded)]
            waiting = [self._ended(event, outcome) for event in left if isinstance(event.data, TaskAsked)]
        return told

    def submit(self, **options: Any) -> list[Event[JobEnded]]:
        return self.work(command("acme", "ads", self.submitted, 1), **options)

    def control(self, action: str, **values: Any) -> list[Event[JobEnded]]:
        data = JobControlled.model_validate({"job": "job", "action": action, **values})
        return self.work(command("acme", "ads", data, 1))

    def _ended(self, event: Event[TaskAsked], outcome: str) -> Event[TaskEnded]:
        self.clock.advance(1)
        task = event.data
        made = StoredFile(name="text.txt", digest=digest_of(task.key.encode()), size=1, media_type="text/plain")
        facts = {"job": task.job, "variant": task.variant, "kind": task.kind, "key": task.key, "outcome": outcome}
        cost = {"cpu_s": 2.0}
        ended = TaskEnded.model_validate(facts | {"attempt": task.attempt, "outputs": (made,), "cost": cost})
        return event.derive(ended, id=f"{task.key} {self.clock.monotonic_s()}")


def told(events: Sequence[Event[JobEnded]]) -> list[tuple[str, bytes, int]]:
    return [(event.id, event.data.to_bytes(), event.event_time_ms) for event in events]


def test_an_outcome_is_told_once_and_until_it_is_known_to_have_left(tmp_path: Path) -> None:
    office = Office(tmp_path)
    (first,) = office.submit()
    assert (first.data.state, first.data.done, first.data.variants, first.tenant) == ("done", 2, 2, "acme")
    assert not office.control("priority", priority=1), "nothing new"
    office.operator.open()  # as after a kill: whether it left is not known
    assert told(office.control("priority", priority=2)) == told([first]), "in the same words"
    assert not office.work(first), "read back from its topic"
    office.operator.open()
    assert not office.control("priority", priority=3)
    # Delivered once more with the same result, it has the same outcome.
    assert not office.control("deliver")


def test_another_outcome_is_another_notice(tmp_path: Path) -> None:
    office = Office(tmp_path)
    failed = office.submit(outcome="failed")
    done = office.control("retry")
    assert [event.data.state for event in failed + done] == ["failed", "done"]


def test_a_job_that_stops_at_its_budget_is_told_when_it_rests(tmp_path: Path) -> None:
    office = Office(tmp_path, budget="budget: {cpu_s: 3}")
    (stopped,) = office.submit()
    assert stopped.data.state == "budget_exhausted"
    (done,) = office.control("budget", cpu_s=100)
    assert done.data.state == "done"


def test_one_process_posts_what_its_last_run_could_not(tmp_path: Path) -> None:
    office = Office(tmp_path)
    (event,) = office.submit()
    office.operator.close()
    with receiving() as away:
        pass
    webhook = WebhookSettings(away.url, SECRET, allow_private_addresses=True)
    post_notices(replace(office.settings, webhook=webhook), office.clock)
    with receiving([500], port=away.port) as receiver:
        for _ in range(2):
            post_notices(replace(office.settings, webhook=webhook), office.clock)
    assert receiver.ids == [event.id]
    ((headers, body),) = receiver.taken
    assert (
        headers.items()
        >= {
            str(name): str(value)
            for name, value in signed(SECRET, event.id, int(headers["webhook-timestamp"]), body).items()
        }.items()
    )
    assert json.loads(body)["data"] == json.loads(event.data.to_bytes())


def test_a_webhook_is_a_stage_of_its_own(tmp_path: Path) -> None:
    webhook = WebhookSettings("https://example.org/told", SECRET)
    settings = replace(JobSettings.under(tmp_path), webhook=webhook)
    topology = JobPipeline(settings, ManualClock(), afresh=False).topology()
    assert topology.stage("notify").sources == ("job-endings",)
    with pytest.raises(KeyError):
        JobPipeline(JobSettings.under(tmp_path), ManualClock(), afresh=False).topology().stage("notify")
