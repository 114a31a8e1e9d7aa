"""The service over a store of two tenants: who gets what, what is written of it, and what strangers are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.access.actions import AccessRole, Action
from stream.access.api_keys import new_key
from stream.audit.files import CHECKPOINTS, event_files
from stream.audit.keys import read_key, secret_of
from stream.audit.verification import verify
from stream.audit.wanted import WantedEvents
from tests.support.service_desk import TENANTS, Desk, opened, two_tenants
from tests.support.service_routes import ROUTES, filled, routes_of


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of each tenant."""
    return two_tenants(tmp_path_factory.mktemp("service"))


@pytest.fixture
def desk(stores: Path, tmp_path: Path) -> Iterator[Desk]:
    with opened(stores, tmp_path) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("stranger", AccessRole.ADMIN, "globex")
        found.give("auditor", AccessRole.AUDITOR)
        found.give("other project", AccessRole.VIEWER, project="another")
        found.give("ended", AccessRole.VIEWER, days=-1)
        found.give("revoked", AccessRole.VIEWER)
        found.register.take("key/revoked")
        yield found


OPEN = {"/healthz", "/metrics", "/openapi.json"}


def test_no_route_answers_without_a_key_that_is_valid_now(desk: Desk) -> None:
    document = desk.client.get("/openapi.json").json()
    assert set(routes_of(document)) == set(ROUTES)
    for (method, route), asked in ROUTES.items():
        for key in (None, "nonsense", "rsk_", new_key(), "ended", "revoked", desk.keys["viewer"][:-1] + "!"):
            answer = desk.ask(method, filled(route), key, **asked.rest)
            assert answer.status_code == 401, (method, route, key)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            assert method == "head" or answer.json()["code"] == "unauthenticated_request"


def test_a_role_that_does_not_do_this_is_told_so(desk: Desk) -> None:
    for (method, route), asked in ROUTES.items():
        if asked.action is not None:
            # Auditors see no footage, and nobody else sees the trail.
            key = "viewer" if asked.action is Action.READ_AUDIT else "auditor"
            answer = desk.ask(method, filled(route), key, **asked.rest)
            assert answer.status_code == 403, (method, route)
            assert method == "head" or answer.json()["code"] == "forbidden"
            assert desk.events()[-1]["status"] == "Denied"


def test_a_search_finds_what_is_of_the_caller(desk: Desk) -> None:
    for key, tenant in (("viewer", "acme"), ("stranger", "globex")):
        answer = desk.get("/v1/search", key, q="red", group="moment").json()
        assert {hit["tenant"] for hit in answer["hits"]} == {tenant}
        assert "uri" not in answer["hits"][0]
        picture = desk.get(answer["hits"][0]["thumbnail"], key)
        assert picture.content.startswith(b"\xff\xd8")
        assert picture.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert desk.get("/v1/search", "other project", q="red").json()["hits"] == []
    assert desk.get("/v1/search", "viewer", q="red", tenant="globex").json()["hits"] == []


def test_what_is_anothers_looks_as_if_it_were_not_there(desk: Desk) -> None:
    hit = desk.get("/v1/search", "viewer", q="red", group="moment").json()["hits"][0]
    theirs, nobodys = hit["moment_ids"][0], "0" * 32
    for key in ("stranger", "other project"):
        pictures = [desk.get(hit["thumbnail"].replace(theirs, name), key) for name in (theirs, nobodys)]
        assert [answer.status_code for answer in pictures] == [404, 404]
        assert pictures[0].content == pictures[1].content
        likes = [desk.get("/v1/search", key, like=name) for name in (theirs, nobodys)]
        assert [answer.status_code for answer in likes] == [400, 400]
        assert likes[0].text.replace(theirs, nobodys) == likes[1].text
    assert desk.get("/v1/search", "viewer", like=theirs).status_code == 200
    assert (
        desk.get("/v1/assets", "stranger", tenant="acme").json()
        == desk.get("/v1/assets", "stranger", tenant="nobody").json()
    )


def test_assets_are_those_of_the_callers_projects(desk: Desk) -> None:
    (asset,) = desk.get("/v1/assets", tenant="acme").json()["assets"]
    assert (asset["tenant"], asset["status"], asset["searchable"]) == ("acme", "ready", True)
    assert desk.get("/v1/assets", tenant="acme", project="another").json() == {"assets": [], "next": None}
    assert desk.get("/v1/assets", "other project", tenant="acme").json() == {"assets": [], "next": None}


def test_a_caller_is_told_why(desk: Desk) -> None:
    me = desk.get("/v1/me").json()
    assert (me["principal"], me["everywhere"]) == ("service:acme/viewer", False)
    assert me["actions"]["search"] == [{"tenant": "acme", "project": None}]
    assert me["actions"]["delete"] == []
    decision = desk.get("/v1/me/decision", action="search", tenant="acme", project="x").json()
    assert decision["allowed"]
    assert decision["reasons"][0]["text"] == "is viewer, given by os:root"
    assert not desk.get("/v1/me/decision", action="delete", tenant="acme", project="x").json()["allowed"]


def test_a_role_that_is_taken_is_gone_with_the_next_request(desk: Desk) -> None:
    assert desk.get("/v1/search", q="red").status_code == 200
    desk.register.take("grant/acme/*/viewer/service:acme/viewer")
    assert desk.get("/v1/search", q="red").status_code == 403


