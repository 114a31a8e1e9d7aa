"""Finals as footage of their own: published once each, and delivered when moderation does not object."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stream.errors import BadRequest
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.events.jobs import TaskAsked
from stream.jobs.reports import is_at_rest, status_name, variants_name
from stream.jobs.reviews import Verdict
from stream.jobs.template import Template
from tests.support.job_office import TEMPLATE, Office

POLICY = "publish: {moderation: {nsfw_below: 0.5}}"


def published(office: Office) -> list[Event[AssetPublished]]:
    return [event for event in office.left if isinstance(event.data, AssetPublished)]


def delivered(office: Office) -> list[TaskAsked]:
    return [event.data for event in office.left if isinstance(event.data, TaskAsked) and event.data.kind == "deliver"]


def rows(office: Office) -> list[dict[str, Any]]:
    return list(json.loads(office.store.documents.read(variants_name("acme", "job")) or b"[]"))


def status(office: Office) -> dict[str, Any]:
    return dict(json.loads(office.store.documents.read(status_name("acme", "job")) or b"{}"))


def judge(office: Office, *scores: float | None, fault: str = "") -> None:
    for event, score in zip(published(office), scores, strict=False):
        office.verdicts.given[event.data.identity()] = Verdict(score, fault)


def told(events: Sequence[Event[Any]]) -> set[tuple[str, bytes, int]]:
    return {(event.id, event.data.to_bytes(), event.event_time_ms) for event in events}


def test_finals_wait_for_their_verdict_and_what_is_objected_to_is_held_back(tmp_path: Path) -> None:
    office = Office(tmp_path, more=POLICY)
    assert not office.submit()
    first, second = published(office)
    assert first.data.labels["job_id"] == "job"
    assert {first.data.labels["variant_id"], second.data.labels["variant_id"]} == {row["id"] for row in rows(office)}
    assert first.data.uri.startswith("file://")
    assert not office.look(), "nothing is known yet"
    assert not delivered(office)
    judge(office, 0.2, 0.9)
    (blocked,) = office.look()
    assert (blocked.data.state, blocked.data.done, blocked.data.blocked) == ("blocked", 1, 1)
    (task,) = delivered(office)
    assert task.settings["moderation"] == {"nsfw_below": 0.5, "nsfw": {"write/text.txt": 0.2}, "released": False}
    held = rows(office)[1]
    assert (held["state"], held["code"]) == ("blocked", "moderation_blocked")
    assert "scores 0.9, and the template takes less than 0.5" in held["message"]
    (digest,) = held["held"]
    assert second.data.uri.endswith(digest.removeprefix("sha256:")[2:]), "what a release delivers has to stay"
    assert "held" not in rows(office)[0]
    (done,) = office.control("release", variant=held["id"])
    assert (done.data.state, done.data.done, done.data.blocked) == ("done", 2, 0)
    assert delivered(office)[-1].settings["moderation"] == {
        "nsfw_below": 0.5,
        "nsfw": {"write/text.txt": pytest.approx(0.9)},
        "released": True,
    }


@pytest.mark.parametrize(
    ("score", "fault", "words"),
    [(None, "", "has no score"), (0.1, "parts of it are missing", "could not be looked at as a whole")],
)
def test_what_nobody_could_look_at_is_held_back(tmp_path: Path, score: float | None, fault: str, words: str) -> None:
    office = Office(tmp_path, more=POLICY)
    office.submit()
    judge(office, score, score, fault=fault)
    (ended,) = office.look()
    assert ended.data.blocked == 2
    assert all(words in row["message"] for row in rows(office))


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "application/octet-stream"])
def test_what_no_moderation_sees_is_held_back_until_somebody_has_looked_at_it(tmp_path: Path, media_type: str) -> None:
    office = Office(tmp_path, more=POLICY)
    office.media_type = media_type
    (ended,) = office.submit()
    assert (ended.data.state, ended.data.blocked) == ("blocked", 2)
    assert not published(office) and not delivered(office)
    first, _ = rows(office)
    assert "write/text.txt is no film, and nothing moderates it" in first["message"]
    office.control("release", variant=first["id"])
    (task,) = delivered(office)
    told = {"nsfw_below": 0.5, "nsfw": {}, "released": True, "not_moderated": ["write/text.txt"]}
    assert task.settings["moderation"] == told


@pytest.mark.parametrize("media_type", ["text/vtt", "audio/mp4", "application/json", "application/dash+xml"])
def test_what_shows_nothing_is_delivered(tmp_path: Path, media_type: str) -> None:
    office = Office(tmp_path, more=POLICY)
    office.media_type = media_type
    (done,) = office.submit()
    assert done.data.state == "done" and len(delivered(office)) == 2


def test_a_final_is_one_asset_whoever_made_it_and_is_published_under_one_id(tmp_path: Path) -> None:
    office = Office(tmp_path, more=POLICY)
    office.content = b"the same film"
    office.submit()
    assert len(published(office)) == 1
    before = told(published(office))
    office.operator.open()  # as after a kill: whether it left is not known
    office.control("priority", priority=1)
    assert len(published(office)) == 2
    assert told(published(office)) == before, "the same event once more"
    office.control("priority", priority=2)
    assert len(published(office)) == 2
    judge(office, 0.0)
    (done,) = office.look()
    assert done.data.done == 2


def test_without_a_policy_nothing_waits(tmp_path: Path) -> None:
    office = Office(tmp_path, more="publish: {understand: true}")
    (done,) = office.submit()
    assert done.data.state == "done"
    assert len(published(office)) == 2


def test_who_does_not_wait_releases_early_and_a_cancel_ends_the_wait(tmp_path: Path) -> None:
    office = Office(tmp_path, more=POLICY)
    office.submit()
    first, second = rows(office)
    assert first["code"] == "moderation_awaited"
    assert is_at_rest(status(office)), "a verdict comes, or a command"
    office.control("release", variant=first["id"])
    assert len(delivered(office)) == 1
    office.look()
    assert (status(office)["done"], is_at_rest(status(office))) == (1, True)
    (canceled,) = office.control("cancel")
    assert (canceled.data.state, canceled.data.done, canceled.data.canceled) == ("canceled", 1, 1)
    judge(office, 0.0, 0.0)
    assert not office.look()
    assert rows(office)[1]["state"] == "canceled", second["id"]


def test_a_policy_that_objects_to_nothing_or_everything_is_refused() -> None:
    for policy in ("{nsfw_below: 0}", "{nsfw_below: 1.5}", "{}", "{nsfw_above: 0.5}"):
        with pytest.raises(BadRequest, match="moderation"):
            Template.read(TEMPLATE.replace("MORE", f"publish: {{moderation: {policy}}}").encode())
