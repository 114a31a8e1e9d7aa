"""Diffusion pipelines in parts: any division of the steps gives the bytes of the undivided work, and decoding follows.

The pipelines are tiny and random; the code that runs is that of the real ones.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from stream.errors import BadMedia, BadRequest
from stream.media.catalogue import OperatorCatalogue
from stream.media.composite.canvas import to_planes
from stream.media.generate.diffusion import loading
from stream.media.generate.diffusion.latents import LATENTS
from stream.media.generate.threads import one_thread
from stream.media.model_files import ModelFiles
from stream.media.protocol import Settings, Task
from tests.support.diffusion_pipelines import PIPELINES, SIDE, save_pipeline
from tests.support.media_examples import made, work

PROMPT = "a secretword in the rain"
STEPS = 4


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def operators(models: Path) -> OperatorCatalogue:
    return OperatorCatalogue(models=ModelFiles(roots=(models,)))


def request(pipeline: str, **changes: object) -> dict[str, object]:
    wanted: dict[str, object] = {"model": f"hf:{pipeline}", "width": SIDE, "height": SIDE, "steps": STEPS}
    wanted["frames"] = frames_of(pipeline)
    wanted |= {} if pipeline == "stable-video" else {"prompt": PROMPT}
    wanted |= {"image": "first"} if _from_image(pipeline) else {}
    return wanted | changes


def frames_of(pipeline: str) -> int:
    return 1 if pipeline.startswith("stable-diffusion") else 9


def picture(folder: Path, pipeline: str) -> Mapping[str, Path]:
    if not _from_image(pipeline):
        return {}
    folder.mkdir(exist_ok=True)
    values = np.arange(SIDE * SIDE * 3).reshape(SIDE, SIDE, 3) % 251
    Image.fromarray(values.astype(np.uint8)).save(folder / "first.png")
    return {"first": folder / "first.png"}


def _from_image(pipeline: str) -> bool:
    return "image" in pipeline or pipeline == "stable-video"


def latents(operators: OperatorCatalogue, folder: Path, pipeline: str, **changes: object) -> Mapping[str, bytes]:
    operator = operators.operator("generate")
    wanted: Settings = request(pipeline, **changes)  # type: ignore[assignment]  # JSON by its making
    task = replace(work(operator, wanted, picture(folder.parent / "in", pipeline), folder), seed=7)
    operator.toolchain(task.settings)
    return made(operator, task)


def decoded(operators: OperatorCatalogue, folder: Path, content: bytes, model: str) -> Mapping[str, bytes]:
    operator = operators.operator("decode-latents")
    folder.mkdir()
    (folder / LATENTS).write_bytes(content)
    return made(operator, work(operator, {"model": model}, {"latents": folder / LATENTS}, folder / "work"))


@pytest.mark.parametrize(
    ("pipeline", "scheduler", "options"),
    [
        *((name, "", {}) for name in PIPELINES),
        # Those that keep more than latents: earlier outputs, and random numbers of two kinds.
        ("wan", "FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
        ("wan", "DPMSolverMultistepScheduler", {}),
        ("animatediff", "EulerAncestralDiscreteScheduler", {}),
    ],
)
def test_any_division_of_the_steps_gives_the_same_bytes(
    operators: OperatorCatalogue,
    models: Path,
    tmp_path: Path,
    pipeline: str,
    scheduler: str,
    options: dict[str, object],
) -> None:
    model = f"{pipeline}{scheduler}"
    save_pipeline(pipeline, models / model, scheduler, **options)
    changes = {"model": f"hf:{model}"}
    whole = latents(operators, tmp_path / "whole", pipeline, part_steps=STEPS, **changes)
    # As another process begins: with nothing loaded.
    loading.forget()
    singly = latents(operators, tmp_path / "singly", pipeline, part_steps=1, **changes)
    assert singly == whole
    loading.forget()
    clip = decoded(operators, tmp_path / "clip", whole[LATENTS], changes["model"])
    with av.open(str(_written(tmp_path, clip["picture.mkv"]))) as container:
        assert len(list(container.decode(video=0))) == frames_of(pipeline)


def _written(folder: Path, content: bytes) -> Path:
    (folder / "picture.mkv").write_bytes(content)
    return folder / "picture.mkv"


def test_the_clip_is_what_the_library_makes_by_itself(
    operators: OperatorCatalogue, models: Path, tmp_path: Path
) -> None:
    import torch
    from diffusers import WanPipeline

    save_pipeline("wan", models / "wan")
    ours = latents(operators, tmp_path / "ours", "wan")
    clip = decoded(operators, tmp_path / "clip", ours[LATENTS], "hf:wan")
    alone = WanPipeline.from_pretrained(models / "wan", local_files_only=True)
    alone.set_progress_bar_config(disable=True)
    with one_thread():
        given = alone(
            prompt=PROMPT, negative_prompt="", width=SIDE, height=SIDE, num_frames=9, num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(7), output_type="np",
        ).frames[0]  # fmt: skip
    with av.open(str(_written(tmp_path, clip["picture.mkv"]))) as container:
        shown = [frame.to_ndarray(format="yuv444p") for frame in container.decode(video=0)]
    for frame, values in zip(shown, given, strict=True):
        assert np.array_equal(frame, to_planes(np.rint(values * 255).astype(np.uint8)))


@pytest.mark.parametrize("name", ["stable-diffusion", "stable-diffusion-xl"])
def test_a_still_is_what_the_library_makes_by_itself(
    operators: OperatorCatalogue, models: Path, tmp_path: Path, name: str
) -> None:
    import torch
    from diffusers import DiffusionPipeline

    save_pipeline(name, models / name)
    ours = latents(operators, tmp_path / "ours", name)
    clip = decoded(operators, tmp_path / "clip", ours[LATENTS], f"hf:{name}")
    alone = DiffusionPipeline.from_pretrained(models / name, local_files_only=True)
    alone.set_progress_bar_config(disable=True)
    with one_thread():
        (given,) = alone(
            prompt=PROMPT, negative_prompt="", width=SIDE, height=SIDE, num_inference_steps=STEPS, guidance_scale=5.0,
            generator=torch.Generator().manual_seed(7), output_type="np",
        ).images  # fmt: skip
    with av.open(str(_written(tmp_path, clip["picture.mkv"]))) as container:
        (shown,) = [frame.to_ndarray(format="yuv444p") for frame in container.decode(video=0)]
    assert np.array_equal(shown, to_planes(np.rint(given * 255).astype(np.uint8)))
    assert clip["poster.png"].startswith(b"\x89PNG")


def test_what_is_handed_on_names_the_model_and_the_seed_and_never_the_prompt(
    operators: OperatorCatalogue, models: Path, tmp_path: Path
) -> None:
    save_pipeline("wan", models / "wan")
    ours = latents(operators, tmp_path / "ours", "wan")
    clip = decoded(operators, tmp_path / "clip", ours[LATENTS], "hf:wan")
    assert not [name for name, content in {**ours, **clip}.items() if b"secretword" in content]
    first, second = json.loads(ours["generation.json"]), json.loads(clip["generation.json"])
    assert first["generated"] is second["generated"] is True
    for name in ("model", "seed", "prompt_sha256", "digital_source_type"):
        assert first[name] == second[name]
    other = latents(operators, tmp_path / "other", "wan", prompt="another")
    assert json.loads(other["generation.json"])["prompt_sha256"] != first["prompt_sha256"]
    assert other[LATENTS] != ours[LATENTS]


def test_latents_of_another_model_and_parts_at_another_step_are_refused(
    operators: OperatorCatalogue, models: Path, tmp_path: Path
) -> None:
    save_pipeline("wan", models / "wan")
    save_pipeline("ltx", models / "ltx")
    ours = latents(operators, tmp_path / "ours", "wan")
    with pytest.raises(BadMedia, match="another model") as caught:
        decoded(operators, tmp_path / "clip", ours[LATENTS], "hf:ltx")
    assert caught.value.code == "latents_unusable"
    operator = operators.operator("generate")
    task: Task = work(operator, request("wan"), {}, tmp_path / "work")  # type: ignore[arg-type]  # JSON by its making
    parts = list(operator.divide(task))
    (tmp_path / "before").mkdir()
    operator.render(replace(task, part=parts[0], folder=tmp_path / "before"))
    with pytest.raises(BadMedia, match="at another step"):
        operator.render(replace(task, part=parts[2], before=tmp_path / "before"))


def test_a_model_that_does_not_load_or_fails_is_told_of_without_its_words(
    operators: OperatorCatalogue, models: Path, tmp_path: Path
) -> None:
    save_pipeline("wan", models / "broken")
    config = models / "broken" / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_layers": 3}))
    with pytest.raises((BadMedia, BadRequest), match="broken") as caught:
        latents(operators, tmp_path / "broken", "wan", model="hf:broken")
    assert caught.value.code == "model_refused"
    assert str(tmp_path) not in caught.value.message
    # Its positions end before so many frames.
    save_pipeline("animatediff", models / "animatediff")
    with pytest.raises(BadMedia) as failed:
        latents(operators, tmp_path / "long", "animatediff", frames=200)
    assert failed.value.code == "model_failed"
    assert "secretword" not in failed.value.message
