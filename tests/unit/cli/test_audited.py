"""The command line with an audit trail: every access is in it, and nothing of what may not be there."""

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from stream.cli.app import app
from stream.cli.auditing import AUDITED, UNAUDITED, UNAUDITED_COMMANDS, UNAUDITED_GROUPS
from stream.cli.execution import CANNOT_RUN, execute, leaves, tree

CARD = """
version: 1
name: card
stages:
  - {name: draw, operator: composite, settings: {width: 64, height: 64, duration: 1, fps: 5, background: "#204080"}}
finals: [draw]
"""


class Desk:
    """Somebody at a command line, with a trail."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trail = root / "audit"
        self.code = 0
        self.err = io.StringIO()
        self.key = ""

    @property
    def key_file(self) -> Path:
        return self.root / "audit.key"

    def call(self, *words: str) -> str:
        """What it prints on standard output."""
        out = io.StringIO()
        self.err = io.StringIO()
        common = ["--state", f"{self.root}/state", "--cache", f"{self.root}/cache", "--audit", str(self.trail)]
        with redirect_stdout(out), redirect_stderr(self.err):
            self.code = execute(app, [*common, *words])
        return out.getvalue()

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.call("audit", "show", "--json", "--last", "1000"))
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.key = made.call("audit", "init", "--name", "example.com/audit")
    assert made.code == 0, made.err
    return made


def told(events: Sequence[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(event["message"], event["status"], event.get("status_code")) for event in events]


def test_every_command_is_audited_or_known_not_to_be() -> None:
    known = {(name,) for name in UNAUDITED} | UNAUDITED_COMMANDS | AUDITED.keys()
    others = {path for path in leaves(tree(app)) if path[0] not in UNAUDITED_GROUPS}
    assert others == known


def test_accesses_are_written_with_how_they_ended(desk: Desk) -> None:
    clip = write_clip(desk.root / "clip.mp4", seconds=3, fps=5, scenes=[3.0])
    run_events(light_settings(desk.root / "state", clip.path), [published(clip.path)])
    desk.call("search", "a red bus", "--tenant", "default")
    desk.call("search", "a red bus", "--json")
    desk.call("moments")
    desk.call("status", "--json")
    desk.call("dead-letters", "list")
    desk.call("dead-letters", "show", "nothing")
    assert desk.code == CANNOT_RUN
    desk.call("delete", str(clip.path))
    assert desk.code == 0, desk.err.getvalue()
    desk.call("lag", "--broker", "nowhere")
    assert told(desk.events()) == [
        ("search: searched", "Admitted", None),
        ("search: searched", "Success", None),
        ("search: exported", "Admitted", None),
        ("search: exported", "Success", None),
        ("moments: viewed", "Admitted", None),
        ("moments: viewed", "Success", None),
        ("status: listed", "Admitted", None),
        ("status: listed", "Success", None),
        ("dead-letters list: listed", "Admitted", None),
        ("dead-letters list: listed", "Success", None),
        ("dead-letters show: viewed", "Admitted", None),
        ("dead-letters show: viewed", "Failure", "usage"),
        ("delete: deleted", "Admitted", None),
        ("delete: deleted", "Success", None),
    ]
    first = desk.events()[0]
    assert first["actor"]["user"]["uid"].startswith("os:")
    assert first["src_endpoint"]["hostname"]
    assert (first["metadata"]["tenant_uid"], first["metadata"]["sequence"]) == ("default", 0)


def test_no_query_and_no_path_is_in_the_trail(desk: Desk) -> None:
    desk.call("search", "a secret yellow submarine")
    desk.call("ingest", "/missing/hidden.mp4", "--light")
    text = b"".join(path.read_bytes() for path in desk.trail.iterdir())
    assert len(desk.events()) == 4
    for word in (b"submarine", b"yellow", b"hidden", b"missing"):
        assert word not in text
    one, other = (event["query_info"]["uid"] for event in desk.events()[:2])
    assert one == other


def test_a_command_about_many_things_names_each_of_them(desk: Desk) -> None:
    desk.call("delete", *(f"asset-{number}" for number in range(1_500)), "--tenant", "acme")
    many = [word for number in range(250) for word in ("--member", f"oidc:https://idp.example#{number:0400}")]
    desk.call("access", "team", "all", "--tenant", "acme", *many)
    assert desk.code == 0, desk.err.getvalue()
    admitted = [event for event in desk.events() if event["status"] == "Admitted"]
    deleted = [each["uid"] for event in admitted for each in event.get("resources", ())]
    assert len(set(deleted)) == len(deleted) == 1_500
    filled = [name for event in admitted for name in event.get("unmapped", {}).get("members", ())]
    assert filled == [word for word in many if word != "--member"]
    assert len({event["metadata"]["correlation_uid"] for event in admitted}) == 2


def test_what_cannot_be_written_does_not_happen(desk: Desk) -> None:
    desk.trail.rmdir() if desk.trail.is_dir() else None
    desk.trail.write_text("no directory")
    printed = desk.call("status", "--json")
    assert desk.code == CANNOT_RUN
    assert "--audit" in desk.err.getvalue()
    assert "error" in json.loads(printed)


def test_a_trail_without_its_key_says_how_to_make_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("status")
    assert desk.code == CANNOT_RUN
    assert "rushes audit init" in desk.err.getvalue()
    assert not desk.trail.exists()


def test_an_auditor_proves_it_and_finds_what_was_changed(desk: Desk) -> None:
    desk.call("status")
    kept = desk.root / "kept.txt"
    kept.write_text(desk.call("audit", "checkpoint"))
    desk.call("moments")
    printed = desk.call("audit", "verify", "--key", desk.key, "--checkpoint", str(kept))
    assert desk.code == 0, desk.err.getvalue()
    assert "4 events, 5 checkpoints: nothing was changed." in printed
    assert "cut off" not in printed
    assert "cut off" in desk.call("audit", "verify", "--key", desk.call("audit", "key"))
    (path,) = desk.trail.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    report = json.loads(desk.call("audit", "verify", "--key", desk.key, "--json"))
    assert desk.code == 1
    assert not report["holds"]
    assert report["findings"][0] == {
        "file": path.name,
        "line": 2,
        "text": "event 1 stands where event 0 has to be",
    }


def test_the_trail_says_who_did_what_with_an_asset(desk: Desk) -> None:
    asset = "/footage/launch day.mov"
    desk.call("delete", asset, "--tenant", "acme")
    desk.call("access", "give", "viewer", "service:acme/newsroom", "--tenant", "acme")
    desk.call("search", "a red bus", "--tenant", "acme")

    def found(*words: str) -> list[str]:
        return [event["message"] for event in json.loads(desk.call("audit", "show", "--json", *words))]

    assert found("--about", asset) == ["delete: deleted"] * 2
    assert found("--about", asset, "--tenant", "globex") == []
    assert found("--about", "service:acme/newsroom") == ["access give: gave a role"] * 2
    assert found("--about", "A  red bus", "--since", "1h") == ["search: searched"] * 2
    assert found("--about", "a red bus", "--until", "1h") == []
    assert found("--who", "service:acme/newsroom") == []
    assert found("--last", "1") == ["search: searched"]
    assert "newest 1" not in desk.err.getvalue()  # of a document nothing more is said
    assert "newest 2" in (desk.call("audit", "show", "--last", "2"), desk.err.getvalue())[1]
    assert desk.code == 0


def test_the_trail_says_which_key_was_made_and_ended_and_whose_it_was(desk: Desk) -> None:
    desk.call("access", "key", "newsroom", "--tenant", "acme", "--role", "viewer", "--project", "pilot")
    desk.call("access", "team", "cutters", "--tenant", "acme", "--member", "service:acme/newsroom")
    admitted, made = desk.events()[:2]
    key_id = made["entity"]["uid"]
    desk.call("access", "revoke", key_id)
    assert desk.code == 0, desk.err.getvalue()
    # What is made has no id yet when it is let in.
    assert admitted["entity"]["uid"] == "unknown"
    for event in (made, desk.events()[-1]):
        assert event["entity"]["user"]["uid"] == "service:acme/newsroom"
        assert (event["entity"]["uid"], event["metadata"]["tenant_uid"]) == (key_id, "acme")
        assert (event["unmapped"]["privileges"], event["unmapped"]["project"]) == (["viewer"], "pilot")
    assert [event["message"] for event in desk.events() if event["status"] == "Success"] == [
        "access key: made a key",
        "access team: filled a team",
        "access revoke: revoked a key",
    ]
    assert desk.events()[3]["unmapped"]["members"] == ["service:acme/newsroom"]


@pytest.mark.parametrize(("columns", "lines"), [("80", 2), ("200", 5)])
def test_events_are_shown_a_line_each_or_as_a_table(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, columns: str, lines: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    desk.call("access", "give", "viewer", "service:acme/a-program-with-a-long-name", "--tenant", "acme")
    printed = desk.call("audit", "show").rstrip("\n").splitlines()
    assert len([line for line in printed if line.strip()]) == lines
    told = [line for line in printed if "access give: gave a role" in line]
    assert len(told) == 2
    assert all("a-program-with-a-long-name" in line for line in told)


def test_a_siem_gets_the_trail(desk: Desk) -> None:
    desk.call("status")
    feed = desk.root / "feed"
    printed = desk.call("audit", "export", f"ndjson:{feed}", f"ndjson:{desk.key_file}/x", "--json")
    assert desk.code == 1
    taken, away = json.loads(printed)
    assert (taken["delivered"], taken["waiting"], taken["trouble"]) == (2, 0, "")
    assert (away["delivered"], away["waiting"]) == (0, 2)
    assert "cannot be written" in away["trouble"]
    assert len([line for path in feed.rglob("*.ndjson") for line in path.read_text().splitlines()]) == 2
    assert "has 0 more events, 0 wait" in desk.call("audit", "export", f"ndjson:{feed}")
    assert desk.code == 0


def test_a_job_is_told_when_it_is_asked_for_rendered_and_delivered(desk: Desk) -> None:
    (desk.root / "card.yaml").write_text(CARD)
    desk.call("jobs", "submit", str(desk.root / "card.yaml"), "--deliver-to", str(desk.root / "out"))
    assert desk.code == 0, desk.err.getvalue()
    assert told(desk.events()) == [
        ("jobs submit: submitted a job", "Admitted", None),
        ("jobs draw: rendered", "Admitted", None),
        ("jobs draw: rendered", "Success", None),
        ("jobs deliver: delivered finals", "Admitted", None),
        ("jobs deliver: delivered finals", "Success", None),
        ("jobs submit: submitted a job", "Success", None),
    ]


def test_what_is_wrong_is_said(desk: Desk) -> None:
    for words, named in (
        (("audit", "verify"), "does not exist"),
        (("audit", "checkpoint"), "no checkpoint yet"),
        (("audit", "init"), "the trail has been made"),
        (("audit", "init", "--name", "a b"), "--name"),
    ):
        desk.call(*words)
        assert desk.code == CANNOT_RUN
        assert named in desk.err.getvalue()
    desk.call("status")
    desk.call("audit", "verify", "--key", "nonsense")
    assert "name+id+key" in desk.err.getvalue()
    desk.key_file.chmod(0o644)
    desk.call("status")
    assert "chmod 600" in desk.err.getvalue()


def test_who_may_not_is_no_failure_of_who_asks(desk: Desk) -> None:
    assert "may not" in desk.call("access", "explain", "service:acme/bot", "search", "--tenant", "acme")
    assert desk.code == 1
    assert told(desk.events())[-1] == ("access explain: viewed", "Success", None)
