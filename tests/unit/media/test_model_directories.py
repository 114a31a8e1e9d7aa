"""Directories with diffusion models: what is refused before anything of them is loaded."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stream.errors import BadRequest, Unavailable
from stream.media.generate.diffusion.directories import directory
from stream.media.generate.operator import Generate
from stream.media.model_files import ModelFiles

INDEX = {
    "_class_name": "WanPipeline",
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "transformer_2": [None, None],
    "vae": ["diffusers", "AutoencoderKLWan"],
    "boundary_ratio": None,
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What a directory of Wan looks like from outside."""
    path = tmp_path / "models" / "wan"
    for component in ("scheduler", "text_encoder", "tokenizer", "transformer", "vae"):
        (path / component).mkdir(parents=True)
    (path / "model_index.json").write_text(json.dumps(INDEX))
    (path / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "UniPCMultistepScheduler"}')
    (path / "tokenizer" / "tokenizer_config.json").write_text("{}")
    for component in ("text_encoder", "transformer", "vae"):
        (path / component / "config.json").write_text("{}")
        save_file({"weight": np.ones((8, 8), np.float32)}, path / component / "model.safetensors")
    return path


def _rename(path: Path, to: str) -> None:
    path.rename(path.with_name(to))


def _index(path: Path, **changes: object) -> None:
    (path / "model_index.json").write_text(json.dumps(INDEX | changes))


