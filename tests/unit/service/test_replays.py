"""Dead letters that are sent again over the service: by whom, which ones, and what becomes of them."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from benchmarks.testbed.waiting import wait_for
from stream.access.actions import AccessRole
from stream.cli.options.chosen_models import remember_models
from stream.pipelines.settings import ModelChoice
from stream.sessions.background_process import BackgroundProcess
from tests.support.service_desk import Desk, opened


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Stores of two tenants with a file each that was no footage, and is by now."""
    for tenant in ("acme", "globex"):
        (tmp_path / f"{tenant}.mp4").write_bytes(b"no footage")
    events = [published(tmp_path / f"{tenant}.mp4", tenant=tenant) for tenant in ("acme", "globex")]
    run_events(light_settings(tmp_path / "state", tmp_path), events)
    remember_models(tmp_path / "state", ModelChoice.light())
    clip = write_clip(tmp_path / "clip.mp4", seconds=3, fps=5, scenes=[3.0]).path
    for tenant in ("acme", "globex"):
        shutil.copy(clip, tmp_path / f"{tenant}.mp4")
    return tmp_path


@pytest.fixture
def background(root: Path) -> Iterator[BackgroundProcess]:
    words = ["--state", str(root / "state"), "--cache", str(root / "cache"), "service-work", "--root", str(root)]
    with closing(BackgroundProcess([sys.executable, "-m", "stream.cli.app", *words])) as found:
        yield found


def given(desk: Desk) -> Desk:
    desk.give("viewer", AccessRole.VIEWER)
    desk.give("operator", AccessRole.OPERATOR)
    desk.give("of a project", AccessRole.OPERATOR, project="default")
    desk.give("stranger", AccessRole.OPERATOR, "globex")
    return desk


def letters(desk: Desk, key: str = "operator", state: str = "open") -> list[dict[str, Any]]:
    found = desk.get("/v1/dead-letters", key, state=state).json()["dead_letters"]
    assert isinstance(found, list)
    return found


def test_a_letter_is_processed_again_for_its_operator_alone(root: Path, background: BackgroundProcess) -> None:
    with opened(root / "state", root / "own", background=background) as found:
        desk = given(found)
        (letter,) = letters(desk)
        path = f"/v1/dead-letters/{letter['letter_id']}/replay"
        assert desk.ask("POST", path, "viewer").status_code == 403
        never = desk.ask("POST", "/v1/dead-letters/never/replay", "operator")
        # Another tenant's letter looks like one that never was; a letter does not say its project.
        for key in ("stranger", "of a project"):
            refused = desk.ask("POST", path, key)
            assert (refused.status_code, refused.json()) == (404, never.json())
        nothing = desk.ask("POST", "/v1/dead-letters/replay", "of a project", json={"all": True})
        assert nothing.json() == {"letter_ids": [], "complete": True}
        assert not letter["replaying"]
        assert not background.replaying()

        answer = desk.ask("POST", path, "operator")
        assert (answer.status_code, answer.json()["letter_ids"]) == (202, [letter["letter_id"]])
        # Asked for twice it is sent once.
        assert desk.ask("POST", path, "operator").status_code == 202
        assert letters(desk)[0]["replaying"]
        wait_for(lambda: not background.replaying(), "the letter was processed")
        (done,) = letters(desk, state="replayed")
        assert (done["letter_id"], done["replays"], done["replaying"]) == (letter["letter_id"], 1, False)
        assert desk.get("/v1/assets", tenant="acme").json()["assets"][0]["status"] == "ready"
        assert desk.ask("POST", path, "operator").json()["code"] == "already_replayed"
        # Whose turn it was not is as it was.
        assert [each["replays"] for each in letters(desk, "stranger")] == [0]
        said = [event for event in desk.events() if event["message"] == "dead letters replay: replayed"]
        assert [event["status"] for event in said if event["status"] == "Success"] == ["Success"] * 3
        accepted = next(at for at, event in enumerate(said) if event.get("count") == 1)
        assert (said[accepted - 1]["status"], said[accepted]["status"]) == ("Admitted", "Success")


def test_a_selection_is_one_that_was_made(root: Path, background: BackgroundProcess) -> None:
    with opened(root / "state", root / "own", background=background) as found:
        desk = given(found)
        (letter,) = letters(desk)

        def asked(**body: Any) -> tuple[int, list[str] | None]:
            answer = desk.ask("POST", "/v1/dead-letters/replay", "operator", json=body)
            return answer.status_code, answer.json().get("letter_ids")

        assert asked() == (422, None)
        assert asked(all=False) == (422, None)
        assert asked(everything=True) == (422, None)
        assert asked(state="parked") == (422, None)
        assert asked(code="no_frames' OR 'a' = 'a") == (202, [])
        assert asked(tenant="globex") == (202, [])
        assert asked(all=True, state="parked") == (202, [])
        assert asked(stage="plan", until_ms=letter["failed_at_ms"]) == (202, [])
        assert asked(stage="plan", since_ms=letter["failed_at_ms"]) == (202, [letter["letter_id"]])
        wait_for(lambda: bool(letters(desk, state="replayed")), "the letter was processed")


def test_without_workers_nothing_is_taken(root: Path) -> None:
    with opened(root / "state", root / "own") as found:
        desk = given(found)
        (letter,) = letters(desk)
        for path, body in ((f"{letter['letter_id']}/replay", None), ("replay", {"all": True})):
            answer = desk.ask("POST", f"/v1/dead-letters/{path}", "operator", json=body)
            assert (answer.status_code, answer.json()["code"]) == (501, "no_workers")
        assert letters(desk) == [letter]
