"""Progress and dead letters over the service: for whom, and as they change."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from sinks.query.asset_detail import AssetDetail
from stream.access.actions import AccessRole
from stream.events.asset import AssetStatus
from stream.search.application import Search
from stream.service.problems import busy
from stream.service.searchers import Searchers
from tests.support.service_desk import Desk, opened


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One tenant with an asset that is ready and one that is no footage; another with one that is none."""
    root = tmp_path_factory.mktemp("operations")
    clip = write_clip(root / "clip.mp4", seconds=3, fps=5, scenes=[3.0]).path
    for tenant in ("acme", "globex"):
        (root / f"{tenant}.mp4").write_bytes(b"no footage")
    events = [published(clip, tenant="acme")]
    events += [published(root / f"{tenant}.mp4", tenant=tenant) for tenant in ("acme", "globex")]
    run_events(light_settings(root / "state", root), events)
    with opened(root / "state", tmp_path_factory.mktemp("own")) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("operator", AccessRole.OPERATOR)
        found.give("of a project", AccessRole.OPERATOR, project="default")
        found.give("stranger", AccessRole.OPERATOR, "globex")
        yield found


def asset_named(desk: Desk, name: str) -> dict[str, Any]:
    listed = desk.get("/v1/assets", tenant="acme").json()["assets"]
    (found,) = [asset for asset in listed if Path(asset["asset_id"]).name == name]
    assert isinstance(found, dict)
    return found


def test_dead_letters_are_shown_to_operators_of_their_tenant(desk: Desk) -> None:
    found = desk.get("/v1/dead-letters", "operator").json()
    (letter,) = found["dead_letters"]
    assert found["complete"]
    assert (letter["tenant"], letter["state"], letter["stage"]) == ("acme", "open", "plan")
    assert Path(letter["asset_id"]).name == "acme.mp4"
    assert letter["what_to_do"]
    assert not {"key", "value", "headers"} & set(letter)
    path = f"/v1/dead-letters/{letter['letter_id']}"
    assert desk.get(path, "operator").json() == letter
    # Another tenant's, an unknown one and a part of an id look alike; a letter does not say its project.
    for key, other in (("stranger", path), ("operator", "/v1/dead-letters/x"), ("operator", path[:-4])):
        assert desk.get(other, key).json()["code"] == "no_such_thing", (key, other)
    assert desk.get("/v1/dead-letters", "of a project").json()["dead_letters"] == []
    assert desk.get("/v1/dead-letters", "operator", tenant="globex").json()["dead_letters"] == []
    assert desk.get("/v1/dead-letters", "operator", state="parked").json()["dead_letters"] == []
    assert desk.get("/v1/dead-letters", "viewer").status_code == 403


def events_of(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.split("\n\n") if block.startswith("id:")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_progress_ends_with_the_asset(desk: Desk) -> None:
    asset = asset_named(desk, "clip.mp4")
    answer = desk.get(f"{asset['path']}/events")
    assert answer.headers["content-type"] == "text/event-stream"
    (event,) = events_of(answer.text)
    assert event["event"] == "end"
    assert json.loads(event["data"])["asset"] == asset
    again = desk.ask("get", f"{asset['path']}/events", headers={"last-event-id": event["id"]})
    assert again.status_code == 204
    assert desk.get(f"{asset['path']}/events", "stranger").status_code == 404
    failed = events_of(desk.get(f"{asset_named(desk, 'acme.mp4')['path']}/events").text)[0]
    (stage,) = json.loads(failed["data"])["stages"]
    assert (stage["stage"], stage["done"]) == ("plan", 0)
    assert stage["reason"]


def test_progress_is_told_as_it_changes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asset is under way for two looks, in which one of its cells is stored, and then it is ready."""
    asset = asset_named(desk, "clip.mp4")
    looks = iter([("planned", 0), ("planned", 0), ("planned", 1), ("ready", 1)])
    real = Search.asset

    def asset_at(self: Search, *named: Any) -> AssetDetail | None:
        found = real(self, *named)
        assert found is not None
        status, stored = next(looks)
        return replace(found, view=replace(found.view, status=AssetStatus(status)), stored=stored)

    monkeypatch.setattr(Search, "asset", asset_at)
    monkeypatch.setattr("stream.service.routes.progress._LOOK_S", 0.01)
    found = events_of(desk.get(f"{asset['path']}/events").text)
    assert [event["event"] for event in found] == ["progress", "progress", "end"]
    assert len({event["id"] for event in found}) == 3
    assert desk.events()[-1]["count"] == 3


def test_progress_goes_on_where_all_searchers_are_busy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = asset_named(desk, "clip.mp4")
    real, one, waits = Search.asset, Searchers.one, list[float | None]()

    def asset_at(self: Search, *named: Any) -> AssetDetail | None:
        found = real(self, *named)
        assert found is not None
        status = AssetStatus.READY if len(waits) > 2 else AssetStatus.PLANNED
        return replace(found, view=replace(found.view, status=status))

    def busy_once(self: Searchers, wait_s: float | None = None) -> AbstractContextManager[Search]:
        waits.append(wait_s)
        if len(waits) == 2:
            raise busy()
        return one(self, wait_s)

    monkeypatch.setattr(Search, "asset", asset_at)
    monkeypatch.setattr(Searchers, "one", busy_once)
    monkeypatch.setattr("stream.service.routes.progress._LOOK_S", 0.01)
    found = events_of(desk.get(f"{asset['path']}/events").text)
    assert [event["event"] for event in found] == ["progress", "end"]
    # Only who begins waits for one.
    assert waits == [None, 0.0, 0.0]
