"""Every route, asked by who has all roles in another tenant: what is there and what never was look alike."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream.access.actions import AccessRole
from stream.access.records import Team
from stream.service.uploads.uploads import UploadLimits
from tests.support.service_desk import Desk, TakenWork, opened, two_tenants
from tests.support.service_routes import IN_PATHS, ROUTES, quoted

NOBODY = "nobody"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    work, limits = TakenWork(), UploadLimits()
    with opened(two_tenants(tmp_path), tmp_path / "own", background=work, uploads=limits) as found:
        for role in AccessRole:
            found.give("stranger", role, "globex")
        found.give("owner", AccessRole.EDITOR)
        yield found


@pytest.fixture
def theirs(desk: Desk) -> Mapping[str, str]:
    """Names of what acme has, as they stand in paths."""
    (hit,) = desk.get("/v1/search", "owner", q="red", group="moment").json()["hits"]
    sent = {"params": {"tenant": "acme"}, "headers": {"upload-length": "9"}}
    footage = {"tenant": "acme", "uri": "https://example.com/bus.mp4"}
    desk.register.put(Team(tenant="acme", name="cutters", members=("service:acme/owner",)))
    return {
        "tenant": "acme",
        "asset_id": hit["asset_id"],
        "moment_id": hit["moment_ids"][0],
        "name": "cutters",
        "key_id": "owner",
        "upload_id": desk.ask("post", "/v1/uploads", "owner", **sent).json()["upload_id"],
        "publication_id": desk.ask("post", "/v1/assets", "owner", json=footage).json()["publication_id"],
    }


def asked(desk: Desk, key: str, route: tuple[str, str], names: Mapping[str, str]) -> httpx.Response:
    method, path = route
    return desk.ask(method, quoted(path, names), key, **in_place(dict(ROUTES[route].rest), names["tenant"]))


def in_place(rest: Any, tenant: str) -> Any:
    if isinstance(rest, dict):
        return {name: tenant if name == "tenant" else in_place(value, tenant) for name, value in rest.items()}
    return rest


def told(answer: httpx.Response, names: Mapping[str, str]) -> tuple[int, str]:
    """Without the names that were asked with."""
    text = answer.text
    for name in sorted(names.values(), key=len, reverse=True):
        text = text.replace(name, "it")
    return answer.status_code, text


def test_no_route_tells_what_another_tenant_has(desk: Desk, theirs: Mapping[str, str]) -> None:
    never = {**dict.fromkeys(IN_PATHS, "never"), **{name: "0" * len(value) for name, value in theirs.items()}}
    never["tenant"] = NOBODY
    there = {**never, **theirs}
    kept = desk.register.register().records("acme")
    for route in filter(_names_something, ROUTES):
        answers = [asked(desk, "stranger", route, names) for names in (there, never)]
        found, absent = (told(answer, names) for answer, names in zip(answers, (there, never), strict=True))
        assert found == absent, route
        assert "rsk_" not in answers[0].text
    assert desk.register.register().records("acme") == kept
    events = asked(desk, "stranger", ("get", "/v1/audit/events"), there).json()["events"]
    assert {event["actor"] for event in events} == {"service:globex/stranger"}
    assert asked(desk, "owner", ("get", "/v1/uploads/{upload_id}"), there).json()["state"] == "receiving"
    # The names are good: who may do it finds something.
    good = [each for each in ROUTES if each[0] == "get" and asked(desk, "owner", each, there).status_code == 200]
    assert len(set(filter(_names_something, good))) >= 8, good


def _names_something(route: tuple[str, str]) -> bool:
    return "{" in route[1] or "'tenant'" in repr(ROUTES[route].rest)
