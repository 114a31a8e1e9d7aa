"""Teams, roles and keys over HTTP: what an administrator can do, and where that ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.access.actions import AccessRole
from stream.access.api_keys import is_key
from stream.access.records import Grant
from stream.audit.files import event_files
from stream.identity.browser_sessions import BrowserSessions, SignedIn
from tests.support.service_desk import NOW_MS, Desk, opened

BOSS = "oidc:https://idp.example#boss"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, tmp_path) as found:
        found.give("admin", AccessRole.ADMIN)
        found.give("red admin", AccessRole.ADMIN, project="red")
        found.give("stranger", AccessRole.ADMIN, "globex")
        found.give("viewer", AccessRole.VIEWER)
        found.register.put(
            Grant(tenant="acme", role=AccessRole.ADMIN, holder=BOSS, given_by="os:root", given_at_ms=NOW_MS)
        )
        yield found


@pytest.fixture
def boss(desk: Desk, tmp_path: Path) -> dict[str, str]:
    """What the browser of a person sends who administers the tenant."""
    sessions = BrowserSessions(tmp_path / "sessions.db", desk.clock)
    secret = sessions.begin(SignedIn(BOSS))
    found = sessions.find(secret)
    assert found is not None
    sessions.close()
    return {"cookie": f"rushes={secret}", "x-csrf-token": found.token, "sec-fetch-site": "same-origin"}


def give(desk: Desk, key: str | None = "admin", tenant: str = "acme", **given: Any) -> Any:
    asked = {"role": "viewer", "holder": "team:cutters"} | given
    return desk.ask("post", f"/v1/access/{tenant}/grants", key, json=asked)


def may(desk: Desk, principal: str, action: str = "search", project: str = "red") -> bool:
    query = {"holder": principal, "action": action, "project": project}
    found: bool = desk.ask("get", "/v1/access/acme/explain", "admin", params=query).json()["allowed"]
    return found


def test_a_team_gets_a_role_and_loses_it(desk: Desk) -> None:
    ana = "oidc:https://idp.example#ana"
    assert desk.ask("put", "/v1/access/acme/teams/cutters", "admin", json={"members": [ana, ana]}).json() == {
        "tenant": "acme",
        "name": "cutters",
        "members": [ana],
    }
    assert not may(desk, ana)
    answer = give(desk, project="red", days=2)
    assert answer.status_code == 201
    assert answer.json()["until_ms"] == NOW_MS + 2 * 86_400_000
    assert answer.json()["given_by"] == "service:acme/admin"
    assert may(desk, ana)
    assert not may(desk, ana, project="blue")
    listed = desk.get("/v1/access/acme", "admin").json()
    red = [item["holder"] for item in listed["grants"] if item["project"] == "red"]
    assert red == ["service:acme/red-admin", "team:cutters"]
    query = {"role": "viewer", "holder": "team:cutters", "project": "red"}
    assert desk.ask("delete", "/v1/access/acme/grants", "admin", params=query).status_code == 204
    assert desk.ask("delete", "/v1/access/acme/grants", "admin", params=query).status_code == 404
    assert not may(desk, ana)
    assert desk.ask("delete", "/v1/access/acme/teams/cutters", "admin").status_code == 204
    assert desk.ask("delete", "/v1/access/acme/teams/cutters", "admin").status_code == 404


def test_a_person_makes_a_key_that_is_shown_once(desk: Desk, boss: dict[str, str]) -> None:
    give(desk, holder="service:acme/newsroom", role="editor")
    asked = {"owner": "newsroom", "roles": ["viewer"], "days": 1}
    answer = desk.ask("post", "/v1/access/acme/keys", None, json=asked, headers=boss)
    assert answer.status_code == 201
    made = answer.json()
    assert is_key(made["key"])
    assert answer.headers["cache-control"] == "no-store"
    me = desk.get("/v1/me", made["key"]).json()
    assert me["principal"] == "service:acme/newsroom"
    assert (me["actions"]["search"] != [], me["actions"]["export"]) == (True, [])
    listed = desk.get("/v1/access/acme", "admin").text
    assert made["key_id"] in listed
    kept = (desk.trail.parent / "access.json").read_text() + listed
    assert made["key"] not in kept
    assert made["key"].encode() not in b"".join(path.read_bytes() for path in event_files(desk.trail))
    path = f"/v1/access/acme/keys/{made['key_id']}"
    assert desk.ask("delete", path, "admin").status_code == 204
    assert desk.ask("delete", path, "admin").status_code == 404
    assert desk.get("/v1/me", made["key"]).status_code == 401


def test_a_key_loses_and_never_gains(desk: Desk, boss: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, holder="service:acme/newsroom", role="editor")
    made = desk.ask("post", "/v1/access/acme/keys", None, json={"owner": "newsroom", "days": 9}, headers=boss).json()
    path = f"/v1/access/acme/keys/{made['key_id']}"

    def narrow(key: str = "admin", **asked: Any) -> tuple[int, dict[str, Any]]:
        answer = desk.ask("patch", path, key, json=asked)
        return answer.status_code, answer.json()

    assert desk.get("/v1/me", made["key"]).json()["actions"]["export"] != []
    status, less = narrow(roles=["viewer"], project="red", days=2)
    assert (status, less["roles"], less["project"]) == (200, ["viewer"], "red")
    assert less["until_ms"] == NOW_MS + 2 * 86_400_000
    me = desk.get("/v1/me", made["key"]).json()
    assert me["actions"]["search"] == [{"tenant": "acme", "project": "red"}]
    assert me["actions"]["export"] == []
    for asked in ({"roles": ["editor"]}, {"project": "blue"}, {"days": 3}):
        assert narrow(**asked)[1]["code"] == "key_would_widen"
    assert narrow()[1]["code"] == "key_not_narrowed"
    assert narrow("stranger", days=1)[0] == 404
    assert narrow("viewer", days=1)[0] == 403
    trail = [event["status"] for event in desk.events() if event["message"].startswith("access narrow:")]
    assert {"Success", "Denied"} <= set(trail)
    # Revoked by somebody while it is narrowed: it does not come back.
    monkeypatch.setattr("stream.service.administering.narrowed", lambda key, _: desk.register.take(key.key) and key)
    assert narrow(days=1)[1]["code"] == "key_changed"
    assert desk.get("/v1/me", made["key"]).status_code == 401


def test_the_page_narrows_a_key_and_says_why_not(desk: Desk) -> None:
    (key,) = [item for item in desk.get("/v1/access/acme", "admin").json()["keys"] if item["owner"] == "viewer"]
    page = desk.get("/access?tenant=acme", "admin").text
    assert f'<option value="{key["key_id"]}"' in page
    form = {"tenant": "acme", "key_id": key["key_id"], "project": "red", "role-viewer": "on"}
    answer = desk.ask("post", "/access/narrow", "admin", data=form)
    assert (answer.status_code, "done=narrowed" in answer.headers["location"]) == (303, True)
    (less,) = [item for item in desk.get("/v1/access/acme", "admin").json()["keys"] if item["owner"] == "viewer"]
    assert (less["project"], less["roles"]) == ("red", ["viewer"])
    answer = desk.ask("post", "/access/narrow", "admin", data=form | {"project": "blue"})
    assert (answer.status_code, "a key can only become less" in answer.text) == (400, True)


def test_a_key_makes_no_keys(desk: Desk) -> None:
    answer = desk.ask("post", "/v1/access/acme/keys", "admin", json={"owner": "newsroom"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_browser_changes_rights_with_its_token_alone(desk: Desk, boss: dict[str, str]) -> None:
    for missing in ("x-csrf-token", "sec-fetch-site"):
        headers = {name: value for name, value in boss.items() if name != missing}
        answer = desk.ask("post", "/v1/access/acme/keys", None, json={"owner": "bot"}, headers=headers)
        assert answer.json()["code"] == "forged_request"
    assert desk.get("/v1/access/acme", "admin").json()["keys"][-1]["owner"] == "viewer"


def test_another_tenant_is_not_there(desk: Desk) -> None:
    kept = desk.register.register().records()
    for tenant in ("globex", "nobody"):
        answers = [
            desk.get(f"/v1/access/{tenant}", "admin"),
            give(desk, tenant=tenant),
            desk.ask("put", f"/v1/access/{tenant}/teams/x", "admin", json={"members": []}),
            desk.ask("delete", f"/v1/access/{tenant}/teams/x", "admin"),
            desk.ask("post", f"/v1/access/{tenant}/keys", "admin", json={"owner": "stranger"}),
            desk.ask("delete", f"/v1/access/{tenant}/keys/stranger", "admin"),
            desk.get(
                f"/v1/access/{tenant}/explain", "admin", holder="service:globex/stranger", action="search", project="x"
            ),
        ]
        assert [answer.status_code for answer in answers] == [404] * 7
        assert len({answer.text for answer in answers}) == 1
    # The id of another tenant's key is as absent as one that never was.
    assert desk.ask("delete", "/v1/access/acme/keys/stranger", "admin").status_code == 404
    assert desk.register.register().records() == kept


@pytest.mark.parametrize(
    "given", [{"project": "blue"}, {}, {"role": "auditor", "project": "red"}], ids=["project", "tenant", "auditor"]
)
def test_nobody_hands_on_more_than_they_have(desk: Desk, given: dict[str, str]) -> None:
    answer = give(desk, "red admin", **given)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert desk.events()[-1]["status_code"] == "forbidden"


def test_who_administers_a_project_sees_that_alone(desk: Desk) -> None:
    desk.ask("put", "/v1/access/acme/teams/cutters", "admin", json={"members": ["service:acme/viewer"]})
    assert give(desk, "red admin", project="red").status_code == 201
    seen = desk.get("/v1/access/acme", "red admin").json()
    assert {item["project"] for item in seen["grants"]} == {"red"}
    assert (seen["teams"], seen["keys"]) == ([], [])
    query = {"holder": "service:acme/viewer", "action": "search"}
    assert desk.get("/v1/access/acme/explain", "red admin", project="red", **query).json()["allowed"]
    assert desk.get("/v1/access/acme/explain", "red admin", project="blue", **query).status_code == 403
    assert desk.ask("put", "/v1/access/acme/teams/x", "red admin", json={"members": []}).status_code == 403


def test_nobody_takes_their_own_role(desk: Desk) -> None:
    query = {"role": "admin", "holder": "service:acme/admin"}
    answer = desk.ask("delete", "/v1/access/acme/grants", "admin", params=query)
    assert answer.status_code == 403
    assert "another administrator" in answer.json()["detail"]


def test_changes_are_in_the_trail(desk: Desk) -> None:
    give(desk)
    event = desk.events()[-1]
    assert (event["message"], event["status"]) == ("access give: gave a role", "Success")
    assert (event["privileges"], event["user"]["uid"]) == (["viewer"], "team:cutters")
    assert (event["metadata"]["tenant_uid"], event["actor"]["user"]["uid"]) == ("acme", "service:acme/admin")


def test_the_trail_says_which_key_was_made_and_who_is_in_a_team(desk: Desk, boss: dict[str, str]) -> None:
    asked = {"owner": "newsroom", "roles": ["viewer"], "project": "red", "days": 3}
    made = desk.ask("post", "/v1/access/acme/keys", None, headers=boss, json=asked).json()
    event = desk.events()[-1]
    assert event["entity"]["uid"] == made["key_id"]
    assert event["entity"]["user"]["uid"] == "service:acme/newsroom"
    assert (event["unmapped"]["privileges"], event["unmapped"]["project"]) == (["viewer"], "red")
    desk.ask("delete", f"/v1/access/acme/keys/{made['key_id']}", None, headers=boss)
    event = desk.events()[-1]
    assert (event["message"], event["entity"]["user"]["uid"]) == (
        "access revoke: revoked a key",
        "service:acme/newsroom",
    )
    members = [f"service:acme/program{number}" for number in range(250)]
    assert desk.ask("put", "/v1/access/acme/teams/all", "admin", json={"members": members}).status_code == 200
    # An event has a bound, so the rest is in another one; how many there are is said once.
    first, rest = desk.events()[-2:]
    assert (first["count"], "count" in rest) == (250, False)
    assert first["unmapped"]["members"] + rest["unmapped"]["members"] == members
    # A key that may not make keys is denied, although its role was let in.
    assert desk.ask("post", "/v1/access/acme/keys", "admin", json=asked).status_code == 403
    assert (desk.events()[-1]["status"], desk.events()[-1]["disposition"]) == ("Denied", "Blocked")


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ({"json": {"role": "god", "holder": "team:x"}}, 422),
        ({"json": {"role": "viewer", "holder": "team:x", "tenant": "globex"}}, 422),
        ({"json": {"role": "viewer", "holder": "a\nb:c"}}, 422),
        ({"json": {"role": "viewer", "holder": "team:x", "project": "a/b"}}, 422),
        ({"json": {"role": "viewer", "holder": "team:x", "days": 0}}, 422),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422),
        ({"content": b"x" * ((1 << 20) + 1), "headers": {"content-type": "application/json"}}, 413),
        ({"data": {"role": "viewer"}}, 415),
    ],
)
def test_what_is_no_role_is_refused(desk: Desk, rest: dict[str, Any], status: int) -> None:
    answer = desk.ask("post", "/v1/access/acme/grants", "admin", **rest)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "a\\nb" not in answer.text


def test_the_document_of_the_api_shows_what_is_sent(desk: Desk) -> None:
    paths = desk.client.get("/openapi.json").json()["paths"]
    body = paths["/v1/access/{tenant}/keys"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["owner"]
