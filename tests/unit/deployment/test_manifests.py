"""What is generated for a cluster obeys the schemas of Kubernetes and KEDA, and what this code needs of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from stream.clock import Clock, SystemClock
from stream.deployment.dashboard import dashboard, query
from stream.deployment.keda import scaled_objects
from stream.deployment.kubernetes import CACHE, GRACE_S, Rollout, manifests, max_replicas
from stream.errors import Fatal
from stream.net.addresses import NOT_PUBLIC_V4
from stream.observability.labels import of_deployment
from stream.observability.metrics import DEFINITIONS
from stream.pipelines.settings import Settings
from stream.pipelines.understanding import Understanding, reference_topology

TOPOLOGY = reference_topology()
ROLLOUT = Rollout("registry/rushes:1", "kafka-1:9093,kafka-2:9093", client_secret="kafka-client")
OPTIONS = (
    *("--image", "registry/rushes:1", "--broker", "kafka://kafka:9092", "--gpu"),
    *("--captioner", f"hf:{CACHE}/blip", "--embedder", f"hf:{CACHE}/clip", "--span", "60", "--private-network"),
    *(
        "--bucket",
        "rushes/acme/=acme/daily",
        "--bucket-secret",
        "footage",
        "--webhook",
        "https://example.org/hook",
        "--webhook-secret",
        "hook",
    ),
)


def deployments() -> Iterator[dict[str, Any]]:
    return (it for it in manifests(TOPOLOGY, ROLLOUT) if it["kind"] == "Deployment")


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def objects(directory: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((directory / "kubernetes.yaml").read_text()))


def arguments_by_name(directory: Path) -> dict[str, list[str]]:
    deployed = (it for it in objects(directory) if it["kind"] == "Deployment")
    return {it["metadata"]["name"]: container(it)["args"] for it in deployed}


def selected(policy: dict[str, Any]) -> list[str]:
    (expression,) = policy["podSelector"]["matchExpressions"]
    found: list[str] = expression["values"]
    return found


def mebibytes(quantity: str) -> int:
    assert quantity.endswith("Mi")
    return int(quantity[:-2])


def environment(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What a container takes from whole Secrets."""
    return container(document).get("envFrom", []) if document["kind"] == "Deployment" else []


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("manifests")
    done = CliRunner().invoke(app, ["manifests", str(directory), *OPTIONS])
    assert done.exit_code == 0, done.output
    return directory


def test_kubernetes_objects_obey_their_schemas(written: Path) -> None:
    documents = list(yaml.safe_load_all((written / "kubernetes.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.29", strict=True)
    names = [(it["kind"], it["metadata"]["name"]) for it in documents]
    assert len(names) == len(set(names))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**documents[-1], "sepc": 1}, "1.29", strict=True)


def test_scaled_objects_obey_their_schema(written: Path) -> None:
    documents = list(yaml.safe_load_all((written / "keda.yaml").read_text()))
    scaled = {stage.name for stage in TOPOLOGY.stages if stage.max_replicas != 1}
    assert {it["spec"]["scaleTargetRef"]["name"] for it in documents} == {f"rushes-{name}" for name in scaled}
    for document in documents:
        # The models drop fields they do not know: what comes back must be all that went in.
        kept = ScaledObject.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert kept == document
        assert document["spec"]["fallback"]["replicas"] <= document["spec"]["maxReplicaCount"]


def test_each_stage_has_a_deployment_whose_command_the_cli_knows(written: Path) -> None:
    found = {it["metadata"]["name"]: it for it in objects(written) if it["kind"] == "Deployment"}
    assert set(found) == {
        f"rushes-{name}" for name in [*(stage.name for stage in TOPOLOGY.stages), "exporter", "control"]
    }
    for deployment in found.values():
        made = container(deployment)
        done = CliRunner().invoke(app, [*made["command"][1:], *made["args"], "--help"])
        assert done.exit_code == 0, done.output