def _many_files(path: Path) -> None:
    for number in range(600):
        (path / f"{number}.txt").touch()


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda path: (path / "model_index.json").unlink(), "model_index.json is missing"),
    "no JSON": (lambda path: (path / "model_index.json").write_text("{" * 100_000), "is no JSON"),
    "another pipeline": (lambda path: _index(path, _class_name="os.system"), "no pipeline that is known"),
    "its own code": (lambda path: _index(path, vae=["my_code", "Vae"]), "vae: its class is none that may be loaded"),
    "another class": (lambda path: _index(path, vae=["diffusers", "UNet2DModel"]), "vae: its class is none"),
    "another component": (lambda path: _index(path, helper=["diffusers", "AutoencoderKLWan"]), "'helper'"),
    "class of the config": (
        lambda path: (path / "vae" / "config.json").write_text('{"_class_name": "Other"}'),
        "of another class",
    ),
    "remote code": (
        lambda path: (path / "text_encoder" / "config.json").write_text('{"auto_map": {"AutoModel": "x.Y"}}'),
        "code of its own",
    ),
    "pickle": (lambda path: _rename(path / "vae" / "model.safetensors", "model.bin"), "vae: its weights are pickled"),
    "no weights": (lambda path: (path / "vae" / "model.safetensors").unlink(), "vae: it has no weights"),
    "no folder": (lambda path: _rename(path / "tokenizer", "gone"), "the folder tokenizer is missing"),
    "cut off": (lambda path: os.truncate(path / "vae" / "model.safetensors", 100), "cut off or damaged"),
    "no safetensors": (lambda path: (path / "vae" / "model.safetensors").write_bytes(b"\xff" * 64), "no safetensors"),
    "huge tensors": (
        lambda path: (path / "vae" / "model.safetensors").write_bytes(
            _header({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
        ),
        "cut off or damaged",
    ),
    "huge file": (lambda path: os.truncate(path / "vae" / "model.safetensors", 1 << 40), "larger than is allowed"),
    "many files": (
        lambda path: [(path / f"{number}.txt").write_text("") for number in range(600)],
        "more than 500 files",
    ),
    "link to a file": (lambda path: (path / "vae" / "more.json").symlink_to("/etc/hostname"), "more.json is a link"),
    "link to a folder": (lambda path: (path / "more").symlink_to("/etc"), "more is a link"),
    "pipe": (lambda path: os.mkfifo(path / "vae" / "more.json"), "more.json is no file"),
}


def _header(told: object) -> bytes:
    text = json.dumps(told).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_wrong_with_a_directory_is_said_before_it_is_loaded(model: Path, case: str) -> None:
    assert directory("hf:wan", (model.parent,)).pipeline == "WanPipeline"
    spoil, told = HOSTILE[case]
    spoil(model)
    with pytest.raises(BadRequest, match=told) as caught:
        directory("hf:wan", (model.parent,))
    assert caught.value.code == "model_refused"
    assert str(model) not in caught.value.message


@pytest.mark.parametrize(
    "name", ["hf:", "hf:../wan", "hf:/etc", "hf:wan/../../x", "hf:.hidden", "hf:a/b/c/d/e", "hf:a\0b"]
)
def test_no_path_outside_of_the_folder_of_models_can_be_named(model: Path, name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        directory(name, (model.parent,))
    assert caught.value.code == "model_refused"


def test_a_link_in_the_folder_of_models_is_refused_and_a_missing_model_is_told_of(model: Path) -> None:
    (model.parent / "linked").symlink_to(model)
    with pytest.raises(BadRequest, match="link"):
        directory("hf:linked", (model.parent,))
    with pytest.raises(
        Unavailable, match="other is not in the folder of models on this machine: put its directory below"
    ) as caught:
        directory("hf:other", (model.parent,))
    assert caught.value.code == "toolchain_lacks"


def test_any_byte_that_loading_reads_changes_the_digest_and_nothing_else_does(model: Path) -> None:
    first = directory("hf:wan", (model.parent,)).digest
    (model / "README.md").write_text("a model card")
    (model / "vae" / "old.bin").write_bytes(b"pickled, and not read")
    assert directory("hf:wan", (model.parent,)).digest == first
    save_file({"weight": np.zeros((8, 8), np.float32)}, model / "vae" / "model.safetensors")
    second = directory("hf:wan", (model.parent,)).digest
    (model / "tokenizer" / "vocab.txt").write_text("word")
    assert len({first, second, directory("hf:wan", (model.parent,)).digest}) == 3


@pytest.mark.parametrize(
    ("pipeline", "changes", "code", "told"),
    [
        ("WanPipeline", {"prompt": ""}, "prompt_not_possible", "a prompt is needed"),
        ("StableVideoDiffusionPipeline", {}, "prompt_not_possible", "takes no words"),
        ("WanImageToVideoPipeline", {}, "template_invalid", "image: one is needed"),
        ("WanPipeline", {"image": "first"}, "template_invalid", "image: there must be none"),
        ("WanPipeline", {"width": 40}, "template_invalid", "width: a multiple of 16"),
        ("LTXPipeline", {"frames": 13}, "template_invalid", "frames: a multiple of 8 and one more"),
        ("StableDiffusionPipeline", {}, "template_invalid", "frames: 1 is needed; Stable Diffusion makes one picture"),
    ],
)
def test_what_a_model_cannot_do_is_said_with_what_it_can(
    model: Path, pipeline: str, changes: dict[str, object], code: str, told: str
) -> None:
    _index(model, _class_name=pipeline)
    operator = Generate()
    operator.find_models(ModelFiles(roots=(model.parent,)))
    wanted = {"model": "hf:wan", "prompt": "secretword", "width": 64, "height": 64, "frames": 9} | changes
    inputs = [wanted["image"]] if "image" in wanted else []
    settings = operator.check(wanted, inputs)  # type: ignore[arg-type]  # whatever a template may hold
    with pytest.raises(BadRequest, match=told) as caught:
        operator.toolchain(settings)
    assert caught.value.code == code
    assert "secretword" not in caught.value.message


@pytest.mark.parametrize(
    ("changes", "inputs", "told"),
    [
        ({"frames": 10_000}, (), "frames: "),
        ({"width": 2048, "height": 2048, "frames": 257}, (), "frames: width, height and frames"),
        ({"steps": 0}, (), "steps: "),
        ({"guidance": float("nan")}, (), "guidance: "),
        ({"image": "first"}, (), "image: the inputs are none"),
        ({}, ("more",), "image: the inputs are more"),
        ({"prompt": "x" * 3000}, (), "prompt: "),
    ],
)
def test_sizes_and_inputs_are_bounded(changes: dict[str, object], inputs: tuple[str, ...], told: str) -> None:
    wanted = {"model": "hf:wan", "prompt": "a dance", "width": 64, "height": 64, "frames": 9} | changes
    with pytest.raises(BadRequest, match=told) as caught:
        Generate().check(wanted, inputs)  # type: ignore[arg-type]  # whatever a template may hold
    assert caught.value.code == "template_invalid"
