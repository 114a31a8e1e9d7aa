"""Who watches a job is told what it waits for: a renderer, moderation, room in the store, or a command."""

import json
from pathlib import Path
from typing import Any

import pytest

from stream.events.base import Event
from stream.jobs.reports import status_name
from stream.jobs.waits import SILENT_MS, at_work, held_up, left
from stream.sessions.jobs_embedded import command
from tests.support.job_office import Office

NOW_MS = 10_000_000
WHY = "renderers do other work, or none is there that can do it"
STAGES = [{"name": "draw", "done": 3, "in_work": 0, "heard_ms": None}, {"name": "film", "done": 1, "in_work": 2}]


def status(heard_ms: int = NOW_MS, **changes: Any) -> dict[str, Any]:
    stages = [STAGES[0], STAGES[1] | {"heard_ms": heard_ms}]
    return {"state": "running", "message": "", "stages": stages, "awaiting": 0, "held_up": ""} | changes


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (status(), []),
        (status(NOW_MS - SILENT_MS + 1), []),
        (
            status(NOW_MS - SILENT_MS),
            [f"nothing was heard of film since 1970-01-01 02:44:40 UTC: {WHY}"],
        ),
        (status(awaiting=1), ["1 variant waits until its finals are understood"]),
        (status(awaiting=2), ["2 variants wait until their finals are understood"]),
        (status(held_up="no other one is begun"), ["no other one is begun"]),
        (status(state="paused"), ["`rushes jobs resume` lets it go on"]),
        (status(state="budget_exhausted", message="raise the limit"), ["raise the limit"]),
        (status(NOW_MS - SILENT_MS, state="done"), []),
        # As an earlier release told it.
        ({"state": "running", "message": "", "stages": [{"name": "film", "done": 1, "in_work": 2}]}, []),
    ],
)
def test_what_a_job_waits_for_is_said(found: dict[str, Any], told: list[str]) -> None:
    assert held_up(found, NOW_MS) == told


def test_nobody_is_at_work_of_which_nothing_was_heard_for_long() -> None:
    def told(found: dict[str, Any]) -> list[int]:
        return [at_work(stage, NOW_MS) for stage in found["stages"]]

    assert told(status(NOW_MS - SILENT_MS + 1)) == [0, 2]
    assert told(status(NOW_MS - SILENT_MS)) == [0, 0]
    killed = left(status())
    assert told(killed) == [0, 0]
    assert held_up(killed, NOW_MS) == ["no process works on it: it goes on with the command that submitted it"]
    ended = status(state="done")
    assert left(ended) == ended


def test_a_coordinator_tells_when_work_was_heard_of_and_what_awaits_moderation(tmp_path: Path) -> None:
    office = Office(tmp_path, "publish: {moderation: {nsfw_below: 0.5}}")

    def shown() -> dict[str, Any]:
        told = office.store.documents.read(status_name("acme", "job"))
        return dict(json.loads(told or b""))

    asked_ms = office.clock.now_ms()
    submitted: Event[Any] = command("acme", "ads", office.submitted, 1)
    office.operator.process([submitted])
    assert shown()["stages"] == [{"name": "write", "done": 0, "in_work": 1, "heard_ms": asked_ms}]
    assert shown()["embedded"] is False
    office.clock.advance(500)
    assert held_up(shown(), office.clock.now_ms()) != []
    other = Office(tmp_path / "other", "publish: {moderation: {nsfw_below: 0.5}}")
    other.submit()
    other.clock.advance(5)
    other.operator.due()
    told = json.loads(other.store.documents.read(status_name("acme", "job")) or b"")
    assert (told["awaiting"], held_up(told, other.clock.now_ms())) == (
        2,
        ["2 variants wait until their finals are understood"],
    )