def test_workers_of_generated_deployments_start(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their own words, as far as the topology that has their stage."""
    started: list[str] = []

    def note(settings: Settings, names: Sequence[str], *_: Any, clock: Clock) -> None:
        topology = Understanding(settings, clock, epoch_ms=0).topology()
        started.extend(topology.stage(name).name for name in names)

    monkeypatch.setattr("stream.sessions.stage_process.run_deployed", note)
    for line in arguments_by_name(written).values():
        if line[0] == "run":
            assert CliRunner().invoke(app, line, catch_exceptions=False).exit_code == 0
    assert sorted(started) == sorted(stage.name for stage in TOPOLOGY.stages)


def test_options_reach_control_exporter_and_notifications(written: Path) -> None:
    documents = list(yaml.safe_load_all((written / "kubernetes.yaml").read_text()))
    (control,) = (it for it in documents if it["metadata"]["name"] == "rushes-control" and it["kind"] == "Deployment")
    made = container(control)
    assert made["args"][made["args"].index("--webhook") + 1] == "https://example.org/hook"
    assert made["env"] == [
        {"name": "RUSHES_WEBHOOK_SECRET", "valueFrom": {"secretKeyRef": {"name": "hook", "key": "secret"}}}
    ]
    (exporter,) = (it for it in documents if it["metadata"]["name"] == "rushes-exporter" and it["kind"] == "Deployment")
    assert {"--captions", "--notifications"} <= set(container(exporter)["args"])
    (notified,) = (
        it for it in documents if it["metadata"]["name"] == "rushes-notifications" and "template" in it["spec"]
    )
    arguments = container(notified)["args"]
    assert arguments[arguments.index("--bucket") + 1] == "rushes/acme/=acme/daily"


def test_workers_are_told_of_the_models_that_make_their_results(written: Path) -> None:
    """Sinks too: which groups read a topic decides what is trimmed."""
    found = arguments_by_name(written)
    for stage in reference_topology().stages:
        line = found[f"rushes-{stage.name}"]
        for option, value in (
            ("--captioner", f"hf:{CACHE}/blip"),
            ("--embedder", f"hf:{CACHE}/clip"),
            ("--span", "60.0"),
        ):
            assert line[line.index(option) + 1] == value
        assert "--private-network" in line
    devices = {name: line[line.index("--device") + 1] for name, line in found.items() if "--device" in line}
    assert devices == {"rushes-plan": "cpu", "rushes-understand": "cuda", "rushes-caption": "cpu"}
    (policy,) = (it["spec"] for it in objects(written) if it["metadata"]["name"] == "rushes-reading")
    assert policy["egress"][0]["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}]


def test_pods_that_read_a_bucket_may_and_can(written: Path) -> None:
    """Allowed by their command line, let in by a Secret's environment: a command line shows in every listing."""
    found = arguments_by_name(written)
    for name in ("rushes-plan", "rushes-decode"):
        assert "s3://rushes/acme" in [value for option, value in pairwise(found[name]) if option == "--root"]
    secret = {"secretRef": {"name": "footage"}}
    reading = {it["metadata"]["name"] for it in objects(written) if secret in environment(it)}
    assert reading == {"rushes-plan", "rushes-decode"}


def test_stores_in_buckets_need_no_volume_and_can_be_reached(tmp_path: Path) -> None:
    places = ["--index", "s3://stores/index", "--parquet", "s3://stores/parquet"]
    command = [*places, "manifests", str(tmp_path), *OPTIONS, "--store-secret", "stores"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    documents = objects(tmp_path)
    for document in documents:
        kubernetes_validate.validate(document, "1.29", strict=True)
    claims = {it["metadata"]["name"] for it in documents if it["kind"] == "PersistentVolumeClaim"}
    assert "rushes-state" not in claims
    index = next(it for it in documents if it["metadata"]["name"] == "rushes-index" and it["kind"] == "Deployment")
    command = container(index)["command"]
    assert [command[at + 1] for at, word in enumerate(command) if word in ("--index", "--parquet")] == places[1::2]
    assert {"secretRef": {"name": "stores"}} in environment(index)
    storing = next(it for it in documents if it["metadata"]["name"] == "rushes-storing")
    assert set(selected(storing["spec"])) == {"plan", "index", "parquet", "dead-letters"}


def test_a_store_in_a_directory_of_this_machine_is_refused_for_pods(tmp_path: Path) -> None:
    wanted = ["--index", str(tmp_path), "manifests", str(tmp_path / "out"), *OPTIONS]
    with pytest.raises(UsageProblem, match="is a directory of this machine"):
        CliRunner().invoke(app, wanted, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_without_a_bucket_no_store_is_allowed(tmp_path: Path) -> None:
    wanted = ["manifests", str(tmp_path), "--image", "i", "--broker", "kafka://kafka:9092"]
    assert CliRunner().invoke(app, wanted, catch_exceptions=False).exit_code == 0
    roots = [value for line in arguments_by_name(tmp_path).values() for it, value in pairwise(line) if it == "--root"]
    assert roots == ["/media", "/media"]
    with pytest.raises(UsageProblem, match="--bucket"):
        CliRunner().invoke(app, [*wanted, "--bucket-secret", "footage"], catch_exceptions=False)


def test_a_checkpoint_that_no_pod_sees_is_refused(tmp_path: Path) -> None:
    wanted = ["manifests", str(tmp_path / "out"), "--image", "i", "--broker", "kafka://kafka:9092"]
    for option in ("--embedder", "--captioner"):
        with pytest.raises(UsageProblem, match=f"{option}.*{CACHE}"):
            CliRunner().invoke(app, [*wanted, option, "hf:/home/me/clip"], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--bucket", "b={tenant}"], "tenant"),
        (["--scheme", "s3"], "--root s3://BUCKET/PREFIX"),
        (["--scheme", "simplecache", "--root", "s3://a"], "not a store with buckets"),
        (["--root", "/srv"], "--root /srv: pods read folders under /media"),
        (["--root", "s3://a/../b"], "relative"),
        (["--webhook-secret", "hook"], "--webhook-secret.*together"),
        (["--webhook", "https://hooks.example/"], "--webhook.*together"),
        (["--webhook", "hooks.example", "--webhook-secret", "hook"], "http or https URL"),
        (["--webhook", "https://hooks.example:99999/", "--webhook-secret", "hook"], "http or https URL"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_no_pod_could_start_with_is_refused(tmp_path: Path, more: list[str], words: str) -> None:
    wanted = ["manifests", str(tmp_path / "out"), "--image", "i", "--broker", "kafka://kafka:9092"]
    with pytest.raises((UsageProblem, Fatal), match=words):
        CliRunner().invoke(app, [*wanted, *more], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://hooks.example/x", 80), ("https://hooks.example", 443), ("https://hooks.example:8443/x", 8443)],
)
def test_control_is_let_out_to_the_webhooks_port_alone(tmp_path: Path, url: str, port: int) -> None:
    wanted = ["manifests", str(tmp_path), "--image", "i", "--broker", "kafka://kafka:9092", "--webhook", url]
    assert CliRunner().invoke(app, [*wanted, "--webhook-secret", "hook"], catch_exceptions=False).exit_code == 0
    ways = {it["metadata"]["name"]: it["spec"] for it in objects(tmp_path) if it["kind"] == "NetworkPolicy"}
    assert selected(ways["rushes-webhook"]) == ["control"]
    assert ways["rushes-webhook"]["egress"][0]["ports"] == [{"port": port, "protocol": "TCP"}]
    assert selected(ways["rushes-reading"]) == ["plan", "decode"]
    assert [it["port"] for it in ways["rushes-reading"]["egress"][0]["ports"]] == [80, 443]


def test_pods_are_let_out_to_public_addresses_alone() -> None:
    (way,) = (it for it in manifests(TOPOLOGY, ROLLOUT) if it["metadata"]["name"] == "rushes-reading")
    block = way["spec"]["egress"][0]["to"][0]["ipBlock"]
    assert block == {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC_V4)}


def test_single_writers_are_recreated_and_the_others_are_counted_by_keda() -> None:
    for stage in TOPOLOGY.stages:
        (spec,) = (it["spec"] for it in deployments() if it["metadata"]["name"] == f"rushes-{stage.name}")
        single = stage.max_replicas == 1
        assert spec["strategy"]["type"] == ("Recreate" if single else "RollingUpdate")
        assert spec.get("replicas") == (1 if single else None)


def test_writers_of_shards_are_rolled_and_counted_by_keda(tmp_path: Path) -> None:
    wanted = ["manifests", str(tmp_path), "--image", "i", "--broker", "kafka://kafka:9092", "--partitions", "16"]
    done = CliRunner().invoke(app, [*wanted, "--shards", "4", "--shards", "parquet=1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    specs = {it["metadata"]["name"]: it["spec"] for it in objects(tmp_path) if it["kind"] == "Deployment"}
    kinds = {name: specs[f"rushes-{name}"]["strategy"]["type"] for name in ("index", "parquet")}
    assert kinds == {"index": "RollingUpdate", "parquet": "Recreate"}
    lines = arguments_by_name(tmp_path)
    for stage in ("index", "parquet", "plan"):
        assert pairwise_of(lines[f"rushes-{stage}"], "--shards") == ["4", "parquet=1"]
    assert "--shards=index=4" in lines["rushes-exporter"]
    assert not any("parquet" in word for word in lines["rushes-exporter"])
    scaled = {it["metadata"]["name"]: it["spec"] for it in yaml.safe_load_all((tmp_path / "keda.yaml").read_text())}
    assert scaled["rushes-index"]["maxReplicaCount"] == 4
    assert "rushes-parquet" not in scaled
    (writers,) = (
        rule
        for group in yaml.safe_load((tmp_path / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "RushesTwoWriters"
    )
    assert "parquet" in writers["expr"]
    assert "index" not in writers["expr"]


def pairwise_of(line: Sequence[str], option: str) -> list[str]:
    """The values of an option that is given more than once."""
    return [value for name, value in pairwise(line) if name == option]


def test_pods_are_locked_down() -> None:
    for deployment in deployments():
        pod, made = deployment["spec"]["template"]["spec"], container(deployment)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert made["securityContext"]["readOnlyRootFilesystem"] is True
        assert made["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {made[f"{probe}Probe"]["httpGet"]["path"] for probe in ("liveness", "readiness")} == {
            "/healthz",
            "/readyz",
        }
        assert {mount["name"] for mount in made["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_a_pod_is_given_more_time_than_a_drain_takes() -> None:
    assert Settings(state_dir=Path(), cache_dir=Path()).drain_timeout_s < GRACE_S


def test_only_stages_that_store_see_the_stores() -> None:
    mounted = {
        it["metadata"]["name"]
        for it in deployments()
        if any(mount["name"] == "state" for mount in container(it)["volumeMounts"])
    }
    assert mounted == {"rushes-plan", "rushes-index", "rushes-parquet", "rushes-dead-letters"}


def test_a_stage_on_gpus_asks_for_one(written: Path) -> None:
    limits = {
        it["metadata"]["name"]: container(it)["resources"]["limits"].get("nvidia.com/gpu")
        for it in yaml.safe_load_all((written / "kubernetes.yaml").read_text())
        if it["kind"] == "Deployment"
    }
    assert {name for name, count in limits.items() if count == "1"} == {"rushes-understand"}


def test_a_decode_child_dies_of_its_own_limit_before_its_pod_does() -> None:
    understanding = Understanding(Settings(state_dir=Path(), cache_dir=Path()), SystemClock(), epoch_ms=0)
    try:
        children_bytes = len(understanding.pool.pids) * understanding.pool._limits.memory_bytes
    finally:
        understanding.close()
    for name in ("plan", "decode"):
        (found,) = (container(it)["resources"] for it in deployments() if it["metadata"]["name"] == f"rushes-{name}")
        limit, asked = (mebibytes(found[kind]["memory"]) for kind in ("limits", "requests"))
        assert limit - asked >= children_bytes >> 20
        assert asked <= 2048, "what is rarely taken is not reserved"


def test_replicas_are_bounded_by_partitions() -> None:
    assert max_replicas(TOPOLOGY.stage("decode"), 8) == 4
    assert max_replicas(TOPOLOGY.stage("plan"), 8) == 8
    assert max_replicas(TOPOLOGY.stage("index"), 8) == 1


def test_objects_of_two_deployments_in_one_namespace_do_not_meet() -> None:
    made = [list(manifests(TOPOLOGY, replace(ROLLOUT, deployment=name))) for name in ("rushes", "night")]
    names = [{(it["kind"], it["metadata"]["name"]) for it in found if it["kind"] != "Namespace"} for found in made]
    assert not names[0] & names[1]
    assert {name for _, name in names[1]} == {"night"} | {
        name.replace("rushes", "night", 1) for _, name in names[0] if name != "rushes"
    }
    text = [json.dumps([it for it in found if it["kind"] != "Namespace"]) for found in made]
    assert '"app.kubernetes.io/name": "rushes"' not in text[1]
    assert '"--deployment", "night"' in text[1]
    assert "--deployment" not in text[0]
    (query, *_) = (
        it["spec"]["triggers"][0]["metadata"]["query"]
        for it in scaled_objects(TOPOLOGY, replace(ROLLOUT, deployment="night"), prometheus="http://p")
    )
    assert query.startswith('max(rushes_desired_replicas{deployment="night",stage=')


def test_the_dashboard_shows_each_definition_once_and_no_panel_over_another(written: Path) -> None:
    found = json.loads((written / "dashboard.json").read_text())
    assert found == dashboard()
    panels = [it for it in found["panels"] if it["type"] != "row"]
    assert sorted(it["targets"][0]["expr"] for it in panels) == sorted(
        of_deployment(query(it), '="$deployment"') for it in DEFINITIONS
    )
    assert len({it["id"] for it in found["panels"]}) == len(found["panels"])
    assert len({it["title"] for it in panels}) == len(panels)
    taken = [cell for it in found["panels"] for cell in _cells(it["gridPos"])]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y
