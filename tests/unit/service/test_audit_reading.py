"""The trail over HTTP: auditors see what happened to their tenants and to nobody else's."""

import html
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.access.actions import AccessRole
from stream.audit.files import CHECKPOINTS, newest_note, notes_end, notes_of
from tests.support.service_desk import NOW_MS, Desk, opened, two_tenants


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with opened(two_tenants(tmp_path_factory.mktemp("stores")), tmp_path_factory.mktemp("own")) as found:
        for tenant in ("acme", "globex"):
            found.give(f"{tenant} viewer", AccessRole.VIEWER, tenant)
            found.give(f"{tenant} auditor", AccessRole.AUDITOR, tenant)
        found.give("project auditor", AccessRole.AUDITOR, project="default")
        yield found


def test_an_auditor_sees_the_newest_accesses_of_their_tenant_alone(desk: Desk) -> None:
    for tenant in ("acme", "globex"):
        assert desk.get("/v1/search", f"{tenant} viewer", q="secret words", tenant=tenant).status_code == 200
        assert desk.get("/v1/search", f"{tenant} viewer", q="secret words").status_code == 200
    assert desk.get("/v1/exports", "acme viewer").status_code == 405
    found = desk.get("/v1/audit/events", "acme auditor").json()["events"]
    assert {event["actor"] for event in found} == {"service:acme/acme-viewer", "service:acme/acme-auditor"}
    assert {event["tenant"] for event in found} == {"acme", None}
    numbers = [event["sequence"] for event in found]
    assert numbers == sorted(numbers, reverse=True)
    searched = [event for event in found if event["what"] == "search: searched"]
    assert [event["status"] for event in searched] == ["Success", "Admitted"] * 2
    assert searched[0]["correlation"] == searched[1]["correlation"]
    assert "secret" not in str(found)


def test_events_are_narrowed_by_outcome_and_by_who(desk: Desk) -> None:
    desk.get("/v1/audit/events", "acme viewer")
    denied = desk.get("/v1/audit/events", "acme auditor", status="Denied").json()["events"]
    assert {(event["actor"], event["status_code"]) for event in denied} == {("service:acme/acme-viewer", "forbidden")}
    own = desk.get("/v1/audit/events", "acme auditor", actor="service:acme/acme-auditor", limit=3).json()["events"]
    assert len(own) == 3
    assert {event["actor"] for event in own} == {"service:acme/acme-auditor"}
    # The id of a key, which the trail has after its end too.
    by_key = desk.get("/v1/audit/events", "acme auditor", actor="acme-auditor").json()["events"]
    assert {(event["actor"], event["session"]) for event in by_key} == {("service:acme/acme-auditor", "acme-auditor")}
    theirs = desk.get("/v1/audit/events", "acme auditor", actor="service:globex/globex-viewer").json()["events"]
    assert theirs == []


def test_an_auditor_asks_who_saw_an_asset(desk: Desk) -> None:
    hit = desk.get("/v1/search", "acme viewer", q="red", group="moment").json()["hits"][0]
    assert desk.get(hit["thumbnail"], "acme viewer").status_code == 200
    asked = {"about": hit["asset_id"], "since_ms": NOW_MS, "until_ms": NOW_MS + 1_000}
    answer = desk.get("/v1/audit/events", "acme auditor", **asked).json()
    assert [(event["what"], event["tenant"]) for event in answer["events"]] == [("thumbnail: previewed", "acme")]
    assert answer["complete"]
    assert hit["moment_ids"][0] in answer["events"][0]["about"]
    assert desk.get("/v1/audit/events", "globex auditor", **asked).json()["events"] == []
    later = asked | {"since_ms": NOW_MS + 1, "until_ms": NOW_MS + 2}
    assert desk.get("/v1/audit/events", "acme auditor", **later).json()["events"] == []
    headers = {"accept": "text/html"}
    shown = {"about": hit["asset_id"], "since": "2027-01-15", "actor": ""}
    page = desk.ask("get", "/audit", "acme auditor", headers=headers, params=shown).text
    assert (page.count('<tr class="hit">'), f'value="{hit["asset_id"]}"' in page) == (1, True)
    assert desk.ask("get", "/audit", "acme auditor", headers=headers, params={"since": "today"}).status_code == 400


def test_who_audits_a_project_sees_no_events_as_these_do_not_say_theirs(desk: Desk) -> None:
    assert desk.get("/v1/audit/events", "project auditor").json()["events"] == []


def test_the_page_shows_events_as_text_and_whom_it_may(desk: Desk) -> None:
    headers = {"accept": "text/html"}
    page = desk.ask("get", "/audit", "acme auditor", headers=headers)
    assert page.status_code == 200
    assert "service:acme/acme-viewer" in page.text
    assert "globex" not in page.text
    refused = desk.ask("get", "/audit", "acme viewer", headers=headers)
    assert refused.status_code == 403
    assert 'href="/audit"' not in refused.text


def test_the_newest_checkpoint_is_the_last_whole_one(desk: Desk, tmp_path: Path) -> None:
    notes = b"".join(
        f"rushes/service\n{size}\nroot\n\n\u2014 rushes/service signature{size}\n\n".encode()
        for size in range(1, 2_000)
    )
    file = tmp_path / CHECKPOINTS
    assert newest_note(file) is None
    file.write_bytes(notes)
    assert newest_note(file) == notes_of(file)[-1]
    assert notes_end(file) == len(notes)
    file.write_bytes(notes + b"rushes/service\n9000\nroot\n\n\xe2\x80\x94 rushes/serv")
    assert newest_note(file) == notes_of(file)[-1]
    assert notes_end(file) == len(notes)
    file.write_bytes(b"rushes/service\n1\nroot\n\n\xe2\x80\x94 rushes/serv")
    assert notes_end(file) == 0


def test_the_checkpoint_on_the_page_is_whole_to_the_byte(tmp_path: Path) -> None:
    for folder in ("stores", "own"):
        (tmp_path / folder).mkdir()
    with opened(tmp_path / "stores", tmp_path / "own") as first:
        first.give("auditor", AccessRole.AUDITOR)
        keys = first.keys
    # The end of a service makes a checkpoint.
    with opened(tmp_path / "stores", tmp_path / "own") as second:
        second.keys = keys
        told = second.get("/v1/audit/events", "auditor").json()["checkpoint"]
        page = second.ask("get", "/audit", "auditor", headers={"accept": "text/html"}).text
        shown = page.partition('aria-label="Checkpoint">')[2].partition("</pre>")[0]
        assert (html.unescape(shown), told.count("\n")) == (told, 5)
