"""What holds for the tree as a whole: light imports, short files, documents that tell the truth."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.generate_docs import blocks, regenerated
from stream.errors import Fatal
from stream.pipelines.understanding import reference_topology
from stream.stage import Stage
from stream.topology import Topology

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("torch", "av", "lancedb", "confluent_kafka", "deltalake", "transformers", "onnxruntime")


def test_importing_the_packages_loads_nothing_heavy() -> None:
    code = f"import sys, stream, decoders, models, sinks; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/**/*.py")), ids=str)
def test_files_stay_short(path: Path) -> None:
    if ".venv" in path.parts or "build" in path.parts:
        return
    assert len(path.read_text().splitlines()) <= 400


def test_generated_blocks_are_up_to_date() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert "```mermaid" in text
    assert regenerated(text, blocks()) == text, "run `make docs`"


def test_topology_reads_and_draws_every_stage() -> None:
    topology = reference_topology()
    for stage in topology.stages:
        assert stage.name in topology.to_text()
        assert f"[{stage.name}]" in topology.to_mermaid()
    assert [stage.name for stage in topology.readers("annotations")] == ["caption", "index", "parquet"]


def test_a_broken_topology_lists_everything_that_is_wrong() -> None:
    good = reference_topology().stage("index")
    twice = Stage("index", good.sources, ("frames",), good.operator, concurrency=2, max_replicas=1)
    with pytest.raises(Fatal) as caught:
        Topology((good, twice, Stage("odd", ("nowhere",), (), good.operator, throttled_by=("spans",))))
    for words in ("stands twice", "single writer", "unknown topic 'nowhere'", "which nothing reads", "throttled by"):
        assert words in caught.value.message
