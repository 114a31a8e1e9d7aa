"""Who is told that a job has ended: once for each outcome, in the same words, whatever fails on the way."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.events.base import Event
from stream.events.jobs import JobEnded
from stream.operators.webhook import WebhookSettings, signed
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_notices import post_notices
from tests.support.job_office import Office
from tests.support.receivers import receiving

SECRET = b"a secret of sixteen"


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
    office = Office(tmp_path, more="budget: {cpu_s: 3}")
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
