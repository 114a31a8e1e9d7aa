"""An answer names its events: who reports a problem can be helped from the trail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.access.actions import AccessRole
from tests.support.service_desk import Desk, opened


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path / "state", tmp_path) as found:
        found.give("viewer", AccessRole.VIEWER)
        yield found


def told(desk: Desk, uid: str) -> list[str]:
    return [event["status"] for event in desk.events() if event["metadata"]["correlation_uid"] == uid]


def test_an_answer_names_its_events(desk: Desk) -> None:
    form = {"origin": str(desk.client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    answers = [
        (desk.get("/v1/assets", tenant="acme"), ["Admitted", "Success"]),
        (desk.get("/v1/assets/acme/none"), ["Admitted", "Failure"]),
        (desk.get("/v1/audit/events"), ["Denied"]),
        (desk.get("/v1/assets", None, tenant="acme"), ["Denied"]),
        (desk.ask("POST", "/sign-in", None, data={"key": "rsk_no"}), ["Denied"]),
        (desk.ask("POST", "/sign-in", None, data={"key": desk.keys["viewer"]}, headers=form), ["Admitted", "Success"]),
    ]
    named = [answer.headers["x-request-id"] for answer, _ in answers]
    assert len(set(named)) == len(named)
    assert [told(desk, uid) for uid in named] == [found for _, found in answers]


def test_a_page_of_several_accesses_names_each(desk: Desk) -> None:
    named = desk.get("/assets", tenant="acme").headers["x-request-id"].split(", ")
    assert [told(desk, uid) for uid in named] == [["Admitted", "Success"]] * 2


def test_what_is_no_access_has_no_id(desk: Desk) -> None:
    for path in ("/healthz", "/openapi.json", "/nowhere"):
        assert "x-request-id" not in desk.client.get(path).headers
