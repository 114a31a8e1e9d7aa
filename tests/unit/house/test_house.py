"""What holds for the tree as a whole: light imports, short files, documents that tell the truth."""

import ast
import re
import subprocess
from pathlib import Path

from deploy.generate_docs import blocks, documents, regenerated
from stream.pipelines.reference import whole_topology
from tests.support.programs import program

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("torch", "av", "lancedb", "confluent_kafka", "deltalake", "transformers", "onnxruntime")


def test_importing_the_packages_loads_nothing_heavy() -> None:
    done = subprocess.run(program("import_packages", *HEAVY), capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_files_stay_short() -> None:
    folders = ("stream", "decoders", "models", "sinks", "benchmarks", "deploy", "tests")
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_generated_blocks_are_up_to_date() -> None:
    texts = blocks()
    used = set()
    for path in documents():
        text = path.read_text()
        used |= set(re.findall(r"<!-- generated:([a-z-]+) -->", text))
        assert regenerated(text, texts) == text, f"{path.relative_to(ROOT)}: run `make docs`"
    assert used == set(texts)


def test_topology_reads_and_draws_every_stage() -> None:
    topology = whole_topology()
    for stage in topology.stages:
        assert stage.name in topology.to_text()
        assert f"[{stage.name}]" in topology.to_mermaid()
    assert [stage.name for stage in topology.readers("annotations")] == ["caption", "index", "parquet"]


def test_each_public_class_is_defined_once() -> None:
    """A reader who meets a name knows which class it is."""
    homes: dict[str, list[str]] = {}
    for folder in ("stream", "decoders", "models", "sinks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


OTHERWISE_MEANT = {
    ("stream/cli/app.py", "dead-letters"): "the command about that stage's store",
    ("stream/cli/auditing.py", "dead-letters"): "the command about that stage's store",
    ("stream/cli/commands/assets.py", "caption"): "a field of a hit",
    ("stream/search/exports.py", "caption"): "a field of a hit",
    ("stream/search/hit.py", "caption"): "a field of a hit",
    ("stream/search/timeline_export.py", "caption"): "a field of a hit",
    ("stream/service/page/dead_letter_routes.py", "dead-letters"): "an address",
    ("stream/service/browsers.py", "dead-letters"): "an address",
    ("stream/service/routes/dead_letters.py", "dead-letters"): "an address",
    ("stream/service/routes/exports.py", "parquet"): "a format of files",
    ("stream/service/schemas/exports.py", "parquet"): "a format of files",
    ("stream/service/schemas/examples.py", "caption"): "a field of a hit",
    ("stream/control/state.py", "rushes-control"): "the name of the app itself, which nothing else asks for",
    ("stream/deployment/kubernetes.py", "webhook"): "an object called after the option that makes it",
    ("stream/events/annotations.py", "caption"): "a column",
    ("stream/events/asset.py", "decode"): "part of the digest of decode settings",
    ("stream/media/child.py", "render"): "what an operator is asked to do",
    ("stream/media/rendering.py", "render"): "what an operator is asked to do",
    ("stream/topology/stage.py", "decode"): "a role",
    ("stream/topology/topics.py", "dead-letters"): "a topic",
    ("stream/topology/topics.py", "notifications"): "a topic",
}


def test_the_engine_names_no_stage() -> None:
    """What a stage is like is said by the stage: see `tests/worker/test_topology_of_its_own.py`."""
    stages = {stage.name for stage in whole_topology().stages}
    assert stages > {"plan", "decode", "rushes-control", "webhook"}
    found = set()
    for path in (ROOT / "stream").rglob("*.py"):
        room = path.relative_to(ROOT).parts[1]
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        words = {word for text in texts if isinstance(text, str) for word in re.split("[|,/=]", text)}
        if room not in {"pipelines", "operators"}:
            found |= {(str(path.relative_to(ROOT)), word) for word in words & stages}
    assert found == OTHERWISE_MEANT.keys()


def test_each_package_says_what_belongs_there() -> None:
    for folder in ("stream", "decoders", "models", "sinks"):
        for path in (ROOT / folder).rglob("__init__.py"):
            assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40, path


def test_the_table_of_rooms_names_every_room() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Where things are")[2]
    for path in (ROOT / "stream").iterdir():
        if (path / "__init__.py").is_file():
            assert f"`stream/{path.name}`" in table
    for family in ("decoders", "models", "sinks"):
        for path in (ROOT / family).iterdir():
            if (path / "__init__.py").is_file():
                assert f"`{path.name}`" in table


def test_benchmarks_import_no_tests() -> None:
    for path in (ROOT / "benchmarks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.partition(".")[0] == "tests"], path
