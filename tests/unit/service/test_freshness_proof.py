"""The proof of freshness counts what waits before the index: in the service itself, and on topics of a cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.access.actions import AccessRole
from stream.search.freshness import EventsBefore, WaitingEvent
from stream.service.events_before import SERVICE
from tests.support.kept_work import KeptWork
from tests.support.service_desk import NOW_MS, Desk, opened, two_tenants


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a clip of each tenant, which is searchable."""
    return two_tenants(tmp_path_factory.mktemp("stores"))


@pytest.fixture
def background() -> KeptWork:
    return KeptWork()


@pytest.fixture
def desk(stores: Path, tmp_path: Path, background: KeptWork) -> Iterator[Desk]:
    with opened(stores, tmp_path, background=background) as found:
        found.give("editor", AccessRole.EDITOR)
        found.give("of a project", AccessRole.EDITOR, project="other")
        found.give("stranger", AccessRole.EDITOR, "globex")
        yield found


def proof(desk: Desk, key: str = "editor", status: int = 200, **asked: Any) -> dict[str, Any]:
    answer = desk.get("/v1/search", key, **({"q": "red", "as_fresh_as": 2.0} | asked))
    assert answer.status_code == status, answer.text
    if status == 412:
        assert (answer.json()["code"], answer.headers["retry-after"]) == ("not_fresh_enough", "2")
    found: dict[str, Any] = answer.json()["freshness"]
    return found


def test_what_the_service_accepted_counts_until_it_is_through(
    desk: Desk, stores: Path, background: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = []
    monkeypatch.setattr(background, "publish", lambda _publication, done: finished.append(done))
    asked = {"tenant": "acme", "project": "news", "uri": str(stores.parent / "new.mp4"), "asset_id": "new"}
    assert desk.ask("POST", "/v1/assets", "editor", json=asked).status_code == 202
    assert proof(desk)["pending_assets"] == 1  # so young that the proof holds
    desk.clock.advance(3.0)
    late = proof(desk, status=412)
    assert late["searchable_up_to_ms"] == NOW_MS
    (waiting,) = late["pending"]
    assert (waiting["asset_id"], waiting["published_at_ms"], waiting["segments"]) == ("new", NOW_MS, None)
    assert waiting["waits_for"] == SERVICE
    assert "waits for service" in desk.get("/", "editor", q="red").text
    # Of another project and of another tenant.
    for key in ("of a project", "stranger"):
        assert proof(desk, key)["pending"] == []
    finished[0](None)
    desk.clock.advance(3.0)
    assert proof(desk)["pending_assets"] == 0


def test_what_lies_on_the_topics_counts_for_its_tenant(desk: Desk, background: KeptWork) -> None:
    older, younger = (WaitingEvent("acme", "news", f"{age}s", NOW_MS - age * 1000, "gate") for age in (60, 1))
    background.before = EventsBefore(NOW_MS, (younger, older))
    late = proof(desk, status=412)
    assert (late["searchable_up_to_ms"], late["as_of_ms"]) == (older.published_ms, NOW_MS)
    assert [item["asset_id"] for item in late["pending"]] == ["60s", "1s"]
    assert proof(desk, as_fresh_as=61.0) == late
    assert proof(desk, "stranger")["searchable_up_to_ms"] == NOW_MS
    assert proof(desk, tenant="acme", project="sports")["pending"] == []


def test_the_plot_shows_what_waited_before_the_index(stores: Path, tmp_path: Path) -> None:
    background = KeptWork()
    with opened(stores, tmp_path, background=background, sample_s=0.01) as desk:
        desk.give("viewer", AccessRole.VIEWER)
        page = "in this hour: 0 s"
        while "in this hour: 0 s" in page:
            background.before = EventsBefore(NOW_MS, (WaitingEvent("acme", "news", "new", NOW_MS - 60_000, "plan"),))
            desk.clock.advance(2.0)
            assert "1 asset is not wholly searchable yet" in desk.get("/freshness", "viewer").text
            background.before = None
            desk.clock.advance(2.0)
            page = desk.get("/freshness", "viewer").text
        assert "<strong>0 s now</strong>; the most in this hour: 1 min" in page


def test_what_the_index_was_told_of_waits_no_more(desk: Desk, background: KeptWork) -> None:
    (hit, *_) = desk.get("/v1/search", "editor", q="red").json()["hits"]
    # By its version alone: one that waited for the gate was published before others that the index knows.
    for version_ms, count in ((hit["published_at_ms"] - 1, 0), (hit["published_at_ms"], 1), (None, 1)):
        published_ms = hit["published_at_ms"] - 1000
        event = WaitingEvent("acme", hit["project"], hit["asset_id"], published_ms, "plan", version_ms)
        background.before = EventsBefore(desk.clock.now_ms(), (event,))
        assert proof(desk, as_fresh_as=1e9)["pending_assets"] == count
        desk.clock.advance(2.0)


def test_a_look_is_used_for_a_second_and_its_age_counts(desk: Desk, background: KeptWork) -> None:
    background.before = EventsBefore(NOW_MS)
    assert proof(desk)["as_of_ms"] == NOW_MS
    background.before = EventsBefore(NOW_MS, (WaitingEvent("acme", "news", "new", NOW_MS, "plan"),))
    desk.clock.advance(0.9)
    assert proof(desk)["searchable_up_to_ms"] == NOW_MS
    # Half of what is asked is less: it is looked at again.
    assert proof(desk, status=412, as_fresh_as=0.5)["pending_assets"] == 1


def test_a_cluster_that_does_not_answer_proves_nothing(desk: Desk, background: KeptWork) -> None:
    background.before = EventsBefore(NOW_MS, unknown="the cluster is away")
    answer = desk.get("/v1/search", "editor", q="red", as_fresh_as=1e9)
    assert (answer.status_code, answer.json()["freshness"]["searchable_up_to_ms"]) == (412, None)
    assert "the cluster is away" in answer.json()["detail"]
    assert desk.get("/v1/search", "editor", q="red").status_code == 200
    page = desk.get("/", "editor", q="red")
    assert page.status_code == 200
    assert "is not known now: the cluster is away" in page.text
