"""What is delivered: it can be checked by who has it, what is gone is brought again, and tenants have places apart."""

import json
import threading
from pathlib import Path

import pytest

from stream.clock import SystemClock
from stream.errors import BadRequest
from stream.events.jobs import JobControlled
from stream.jobs.reports import variants_name
from stream.pipelines.jobs import JobPipeline
from stream.sessions.job_verification import verify_delivery
from stream.sessions.jobs_embedded import EmbeddedJobs, command, scratch_within
from tests.support.finished_jobs import finished_job

ONE = """
version: 1
name: spring
parameters: {mode: zip, axes: {word: [red, blue]}}
stages:
  - {name: write, operator: write, settings: {text: "${word}"}}
  - {name: upper, operator: upper, inputs: {text: "stage:write"}}
finals: [write, upper]
"""


def control(jobs: JobPipeline, action: str) -> None:
    clock = SystemClock()
    data = JobControlled.model_validate({"job": "spring", "action": action})
    with scratch_within(jobs.settings) as held, EmbeddedJobs(held, clock) as session:
        session.publish([command("acme", "ads", data, clock.now_ms())])
        session.run(threading.Event(), lambda: False, lambda: None, until_quiet=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_a_delivery_is_checked_by_who_has_it_and_what_is_gone_is_brought_again(tmp_path: Path) -> None:
    jobs = finished_job(tmp_path / "state", "acme", "ads", template=ONE, deliver_to=tmp_path / "out")
    before = content(tmp_path / "out")
    (folder,) = (tmp_path / "out/spring").glob("red-*")
    envelope = (folder / "manifest.json").read_bytes()
    assert jobs.key is not None
    assert verify_delivery(envelope, jobs.key.public_key(), folder).files == {
        "write-text.txt": "",
        "upper-text.txt": "",
    }
    (folder / "write-text.txt").unlink()
    (folder / "manifest.json").unlink()
    other = folder / "upper-text.txt"
    whole = other.read_bytes()
    other.chmod(0o644)
    other.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    found = verify_delivery(envelope, jobs.key.public_key(), folder)
    assert not found.holds
    assert found.files["write-text.txt"] == "it is not there"
    assert "its bytes are others" in found.files["upper-text.txt"]
    other.write_bytes(whole)
    control(jobs, "deliver")
    # The manifest too: its times are those of the first delivery.
    assert content(tmp_path / "out") == before
    rows = json.loads(jobs.store.documents.read(variants_name("acme", "spring")) or b"")
    assert {row["state"] for row in rows} == {"done"}


def test_a_manifest_of_a_stranger_leads_out_of_no_folder(tmp_path: Path) -> None:
    jobs = finished_job(tmp_path / "state", "acme", "ads", template=ONE, deliver_to=tmp_path / "out")
    (folder,) = (tmp_path / "out/spring").glob("red-*")
    envelope = (folder / "manifest.json").read_bytes()
    (folder / "write-text.txt").unlink()
    (folder / "write-text.txt").symlink_to(folder / "upper-text.txt")
    assert (
        verify_delivery(envelope, None, folder).files["write-text.txt"]
        == "its name is none of a file beside the manifest"
    )
    with pytest.raises(BadRequest, match="not written as a manifest is"):
        verify_delivery(envelope + b" ", None, folder)
    assert jobs.settings.key is not None


def test_tenants_deliver_to_places_apart(tmp_path: Path) -> None:
    root = str(tmp_path / "out")
    places = {"own": tmp_path / "out/acme/x", "other": tmp_path / "out/umbrella", "above": tmp_path / "out"}
    states = {}
    for name, place in places.items():
        jobs = finished_job(
            tmp_path / name, "acme", "ads", template=ONE, deliver_to=place, deliver_roots=(root, "umbrella=/elsewhere")
        )
        rows = json.loads(jobs.store.documents.read(variants_name("acme", "spring")) or b"")
        states[name] = {row.get("code", row["state"]) for row in rows}
    assert states == {"own": {"done"}, "other": {"delivery_refused"}, "above": {"delivery_refused"}}
    assert not (tmp_path / "out/umbrella").exists()
