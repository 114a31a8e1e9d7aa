"""The assets of a tenant page by page: each once, within the rights of who reads on, by cursors that nobody makes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.testbed.runs import light_settings, published, run_events
from stream.access.actions import AccessRole
from tests.support.service_desk import Desk, opened

NAMES = ("a", "b/1", "b/2", "Ä'\"", "z")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    footage = tmp_path / "a.mp4"
    footage.write_bytes(b"no footage")
    projects = dict.fromkeys(NAMES, "news") | {"b/2": "red"}
    events = [published(footage, asset_id=name, tenant="acme", project=at) for name, at in projects.items()]
    events.append(published(footage, asset_id="b/1x", tenant="globex"))
    run_events(light_settings(tmp_path / "state", tmp_path), events)
    with opened(tmp_path / "state", tmp_path / "own") as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("of news", AccessRole.VIEWER, project="news")
        found.give("stranger", AccessRole.VIEWER, "globex")
        yield found


def pages(desk: Desk, key: str, limit: int, **query: str) -> list[list[str]]:
    answer = desk.get("/v1/assets", key, limit=limit, **query).json()
    found = [[asset["asset_id"] for asset in answer["assets"]]]
    while answer["next"]:
        answer = desk.get("/v1/assets", key, limit=limit, cursor=answer["next"]).json()
        found.append([asset["asset_id"] for asset in answer["assets"]])
    return found


def test_every_asset_is_on_one_page(desk: Desk) -> None:
    ordered = sorted(NAMES)
    assert pages(desk, "viewer", 2, tenant="acme") == [ordered[:2], ordered[2:4], ordered[4:]]
    assert pages(desk, "viewer", 5, tenant="acme") == [ordered]
    assert pages(desk, "viewer", 1, tenant="acme", project="red") == [["b/2"]]
    # The store leaves out what they may not see, so that no page is shorter for it.
    visible = [name for name in ordered if name != "b/2"]
    assert pages(desk, "of news", 2, tenant="acme") == [visible[:2], visible[2:]]
    assert pages(desk, "stranger", 2, tenant="acme") == [[]]


def test_a_cursor_is_ours_and_gives_no_rights(desk: Desk) -> None:
    cursor = desk.get("/v1/assets", tenant="acme", limit=2).json()["next"]
    assert desk.get("/v1/assets", "stranger", cursor=cursor).json() == {"assets": [], "next": None}
    for other in (cursor[:-1], "A" + cursor[1:], "", "ä"):
        answer = desk.get("/v1/assets", cursor=other)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), other
    for query in ({"cursor": cursor, "tenant": "acme"}, {"cursor": cursor, "project": "red"}, {"project": "red"}):
        assert desk.get("/v1/assets", **query).status_code == 422
