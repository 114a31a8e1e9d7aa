"""The service is killed in a thousand requests, again and again: the trail has all that was answered and let in."""

import json
import os
import signal
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events, rushes
from stream.audit.files import event_files
from stream.audit.keys import read_key
from stream.audit.verification import verify
from tests.support.many_requests import CONNECTIONS, PIPELINED, Answer, flooded
from tests.support.service_process import serving

KILLED_AFTER = (1, 200, 60, 120, 300)
"""So many answers."""
_A_ROUND = 100_000


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kills")
    clip = write_clip(root / "clip.mp4", seconds=3, fps=5, scenes=[3.0])
    run_events(light_settings(root / "state", root), [published(clip.path)])
    return root / "state"


class Kinds:
    """A request of each kind in turn: what is found, made, kept, streamed, not there, and not allowed."""

    def __init__(self, address: str) -> None:
        self._host = address.removeprefix("http://")
        (asset,) = httpx.get(f"{address}/v1/assets", params={"tenant": "default"}, timeout=60).json()["assets"]
        self._media = f"/v1/assets/default/{quote(asset['asset_id'], safe='')}/media"

    def __call__(self, number: int) -> bytes:
        match _kind(number):
            case 0:
                return self._made("GET", f"/v1/search?q=word{number}")
            case 1:
                return self._made("GET", self._media, "range: bytes=1-")
            case 2:
                return self._made("PUT", f"/v1/saved-searches/{_kept(number)}", body={"q": f"word{number}"})
            case 3:
                search = {"q": f"word{number}", "limit": 5}
                return self._made("POST", "/v1/exports", body={"format": "csv", "search": search})
            case 4:
                return self._made("GET", f"/v1/moments/none{number}?space=hash")
            case 5:
                return self._made("GET", "/v1/assets?tenant=default", "authorization: Bearer rsk_no")
            case 6:
                return self._made("GET", "/v1/facets")
            case _:
                return self._made("GET", f"/v1/assets?tenant=t{number}")

    def _made(self, method: str, path: str, *headers: str, body: Any = None) -> bytes:
        text = b"" if body is None else json.dumps(body).encode()
        about = [f"content-length: {len(text)}", "content-type: application/json"] if text else []
        head = [f"{method} {path} HTTP/1.1", f"host: {self._host}", *headers, *about]
        return "\r\n".join([*head, "", ""]).encode() + text


def _kind(number: int) -> int:
    # Of all kinds also among the numbers that go first over their connections.
    return (number + number // PIPELINED) % 8


def _kept(number: int) -> str:
    return f"kept{number % 80}"


def killed(state: Path, after: int, number: int, before: list[Answer]) -> list[Answer]:
    """What was answered until the kill. What was said to be kept `before` the last one is there."""
    with serving(state, "--root", str(state.parent)) as (process, address):
        kinds = Kinds(address)
        found = httpx.get(f"{address}/v1/saved-searches", timeout=60).json()["saved_searches"]
        kept = {_kept(answer.asked) for answer in before if _kind(answer.asked) == 2 and answer.status < 300}
        assert kept <= {item["name"] for item in found}
        port = int(address.rpartition(":")[2])
        answers, unanswered = flooded(
            port,
            kinds,
            stop_after=after,
            stop=lambda: os.kill(process.pid, signal.SIGKILL),
            first=number * _A_ROUND,
        )
    assert len(answers) >= after
    assert unanswered >= CONNECTIONS * PIPELINED * 9 // 10
    return answers


def events_of(trail: Path) -> list[dict[str, Any]]:
    # What lies behind the last end of a line was cut off, and is no event.
    texts = (path.read_bytes().split(b"\n")[1:-1] for path in event_files(trail))
    return [json.loads(line) for lines in texts for line in lines]


def assert_told(trail: Path, answers: list[Answer]) -> None:
    """Each answer has its admission and its outcome, or its denial; each outcome its admission; all ids are unique."""
    events = events_of(trail)
    uids = Counter(event["metadata"]["uid"] for event in events)
    assert uids.most_common(1)[0][1] == 1
    of: dict[str, list[str]] = defaultdict(list)
    for event in events:
        of[event["metadata"]["correlation_uid"]].append(event["status"])
    ends = {"Success", "Failure"}
    assert all(found[0] in {"Admitted", "Denied"} and len(found) <= 2 for found in of.values())
    for answer in answers:
        for uid in answer.ids:
            found = of[uid]
            assert found == ["Denied"] if answer.status == 401 else found[0] == "Admitted" and found[1] in ends
            assert (found[-1] == "Success") == (answer.status < 400)


def rounds(state: Path, kills: tuple[int, ...]) -> None:
    trail = state / "audit-service"
    answers: list[Answer] = []
    for number, after in enumerate(kills):
        answers += killed(state, after, number, answers)
        found = verify(trail, read_key(trail.with_name("audit-service.key")).verifier)
        assert not found.findings
        assert_told(trail, answers)
    asked = [uid for answer in answers for uid in answer.ids]
    assert len(asked) == len(set(asked)) >= sum(kills)
    assert {200, 401, 404} <= {answer.status for answer in answers}
    told = rushes(state, "--audit", trail, "audit", "verify")
    assert "nothing was changed" in told.out, told.out + told.err


def test_kills_leave_no_answer_without_its_events(stores: Path) -> None:
    rounds(stores, KILLED_AFTER)


@pytest.mark.long
def test_forty_kills_leave_no_answer_without_its_events(stores: Path) -> None:
    rounds(stores, tuple(1 + 37 * number % 900 for number in range(40)))
