"""`rushes serve` as a process: it answers, keeps its trail through kills, and ends when it is asked to."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events, rushes
from stream.audit.keys import read_key
from stream.audit.verification import verify
from tests.support.service_process import serving


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve")
    clip = write_clip(root / "clip.mp4", seconds=3, fps=5, scenes=[3.0])
    run_events(light_settings(root / "state", root), [published(clip.path)])
    return root / "state"


def answered(address: str, count: int) -> list[str]:
    """The ids of requests that were answered among `count` concurrent ones, some of which a kill may cut off."""

    def ask(number: int) -> str | None:
        try:
            answer = httpx.get(f"{address}/v1/assets", params={"tenant": f"t{number}"}, timeout=30)
        except httpx.HTTPError:
            return None
        return f"t{number}" if answer.status_code == 200 else None

    with ThreadPoolExecutor(16) as threads:
        return [name for name in threads.map(ask, range(count)) if name is not None]


def test_it_answers_and_ends(state: Path) -> None:
    with serving(state) as (process, address):
        answer = httpx.get(f"{address}/v1/search", params={"q": "a red bus"}, timeout=60).json()
        assert answer["hits"][0]["tenant"] == "default"
        assert httpx.get(f"{address}{answer['hits'][0]['thumbnail']}").headers["content-type"] == "image/jpeg"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "red bus" not in err
    trail = rushes(state, "--audit", state / "audit-service", "audit", "verify")
    assert "4 events, 1 checkpoints: nothing was changed" in trail.out, trail.err


def test_kills_leave_no_answer_without_its_events(state: Path) -> None:
    trail = state / "audit-service"
    for _ in range(3):
        with serving(state) as (process, address):
            httpx.get(f"{address}/healthz")
            timer = threading.Timer(0.5, os.kill, (process.pid, signal.SIGKILL))
            timer.start()
            names = answered(address, 300)
            timer.join()
        found = verify(trail, read_key(trail.with_name("audit-service.key")).verifier)
        ends = [item for item in found.findings if "cut off" not in item.text]
        assert not ends
        text = b"".join(path.read_bytes() for path in trail.glob("*.jsonl"))
        for name in names:
            lines = [line for line in text.splitlines() if f'"tenant_uid":"{name}"'.encode() in line]
            assert any(b'"status":"Admitted"' in line for line in lines)
            assert any(b'"status":"Success"' in line for line in lines)
    with serving(state):  # a trail that a kill cut off goes on
        pass
    assert verify(trail, read_key(trail.with_name("audit-service.key")).verifier).holds


def test_others_reach_it_only_with_roles(state: Path) -> None:
    refused = rushes(state, "serve", "--host", "0.0.0.0")
    assert refused.code == 2
    assert "rushes access give" in refused.err


def test_a_port_that_is_taken_is_said(state: Path) -> None:
    with serving(state) as (_, address):
        refused = rushes(state, "serve", "--port", address.rpartition(":")[2])
    assert refused.code == 2
    assert "cannot_listen" in refused.err
