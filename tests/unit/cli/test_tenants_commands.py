"""`rushes tenants` as an operator uses it on one machine."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import yaml

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import ingest, rushes
from stream.cli.app import app
from stream.cli.execution import CANNOT_RUN, execute


def call(state: Path, *words: str) -> tuple[int, str, str]:
    """Exit code and what was written."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = execute(app, ["--state", str(state), "tenants", *words])
    return code, out.getvalue(), err.getvalue()


def test_tenants_are_added_changed_shown_and_removed(tmp_path: Path) -> None:
    assert "No tenant has" in call(tmp_path, "list")[1]
    code, out, _ = call(tmp_path, "add", "acme", "--project", "news", "--project", "sport", "--region", "eu")
    assert (code, "assets.acme" in out) == (0, True)
    (listed,) = json.loads(call(tmp_path, "list", "--json")[1])
    assert listed | {"producers": [], "quotas": {}} == json.loads(call(tmp_path, "show", "acme", "--json")[1])
    assert (listed["projects"], listed["regions"]) == (["news", "sport"], ["eu"])
    assert "news, sport" in call(tmp_path, "show", "acme")[1]
    assert "assets.acme" in call(tmp_path, "list")[1]
    # What is not named stays: a limit is never lifted by leaving it out.
    changed = call(tmp_path, "add", "acme", "--region", "us")[1]
    assert "projects: news, sport\n" in changed
    assert "regions: us (before: eu)" in changed
    assert "projects: any (before: news, sport)" in call(tmp_path, "add", "acme", "--any-project")[1]
    assert "regions: us" in call(tmp_path, "show", "acme")[1]
    for words in (("--any-region", "--region", "eu"), ("--producer-byte-rate", "9"), ("--principal", "acme")):
        assert call(tmp_path, "add", "acme", *words)[0] == CANNOT_RUN, words
    assert call(tmp_path, "remove", "acme")[0] == 0
    code, _, err = call(tmp_path, "remove", "acme")
    assert (code, "tenants list" in err) == (CANNOT_RUN, True)
    assert call(tmp_path, "add", "acme", "--principal", "User:acme")[0] == CANNOT_RUN
    code, _, err = call(tmp_path, "add", "a.b")
    assert (code, "tenant" in err) == (CANNOT_RUN, True)


def test_a_registered_tenant_publishes_what_it_may(tmp_path: Path) -> None:
    clip, state = write_clip(tmp_path / "a.mp4", seconds=2, fps=5, size=(64, 48)).path, tmp_path / "state"
    call(state, "add", "acme", "--project", "news")
    refused = rushes(state, "ingest", clip, "--light", "--tenant", "acme", "--project", "drama")
    assert refused.code == CANNOT_RUN
    assert "use news" in refused.err
    taken = ingest(state, clip, "--tenant", "acme", "--project", "news")
    assert [(it["tenant"], it["status"]) for it in taken.document["assets"]] == [("acme", "ready")]


def test_the_manifests_of_a_deployment_with_tenants_have_one_gate(tmp_path: Path) -> None:
    words = ["manifests", str(tmp_path), "--image", "i", "--broker", "kafka://kafka:9092", "--gate"]
    assert execute(app, words) == 0
    objects = list(yaml.safe_load_all((tmp_path / "kubernetes.yaml").read_text()))
    (gate,) = (it["spec"] for it in objects if (it["kind"], it["metadata"]["name"]) == ("Deployment", "rushes-gate"))
    assert (gate["replicas"], gate["strategy"]["type"]) == (1, "Recreate")


def test_a_tenant_with_sources_publishes_no_file_of_another(tmp_path: Path) -> None:
    state, mine, other = tmp_path / "state", tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        write_clip(folder / f"{folder.name}.mp4", seconds=2, fps=5, size=(64, 48))
    (mine / "link.mp4").symlink_to(other / "other.mp4")
    assert call(state, "add", "acme", "--source", str(mine))[0] == 0
    assert str(mine) in call(state, "show", "acme")[1]
    done = ingest(state, mine / "mine.mp4", mine / "link.mp4", other / "other.mp4", "--tenant", "acme")
    told = {Path(it["asset_id"]).name: (it["status"], it["code"]) for it in done.document["assets"]}
    refused = ("failed", "not_found")
    assert told == {"mine.mp4": ("ready", None), "link.mp4": refused, "other.mp4": refused}
    assert call(state, "add", "acme", "--source", "s3://")[0] == CANNOT_RUN
