"""Generation as a job, in confined children: killed between two steps of denoising, it goes on at that very step."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.testbed.waiting import must_run, wait_for
from stream.events.objects import StoredFile
from stream.jobs.descriptions import Description
from stream.jobs.examination import examined
from stream.jobs.submission import prepare, spec_of
from stream.media.catalogue import OperatorCatalogue
from stream.media.protocol import Settings
from stream.pipelines.jobs import models_in
from tests.support.diffusion_pipelines import SIDE, save_pipeline
from tests.support.media_examples import made, work
from tests.support.pages import page

ROOT = Path(__file__).parents[2]
STEPS, SEED = 16, 11
TEMPLATE = f"""
version: 1
name: dance
seed: {SEED}
stages:
  - name: denoise
    operator: generate
    seed: {SEED}
    settings: {{model: "hf:wan", prompt: a secretword, width: {SIDE}, height: {SIDE}, frames: 9, steps: {STEPS}}}
  - name: clip
    operator: decode-latents
    inputs: {{latents: "stage:denoise"}}
    settings: {{model: "hf:wan"}}
finals: [clip, clip/generation.json]
"""


def test_a_kill_between_two_steps_costs_that_step_alone_and_changes_no_byte(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    save_pipeline("wan", state / "models" / "wan")
    (tmp_path / "dance.yaml").write_text(TEMPLATE)
    command = [sys.executable, "-m", "stream.cli.app", "--state", str(state), "jobs", "submit"]
    command += [str(tmp_path / "dance.yaml"), "--deliver-to", str(out), "--renderers", "1"]

    def results() -> dict[Path, str]:
        folder = state / "jobs" / "store" / "tenants" / "default" / "results"
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.json")}

    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, text=True) as process:
        wait_for(
            lambda: len(results()) > STEPS // 3, "some steps are done", meanwhile=must_run(process), within_s=200.0
        )
        os.killpg(process.pid, signal.SIGKILL)
    before = results()
    assert STEPS // 3 < len(before) < STEPS, "killed amid the steps"
    ended = subprocess.run(command, cwd=ROOT, check=True, timeout=200, capture_output=True, text=True)
    after = results()
    assert {path: after[path] for path in before} == before, "no step that was done was done again"
    assert "secretword" not in ended.stdout + ended.stderr
    expected = _undivided(state, tmp_path)
    (finals,) = (out / "dance").iterdir()
    assert {name: (finals / name).read_bytes() for name in ("picture.mkv", "generation.json")} == expected


def _undivided(state: Path, folder: Path) -> dict[str, bytes]:
    """What the same settings give in this process, in one go."""
    operators = OperatorCatalogue(models=models_in(state, None))
    facts = {"tenant": "default", "project": "default", "job": "dance"}
    spec, _ = spec_of(prepare(folder / "dance.yaml"), {}, **facts)
    stage = Description.of(spec).stage(0, 0)
    settings: Settings = {**stage.settings, "part_steps": STEPS}
    denoise, decode = operators.operator("generate"), operators.operator("decode-latents")
    task = work(denoise, settings, {}, folder / "denoise")
    made(denoise, replace(task, seed=stage.seed))
    latents = {"latents": task.folder / "latents.safetensors"}
    outputs = made(decode, work(decode, {"model": "hf:wan"}, latents, folder / "decode"))
    return {name: outputs[name] for name in ("picture.mkv", "generation.json")}


def test_the_example_is_accepted_in_every_row(require_weights: Callable[..., None], cache_dir: Path) -> None:
    require_weights("label-gan", "terrain-consistency")
    prepared = prepare(ROOT / "docs" / "examples" / "generate" / "template.yaml")
    spec, _ = spec_of(prepared, {}, tenant="default", project="default", job="example")
    assert examined(Description.of(spec), OperatorCatalogue(models=models_in(Path(), cache_dir))).problems == []


def test_templates_of_the_pages_are_accepted_with_what_the_pages_fetch(
    require_weights: Callable[..., None], cache_dir: Path, tmp_path: Path
) -> None:
    require_weights("span", "styletransfer")
    save_pipeline("wan", tmp_path / "state" / "models" / "my-model")
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "old.mp4").write_bytes(b"film")
    asset = StoredFile(name="film.mp4", digest=f"sha256:{'0' * 64}", size=4, media_type="video/mp4")
    catalogue = OperatorCatalogue(models=models_in(tmp_path / "state", cache_dir))
    for name, variants in (("improve-footage", 2), ("generate-pictures", 1)):
        (text,) = (each for each in page(f"docs/how-to/{name}.md").blocks("yaml") if "version: 1" in each)
        (tmp_path / "t.yaml").write_text(textwrap.dedent(text))
        prepared = prepare(tmp_path / "t.yaml")
        assets = dict.fromkeys(prepared.assets, asset)
        spec, _ = spec_of(prepared, assets, tenant="default", project="default", job="page")
        described = Description.of(spec)
        assert examined(described, catalogue).problems == []
        assert len(described.variants) == variants
