"""`rushes serve` as a process: it answers, and ends when it is asked to."""

import signal
from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events, rushes
from tests.support.service_process import serving


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve")
    clip = write_clip(root / "clip.mp4", seconds=3, fps=5, scenes=[3.0])
    run_events(light_settings(root / "state", root), [published(clip.path)])
    return root / "state"


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


def test_others_reach_it_only_with_roles(state: Path) -> None:
    refused = rushes(state, "serve", "--host", "0.0.0.0")
    assert refused.code == 2
    assert "rushes access give" in refused.err


def test_a_port_that_is_taken_is_said(state: Path) -> None:
    with serving(state) as (_, address):
        refused = rushes(state, "serve", "--port", address.rpartition(":")[2])
    assert refused.code == 2
    assert "cannot_listen" in refused.err
