"""Signing in with a browser: what the session may, how it ends, and what other sites cannot make it do."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream.access.actions import AccessRole
from stream.access.api_keys import new_key
from stream.audit.files import event_files
from stream.identity.browser_sessions import IDLE_MS
from tests.support.service_desk import Desk, opened

OURS = {"sec-fetch-site": "same-origin"}
PAGES = Path(str(files("stream.service.page") / "templates")).glob("*.j2")
POSTED = re.compile(r'<form (?=[^>]*method="post")[^>]*action="([^"]+)"')
FORMS = {form for page in PAGES for form in POSTED.findall(page.read_text())}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, tmp_path) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("ended", AccessRole.VIEWER, days=-1)
        yield found


def sign_in(desk: Desk, key: str = "viewer", headers: dict[str, str] = OURS, **fields: str) -> httpx.Response:
    return desk.client.post("/sign-in", data={"key": desk.keys.get(key, key), **fields}, headers=headers)


def session_of(answer: httpx.Response) -> dict[str, str]:
    """The header with which a browser sends the session that it was given."""
    found = re.match(r"(\S+?=\S+?);", answer.headers["set-cookie"])
    assert found
    return {"cookie": found[1]}


def token(desk: Desk, cookie: dict[str, str]) -> str:
    found = re.search(r'name="token" value="(\w+)"', desk.client.get("/sign-in", headers=cookie).text)
    assert found
    return found[1]


@pytest.fixture
def cookie(desk: Desk) -> dict[str, str]:
    found = session_of(sign_in(desk))
    # What the client itself keeps must not stand in for what a test sends.
    desk.client.cookies.clear()
    return found


def principal(desk: Desk, headers: dict[str, str]) -> Any:
    return desk.client.get("/v1/me", headers=headers).json().get("principal")


def test_a_session_is_worth_what_its_key_is(desk: Desk, cookie: dict[str, str]) -> None:
    assert principal(desk, cookie) == "service:acme/viewer"
    assert desk.client.get("/v1/assets?tenant=acme", headers=cookie).status_code == 200
    desk.register.take("grant/acme/*/viewer/service:acme/viewer")
    assert desk.client.get("/v1/assets?tenant=acme", headers=cookie).status_code == 403
    assert "no role yet" in desk.client.get("/sign-in", headers=cookie).text
    desk.register.take("key/viewer")
    assert desk.client.get("/v1/me", headers=cookie).status_code == 401


def test_signing_in_and_out(desk: Desk) -> None:
    answer = sign_in(desk, next="/v1/me?x=y")
    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/me?x=y")
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
    cookie = session_of(answer)
    desk.client.cookies.clear()
    assert "service:acme/viewer" in desk.client.get("/sign-in", headers=cookie).text
    refused = desk.client.post("/sign-out", data={"token": "0" * 64}, headers=cookie | OURS)
    assert (refused.status_code, refused.json()["code"]) == (403, "forged_request")
    assert principal(desk, cookie)
    gone = desk.client.post("/sign-out", data={"token": token(desk, cookie)}, headers=cookie | OURS)
    assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in?over=true")
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert desk.client.get("/v1/me", headers=cookie).status_code == 401


def test_a_session_is_new_with_each_sign_in(desk: Desk, cookie: dict[str, str]) -> None:
    planted = {"cookie": "rushes=planted"}
    first = session_of(sign_in(desk, headers=OURS | planted))
    second = session_of(sign_in(desk, headers=OURS | cookie))
    desk.client.cookies.clear()
    assert len({first["cookie"], second["cookie"], cookie["cookie"], planted["cookie"]}) == 4
    assert [principal(desk, each) for each in (planted, cookie)] == [None, None]
    assert [principal(desk, each) for each in (first, second)] == ["service:acme/viewer"] * 2


def test_a_session_ends_when_nobody_uses_it(desk: Desk, cookie: dict[str, str]) -> None:
    desk.clock.advance(IDLE_MS / 1000)
    assert principal(desk, cookie) is None


def test_a_key_that_is_not_valid_tells_nothing(desk: Desk) -> None:
    answers = [sign_in(desk, key) for key in ("", "nonsense", new_key(), "ended", "\x00", "ä")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}],
)
def test_another_site_signs_nobody_in(desk: Desk, headers: dict[str, str]) -> None:
    answer = sign_in(desk, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forged_request")
    assert "set-cookie" not in answer.headers
    assert desk.events()[-1]["message"] == "request: sent by another site"


def test_another_site_changes_nothing_with_the_cookie(desk: Desk, cookie: dict[str, str]) -> None:
    known = {"x-csrf-token": token(desk, cookie)}
    for headers, status in (
        (cookie, 403),
        (cookie | OURS, 403),
        (cookie | known, 403),
        (cookie | known | {"sec-fetch-site": "same-site"}, 403),
        (cookie | OURS | {"x-csrf-token": "0" * 64}, 403),
        # No route takes these methods there: the guard let them through.
        (cookie | OURS | known, 405),
        (cookie | {"authorization": f"Bearer {desk.keys['viewer']}"}, 405),
    ):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert desk.client.request(method, "/v1/me", headers=headers).status_code == status, headers


def test_every_form_of_the_page_takes_the_token_of_its_session_and_nothing_less(
    desk: Desk, cookie: dict[str, str]
) -> None:
    known, foreign = {"token": token(desk, cookie)}, "This did not come from a page of this service."
    cross_site = {"sec-fetch-site": "cross-site"}
    assert {"/access/narrow", "/saved-searches/forget"} < FORMS
    # The last ends the session.
    for form in (*sorted(FORMS - {"/sign-in", "/sign-out"}), "/sign-out"):
        for headers, fields in ((OURS, {"name": "x"}), (OURS, {"token": "0" * 64}), (cross_site, known), ({}, known)):
            refused = desk.client.post(form, data=fields, headers=cookie | headers)
            assert (refused.status_code, foreign in refused.text) == (403, True), form
        taken = desk.client.post(form, data=known, headers=cookie | OURS)
        # What it lacks or may not do it is told by its route.
        assert foreign not in taken.text, form


def test_another_site_reads_nothing_with_the_cookie(desk: Desk, cookie: dict[str, str]) -> None:
    fetch = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert desk.client.get("/v1/me", headers=cookie | fetch).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert desk.client.get("/v1/me", headers=cookie | link).status_code == 200


def test_nobody_is_sent_elsewhere(desk: Desk) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert sign_in(desk, next=target).headers["location"] == "/sign-in"
        assert "evil.example" not in desk.client.get("/sign-in", params={"next": target}).text
    page = desk.client.get("/sign-in", params={"next": '/"><script>alert(1)</script>'}).text
    assert "<script>" not in page


def test_the_page_loads_nothing_and_is_framed_by_nobody(desk: Desk) -> None:
    answer = desk.client.get("/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    # Or a browser would send `Origin: null` with our own forms.
    assert answer.headers["referrer-policy"] == "same-origin"


def test_forms_are_bounded(desk: Desk) -> None:
    assert sign_in(desk, "x" * 9_000).status_code == 413
    assert desk.client.post("/sign-in", json={}, headers=OURS).status_code == 415
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"&" * 100, b"\xff=1", b"novalue"):
        assert desk.client.post("/sign-in", content=body, headers=OURS | kind).status_code == 400


def test_sign_ins_are_in_the_trail(desk: Desk, cookie: dict[str, str]) -> None:
    sign_in(desk, "nonsense")
    desk.client.post("/sign-out", data={"token": token(desk, cookie)}, headers=cookie | OURS)
    events = desk.events()
    assert [(event["class_uid"], event["message"], event["status"]) for event in events] == [
        (3002, "sign-in: signed in", "Admitted"),
        (3002, "sign-in: signed in", "Success"),
        (3002, "sign-in: signed in", "Denied"),
        (3002, "sign-out: signed out", "Admitted"),
        (3002, "sign-out: signed out", "Success"),
    ]
    assert [event["user"]["uid"] for event in events[1:4]] == [
        "service:acme/viewer",
        "anonymous",
        "service:acme/viewer",
    ]
    text = b"".join(path.read_bytes() for path in event_files(desk.trail)).decode()
    assert desk.keys["viewer"] not in text
    assert cookie["cookie"].partition("=")[2] not in text


def test_with_tls_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    with opened(tmp_path, tmp_path, public_url="https://search.example.com") as desk:
        # Behind a proxy nobody is the administrator of the machine.
        assert desk.client.get("/v1/me").status_code == 401
        desk.give("viewer", AccessRole.VIEWER)
        answer = sign_in(desk, headers={"origin": "https://search.example.com"})
        assert re.fullmatch(
            r"__Host-rushes=\S{43}; Path=/; HttpOnly; SameSite=Lax; Secure", answer.headers["set-cookie"]
        )
        assert principal(desk, session_of(answer)) == "service:acme/viewer"
        assert sign_in(desk, headers={"origin": "http://127.0.0.1"}).status_code == 403