def test_every_request_is_in_the_trail_with_its_end(desk: Desk) -> None:
    desk.get("/v1/search", q="a secret yellow submarine")
    desk.get("/v1/search", like="0" * 32)
    desk.get("/v1/assets", tenant="acme")
    desk.get("/v1/search", None, q="red")
    desk.get("/v1/moments/x/thumbnail", space="hash")
    events = desk.events()
    assert [(event["message"], event["status"], event.get("status_code")) for event in events] == [
        ("search: searched", "Admitted", None),
        ("search: searched", "Success", None),
        ("search: searched", "Admitted", None),
        ("search: searched", "Failure", "unknown_moment"),
        ("assets: listed", "Admitted", None),
        ("assets: listed", "Success", None),
        ("search: searched", "Denied", "unauthenticated_request"),
        ("thumbnail: previewed", "Admitted", None),
        ("thumbnail: previewed", "Failure", "no_such_thing"),
    ]
    assert [event["actor"]["user"]["uid"] for event in events[5:7]] == ["service:acme/viewer", "anonymous"]
    assert events[1]["count"] == 1
    assert events[0]["actor"]["session"]["uid"] == "viewer"
    text = b"".join(path.read_bytes() for path in event_files(desk.trail))
    assert b"submarine" not in text
    assert all(key.encode() not in text for key in desk.keys.values())


def test_the_trail_says_of_which_asset_and_whose_a_moment_is(desk: Desk) -> None:
    hit = desk.get("/v1/search", q="red", group="moment").json()["hits"][0]
    desk.get(hit["thumbnail"])
    desk.get(f"/v1/moments/{hit['moment_ids'][0]}")
    desk.get(hit["asset"])
    assert "/" in hit["asset_id"]  # a path, as its producer gave no id
    named = [each for each in desk.events() if WantedEvents(read_secret(desk), about=hit["asset_id"])(each)]
    assert [(each["message"], each["status"], each["metadata"]["tenant_uid"]) for each in named] == [
        ("thumbnail: previewed", "Success", "acme"),
        ("moment: viewed", "Success", "acme"),
        ("asset: viewed", "Admitted", "acme"),
        ("asset: viewed", "Success", "acme"),
    ]
    assert ".mp4" not in str(desk.events())


def read_secret(desk: Desk) -> bytes:
    return secret_of(read_key(desk.trail.with_name("audit.key")))


def test_the_trail_ends_with_a_checkpoint(stores: Path, tmp_path: Path) -> None:
    with opened(stores, tmp_path) as found:
        found.get("/v1/me", None)
        found.get("/v1/assets", None, tenant="acme")
        trail = found.trail
    report = verify(trail, read_key(trail.with_name("audit.key")).verifier)
    assert report.holds
    assert (report.events, report.checkpoints) == (2, 1)
    assert (trail / CHECKPOINTS).exists()


def test_nothing_is_answered_that_is_not_in_the_trail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = desk.get("/v1/search", q="red")
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    assert answer.headers["retry-after"]
    assert str(desk.trail) not in answer.text
    assert desk.client.get("/healthz").status_code == 200
    monkeypatch.undo()
    assert desk.get("/v1/search", q="red").status_code == 200


def test_a_machine_that_nobody_set_up_has_one_administrator(stores: Path, tmp_path: Path) -> None:
    with opened(stores, tmp_path) as found:
        answer = found.get("/v1/search", None, q="red").json()
        assert {hit["tenant"] for hit in answer["hits"]} == set(TENANTS)
        assert found.get("/v1/me", None).json()["principal"] == "local:admin"
        for headers in (
            {"host": "evil.example:8080"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            refused = found.client.get("/v1/me", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        found.give("viewer", AccessRole.VIEWER)
        assert found.get("/v1/me", None).status_code == 401
        assert found.get("/v1/me").status_code == 200


def test_others_reach_no_administrator(stores: Path, tmp_path: Path) -> None:
    with opened(stores, tmp_path, host="0.0.0.0") as found:
        assert found.get("/v1/me", None).status_code == 401


def test_every_answer_has_its_headers_and_every_error_one_shape(desk: Desk) -> None:
    for path, query, status in (
        ("/v1/search", {"q": "red"}, 200),
        ("/v1/search", {}, 400),
        ("/v1/search", {"q": "  "}, 400),
        ("/v1/search", {"q": "red", "label": "nothing"}, 400),
        ("/v1/search", {"q": "red", "from": 3, "to": 2}, 400),
        ("/v1/search", {"q": "red", "space": "unknown"}, 400),
        ("/v1/search", {"q": "red", "limit": 0}, 422),
        ("/v1/search", {"q": "red", "limit": "many"}, 422),
        ("/v1/search", {"q": "red", "unknown": 1}, 422),
        ("/v1/search", {"q": "x" * 4_001}, 422),
        ("/v1/assets", {}, 422),
        ("/nowhere", {}, 404),
        ("/healthz", {}, 200),
    ):
        answer = desk.get(path, **query)
        assert answer.status_code == status, (path, query, answer.text)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        kept = "private, no-cache" if (path, status) == ("/v1/search", 200) else "no-store"
        assert answer.headers["cache-control"] == kept
        assert "server" not in answer.headers
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "code"} <= set(answer.json())
    refused = desk.client.put("/v1/search")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    assert desk.client.post("/v1/assets/acme/a%2Fb/media").headers["allow"] == "GET, HEAD"


def test_a_defect_tells_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret yellow submarine")

    monkeypatch.setattr("stream.search.application.Search.answer", broken)
    answer = desk.get("/v1/search", q="red")
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected_error")
    assert "submarine" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert desk.events()[-1]["status_code"] == "unexpected_error"


def test_requests_are_counted_by_route_and_status(desk: Desk) -> None:
    desk.get("/v1/search", q="red")
    desk.get("/v1/search", None, q="red")
    text = desk.client.get("/metrics").text
    assert 'rushes_service_requests_total{route="/v1/search",status="200"} 1.0' in text
    assert 'rushes_service_requests_total{route="/v1/search",status="401"} 1.0' in text
    assert "acme" not in text
