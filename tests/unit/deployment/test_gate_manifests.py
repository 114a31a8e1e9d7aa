"""What is generated for the gate."""

from pathlib import Path

import kubernetes_validate
import yaml
from typer.testing import CliRunner

from stream.cli.app import app
from stream.deployment.kubernetes import AUDIT


def test_the_gate_has_a_trail_on_a_volume_of_its_own(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["manifests", str(tmp_path), "--image", "i", "--broker", "kafka://kafka:9092", "--gate"]
    )
    assert done.exit_code == 0, done.output
    made = {
        (it["kind"], it["metadata"]["name"]): it
        for it in yaml.safe_load_all((tmp_path / "kubernetes.yaml").read_text())
    }
    for document in made.values():
        kubernetes_validate.validate(document, "1.29", strict=True)
    assert made["PersistentVolumeClaim", "rushes-audit"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    gate = made["Deployment", "rushes-gate"]
    assert gate["spec"]["strategy"] == {"type": "Recreate"}
    pod = gate["spec"]["template"]["spec"]
    (first,), (worker,) = pod["initContainers"], pod["containers"]
    assert {"name": "audit", "mountPath": AUDIT, "readOnly": False} in worker["volumeMounts"]
    assert first["securityContext"]["readOnlyRootFilesystem"] is True
    # Twice, as a pod may start again; in the test's own folder.
    init, trail = [*first["command"][1:], *first["args"]], str(tmp_path / "audit" / "gate")
    init[init.index("--audit") + 1] = trail
    lines = [CliRunner().invoke(app, init) for _ in range(2)]
    assert [line.exit_code for line in lines] == [0, 0], lines[0].output
    assert lines[0].stdout == lines[1].stdout
    assert lines[0].stdout.startswith("rushes/gate+")
    assert worker["command"][worker["command"].index("--audit") + 1] == f"{AUDIT}/gate"
    assert CliRunner().invoke(app, [*worker["command"][1:], *worker["args"], "--help"]).exit_code == 0
