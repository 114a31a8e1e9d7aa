"""Publishing over HTTP: kept before it is answered, within what the tenant may name, and handed on in order."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.testbed.waiting import wait_for
from stream.access.actions import AccessRole
from stream.error_codes.table import ERROR_CODES
from stream.events.asset import AssetPublished
from stream.events.tenants import TenantRegistered
from stream.service.publications.outbox import FILE
from stream.sessions.tenant_register import write_tenants
from tests.support.kept_work import KeptWork
from tests.support.service_desk import Desk, opened

FORBIDDEN = (
    "{root}/other/bus.mp4",
    "{root}/acme/../other/bus.mp4",
    "{root}/acmeme/bus.mp4",
    "{root}/acme/link/bus.mp4",
    "file://{root}/other/bus.mp4",
    "https://acme.example/other/bus.mp4",
    "https://acme.example/in/..%2fother/bus.mp4",
    "https://acme.example.evil.example/in/bus.mp4",
    "http://169.254.169.254/latest/meta-data",
    "s3://acme/bus.mp4",
    "ftp://acme.example/in/bus.mp4",
)


@pytest.fixture
def background() -> KeptWork:
    return KeptWork()


@pytest.fixture
def desk(tmp_path: Path, background: KeptWork) -> Iterator[Desk]:
    # Whose tenant is not registered publishes from `tmp_path`, as the desk allows it.
    own = tmp_path / "own"
    own.mkdir()
    mine = TenantRegistered(
        tenant="acme", projects=("news",), regions=("eu",), sources=(str(tmp_path / "acme"), "https://acme.example/in/")
    )
    write_tenants(own, [mine])
    with opened(tmp_path / "state", own, background=background) as found:
        found.give("producer", AccessRole.EDITOR)
        found.give("viewer", AccessRole.VIEWER)
        found.give("of a project", AccessRole.OPERATOR, project="other")
        found.give("stranger", AccessRole.EDITOR, "globex")
        yield found


def published(desk: Desk, uri: object, key: str | None = "producer", **rest: Any) -> httpx.Response:
    headers = rest.pop("headers", {})
    body = {"tenant": "acme", "project": "news", "uri": str(uri), **rest}
    return desk.ask("POST", "/v1/assets", key, json=body, headers=headers)


def test_it_is_kept_and_handed_on_once(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    footage = tmp_path / "acme" / "bus.mp4"  # nobody looks whether it is there
    named: dict[str, Any] = {
        "asset_id": "pilot/bus",
        "labels": {"show": "pilot"},
        "priority": "batch",
        "profile": "fast",
    }
    answers = [published(desk, footage, headers={"idempotency-key": "first"}, **named) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["asset"] == "/v1/assets/acme/pilot%2Fbus"
    (given,) = background.publications
    event = given.event()
    assert event.id == answers[0].json()["publication_id"]
    assert (event.tenant, event.project, event.region, event.source) == ("acme", "news", "eu", "api")
    assert event.data == AssetPublished(uri=str(footage), **named)
    last = desk.events()[-1]
    assert (last["message"], last["metadata"]["tenant_uid"], last["status"]) == (
        "publish: published",
        "acme",
        "Success",
    )
    assert str(tmp_path) not in json.dumps(desk.events())


def test_an_id_is_made_of_the_address_without_its_secrets(desk: Desk, background: KeptWork) -> None:
    uri = "https://acme.example/in/bus.mp4?X-Amz-Signature=secret"
    answer = published(desk, uri)
    assert (answer.status_code, "secret" in answer.text) == (202, False)
    assert background.publications[0].uri == uri


def test_what_the_tenant_may_not_name_is_refused(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "acme" / "link").symlink_to(tmp_path / "other")
    for uri in FORBIDDEN:
        answer = published(desk, uri.format(root=tmp_path))
        assert (answer.status_code, answer.json()["code"]) == (400, "source_not_allowed"), uri
        assert "bus" not in answer.text
    for uri in ("bus.mp4", "https://[", "file://host/bus.mp4", "/a\0b"):
        assert published(desk, uri).json()["code"] in {"invalid_uri", "invalid_request"}, uri
    assert background.publications == []


def test_only_who_may_publish_there_does(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    footage = tmp_path / "acme" / "bus.mp4"
    assert published(desk, footage, None).status_code == 401
    assert published(desk, footage, "viewer").status_code == 403
    assert published(desk, footage, "of a project").status_code == 403
    assert published(desk, footage, "stranger").json()["code"] == "no_such_thing"
    assert published(desk, footage, project="sports").json()["code"] == "project_not_allowed"
    assert published(desk, footage, replan=True).status_code == 422
    assert background.publications == []
    assert published(desk, tmp_path / "any.mp4", "stranger", tenant="globex").status_code == 202


def test_what_was_accepted_is_handed_on_after_a_kill(
    tmp_path: Path, desk: Desk, background: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "publish", lambda _publication, _done: None)  # and dies
    ids = [published(desk, tmp_path / "acme" / f"{n}.mp4").json()["publication_id"] for n in range(3)]
    again, copy = KeptWork(), tmp_path / "again"
    copy.mkdir()
    for file in (tmp_path / "own").glob(f"{FILE}*"):
        (copy / file.name).write_bytes(file.read_bytes())
    with opened(tmp_path / "state", copy, background=again):
        wait_for(lambda: len(again.publications) == 3, "they are handed on")
    assert [given.publication_id for given in again.publications] == ids


def test_what_cannot_be_handed_on_is_not_accepted(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    background.away = True
    answer = published(desk, tmp_path / "acme" / "bus.mp4")
    assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
    background.away = False
    assert published(desk, tmp_path / "acme" / "car.mp4").status_code == 202
    assert [given.uri.rpartition("/")[2] for given in background.publications] == ["car.mp4"]


def test_what_becomes_of_it_is_told_for_a_day(
    tmp_path: Path, desk: Desk, background: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = []
    monkeypatch.setattr(background, "publish", lambda _publication, done: finished.append(done))
    paths = [published(desk, tmp_path / "acme" / f"{n}.mp4", asset_id=f"clip {n}").json()["status"] for n in range(2)]

    def told(path: str, key: str = "producer") -> dict[str, Any]:
        found: dict[str, Any] = desk.get(path, key).json()
        return found

    assert [told(path)["state"] for path in paths] == ["waiting", "waiting"]
    finished[0](None)
    finished[1]("invalid_uri")
    assert [told(path)["state"] for path in paths] == ["handed_on", "refused"]
    assert told(paths[1])["code"] == "invalid_uri"
    assert ERROR_CODES["invalid_uri"].advice in told(paths[1])["reason"]
    for key in ("of a project", "stranger"):
        assert told(paths[1], key)["code"] == "no_such_thing"
    page = desk.get("/assets?tenant=acme", "producer").text
    assert "clip 1" in page
    assert "invalid_uri" in page
    assert "clip 0" not in page
    page_of_others = desk.get("/assets?tenant=acme", "viewer")
    assert (page_of_others.status_code, "clip 1" in page_of_others.text) == (200, False)
    desk.clock.advance(25 * 3_600.0)
    desk.give("producer", AccessRole.EDITOR, days=3)
    page = desk.get("/assets?tenant=acme", "producer")
    assert (page.status_code, "clip 1" in page.text) == (200, False)
    assert told(paths[1])["code"] == "no_such_thing"


def test_without_workers_nothing_is_published(tmp_path: Path) -> None:
    with opened(tmp_path / "state", tmp_path / "own") as found:
        found.give("producer", AccessRole.EDITOR)
        assert published(found, tmp_path / "bus.mp4").json()["code"] == "no_workers"
