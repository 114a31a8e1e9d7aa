"""What every media operator of the registry promises (`stream.media.protocol.MediaOperator`)."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from stream.errors import BadMedia, BadRequest
from stream.media import REGISTRY
from stream.media.protocol import MediaOperator, Part, Task
from tests.support.media_examples import EXAMPLES, Example, made, operator_beside, work
from tests.support.programs import ROOT, program


@dataclass(frozen=True, slots=True)
class Done:
    """An example whose work is done once, for all tests of its operator."""

    name: str
    operator: MediaOperator
    example: Example
    folder: Path
    inputs: Mapping[str, Path]
    before: Mapping[str, bytes]
    task: Task
    outputs: Mapping[str, bytes]


def _marked(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.weights if EXAMPLES[name].weights else ())


@pytest.fixture(scope="module", params=[_marked(name) for name in sorted(REGISTRY)])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    name: str = request.param
    example = EXAMPLES[name]
    request.getfixturevalue("require_weights")(*example.weights)
    folder = tmp_path_factory.mktemp("inputs")
    inputs = example.make(folder)
    operator = operator_beside(name, folder)
    before = {key: path.read_bytes() for key, path in inputs.items()}
    task = work(operator, example.settings, inputs, tmp_path_factory.mktemp("work") / "first")
    return Done(name, operator, example, folder, inputs, before, task, made(operator, task))


def test_settings_come_back_with_every_default_and_stay(done: Done) -> None:
    settings = done.task.settings
    assert settings.keys() >= done.example.settings.keys()
    assert done.operator.check(settings, sorted(done.inputs)) == settings
    assert json.loads(json.dumps(settings)) == settings


def test_a_wrong_field_is_named(done: Done) -> None:
    with pytest.raises(BadRequest, match="no_such_field") as caught:
        done.operator.check({**done.example.settings, "no_such_field": 1}, sorted(done.inputs))
    assert caught.value.code == "template_invalid"


def test_it_writes_its_outputs_and_nothing_else(done: Done) -> None:
    assert done.outputs.keys() == done.operator.outputs(done.task.settings).keys()
    assert all(done.outputs.values())
    assert list(done.task.scratch.iterdir()) == []
    assert {key: path.read_bytes() for key, path in done.inputs.items()} == done.before


def test_parts_are_small_json_of_the_inputs_alone(done: Done) -> None:
    parts = list(done.operator.divide(done.task))
    assert len(parts) == done.example.parts
    assert parts == list(done.operator.divide(done.task))
    for part in parts:
        assert len(json.dumps(part)) < 4000
        assert str(done.task.folder.parent) not in json.dumps(part)
        assert json.loads(json.dumps(part)) == part


def test_another_process_in_another_order_gives_the_same_bytes(done: Done, tmp_path: Path) -> None:
    elsewhere = {**os.environ, "LC_ALL": "C", "TZ": "Asia/Kolkata", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    # With glibc: memory that nobody has written yet is full of this, as after other work, and not of zeros.
    elsewhere["MALLOC_PERTURB_"] = "85"
    ran = subprocess.run(
        program("make_media", done.name, done.folder, tmp_path / "a deeper" / "folder"),
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=elsewhere,
        text=True,
        umask=0o077,
    )
    told = dict(line.split() for line in ran.stdout.splitlines())
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in done.outputs.items()}


def test_the_toolchain_is_named(done: Done) -> None:
    chain = done.operator.toolchain(done.task.settings)
    assert chain
    assert all(isinstance(value, str) and value for value in chain.values())
    assert done.operator.version >= 1


class Stopped(Exception):
    """Raised by a report."""


def test_a_report_can_end_the_work(done: Done, tmp_path: Path) -> None:
    def stop(_share: float) -> None:
        raise Stopped

    task = work(done.operator, done.example.settings, done.inputs, tmp_path / "stopped")
    parts: list[Part | None] = [*done.operator.divide(task)]
    with pytest.raises(Stopped):
        done.operator.render(replace(task, part=parts[-1] if parts else None, report=stop))


@pytest.mark.parametrize("kind", ["empty", "noise", "half", "playlist"])
def test_hostile_files_are_refused_in_words(done: Done, tmp_path: Path, kind: str) -> None:
    if not done.example.broken:
        pytest.skip("it opens no input")
    good = done.inputs[done.example.broken].read_bytes()
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(
        {
            "empty": b"",
            "noise": hashlib.shake_128(b"noise").digest(50_000),
            "half": good[: len(good) // 2],
            "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        }[kind]
    )
    inputs = {**done.inputs, done.example.broken: bad}
    task = work(done.operator, done.example.settings, inputs, tmp_path / "work")
    with pytest.raises(BadMedia) as caught:
        made(done.operator, task)
    assert str(tmp_path) not in caught.value.message
