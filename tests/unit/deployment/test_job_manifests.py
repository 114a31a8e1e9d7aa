"""The stages of jobs on a cluster: one coordinator that keeps its register, renderers that follow their backlog."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from typer.testing import CliRunner

from stream.cli.app import app
from stream.cli.context import UsageProblem
from stream.cli.options.observer import deployed
from stream.freshness.snapshot import unlinked
from stream.pipelines.jobs import COORDINATE, NOTIFY, RENDER

IMAGE = f"registry/rushes@sha256:{'ab' * 32}"
BASE = ("--image", IMAGE, "--broker", "kafka://kafka:9092", "--partitions", "6", "--partitions", "tasks=24")
JOBS = (
    *("--jobs-objects", "s3://media/jobs", "--jobs-secret", "jobs"),
    *("--deliver-root", "s3://media/finals", "--deliver-root", "acme=s3://acme/ads"),
    *("--jobs-webhook", "https://hooks.example:8443/jobs", "--jobs-webhook-secret", "told"),
    *("--jobs-keep-days", "7", "--jobs-keep-parts-days", "1.5"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("manifests")
    done = CliRunner().invoke(app, ["manifests", str(directory), *BASE, *JOBS], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return directory


def documents(written: Path, kind: str) -> dict[str, dict[str, Any]]:
    found = list(yaml.safe_load_all((written / "kubernetes.yaml").read_text()))
    for each in found:
        kubernetes_validate.validate(each, "1.29", strict=True)
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_commands_of_both_stages_are_ones_that_the_command_line_knows(written: Path) -> None:
    found = documents(written, "Deployment")
    coordinate, render = (container(found[f"rushes-{name}"])["args"] for name in (COORDINATE, RENDER))
    for words in (coordinate, render):
        assert words[:2] == ["jobs", "run"]
        assert ("--objects", "s3://media/jobs") in pairwise(words)
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
    assert ("--slots", "48") in pairwise(coordinate)
    assert coordinate[coordinate.index("--keep-days") :][:4] == ["--keep-days", "7", "--keep-parts-days", "1.5"]
    assert "--keep-days" not in render
    assert [value for name, value in pairwise(render) if name == "--deliver-root"] == list(JOBS[5:8:2])
    assert ("--image-digest", f"sha256:{'ab' * 32}") in pairwise(render)
    assert "--jobs" in container(found["rushes-exporter"])["args"]


def test_the_register_outlives_its_pod_and_has_one_writer(written: Path) -> None:
    coordinate = documents(written, "Deployment")["rushes-coordinate"]
    assert (coordinate["spec"]["replicas"], coordinate["spec"]["strategy"]["type"]) == (1, "Recreate")
    volumes = coordinate["spec"]["template"]["spec"]["volumes"]
    claims = [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]
    assert claims == ["rushes-register"]
    assert documents(written, "PersistentVolumeClaim")["rushes-register"]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_renderers_have_room_secrets_a_way_out_and_time_to_finish(written: Path) -> None:
    render = documents(written, "Deployment")["rushes-render"]
    pod, made = render["spec"]["template"]["spec"], container(render)
    mounts = {mount["name"]: mount["mountPath"] for mount in made["volumeMounts"]}
    assert {"scratch", "cache"} <= set(mounts)
    assert made["command"][made["command"].index("--state") + 1] == mounts["scratch"]
    assert made["envFrom"] == [{"secretRef": {"name": "jobs"}}]
    assert pod["terminationGracePeriodSeconds"] > 60
    way = documents(written, "NetworkPolicy")["rushes-jobs"]["spec"]
    assert way["podSelector"]["matchExpressions"][0]["values"] == [COORDINATE, RENDER]


def test_whoever_is_told_of_jobs_gets_it_from_one_pod_with_one_secret(written: Path) -> None:
    notify = documents(written, "Deployment")["rushes-notify"]
    made = container(notify)
    assert made["args"][:5] == ["jobs", "run", NOTIFY, "--webhook", "https://hooks.example:8443/jobs"]
    assert CliRunner().invoke(app, [*made["args"], "--help"]).exit_code == 0
    key = {"name": "told", "key": "secret"}
    assert made["env"] == [{"name": "RUSHES_WEBHOOK_SECRET", "valueFrom": {"secretKeyRef": key}}]
    # Neither what opens the store nor what signs manifests.
    assert "envFrom" not in made
    assert notify["spec"]["replicas"] == 1
    ways = documents(written, "NetworkPolicy")
    way = ways["rushes-job-webhook"]["spec"]
    assert way["podSelector"]["matchExpressions"][0]["values"] == [NOTIFY]
    assert way["egress"][0]["ports"] == [{"port": 8443, "protocol": "TCP"}]


def test_renderers_are_scaled_by_what_waits_for_them(written: Path) -> None:
    scaled = {each["metadata"]["name"]: each for each in yaml.safe_load_all((written / "keda.yaml").read_text())}
    assert "rushes-coordinate" not in scaled
    assert ScaledObject.model_validate(scaled["rushes-render"])
    # Two tasks at a time in each, and none without a partition.
    assert scaled["rushes-render"]["spec"]["maxReplicaCount"] == 12
    assert {stage.name for stage in unlinked(deployed(jobs=True))} >= {COORDINATE, RENDER}
    assert not {COORDINATE, RENDER} & {stage.name for stage in deployed().stages}
    # Only where it runs: a group that nobody is in would seem to be far behind.
    assert NOTIFY not in {stage.name for stage in deployed(jobs=True).stages}
    assert {COORDINATE, NOTIFY} <= {stage.name for stage in deployed(notify=True).stages}


def test_two_coordinators_and_a_standing_queue_are_told_of(written: Path) -> None:
    rules = [
        each for group in yaml.safe_load((written / "alerts.yaml").read_text())["groups"] for each in group["rules"]
    ]
    (writers,) = (each for each in rules if each["alert"] == "RushesTwoWriters")
    assert COORDINATE in writers["expr"]
    assert "tasks" in (written / "dashboard.json").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--jobs-secret", "s"], "--jobs-secret without --jobs-objects"),
        (["--deliver-root", "s3://a/b"], "--deliver-root without --jobs-objects"),
        (["--jobs-keep-days", "1"], "--jobs-keep-days without --jobs-objects"),
        (["--jobs-keep-parts-days", "1"], "--jobs-keep-parts-days needs --jobs-keep-days"),
        (["--jobs-webhook", "https://a/b", "--jobs-webhook-secret", "s"], "--jobs-webhook without --jobs-objects"),
        (["--jobs-webhook-secret", "s"], "--jobs-webhook-secret without --jobs-webhook"),
        (["--jobs-objects", "/srv/jobs"], "--jobs-objects .*directory of this machine"),
        (["--jobs-objects", "ftp://[::1"], "--jobs-objects"),
    ],
)
def test_what_no_pod_could_start_with_is_refused(tmp_path: Path, more: list[str], words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        CliRunner().invoke(app, ["manifests", str(tmp_path / "out"), *BASE, *more], catch_exceptions=False)
    assert not (tmp_path / "out").exists()
