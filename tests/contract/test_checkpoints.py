"""Hugging Face directories load as they are: the same numbers as transformers gives, readable refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.captions.captioners import MAX_NEW_TOKENS
from models.protocol import Floats, Image, Predictions
from models.registry import ModelContext, load
from stream.errors import Fatal
from tests.support.checkpoints import blip_checkpoint, clip_checkpoint, siglip_checkpoint

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import

NOTHING = Predictions(np.empty((0, 4), np.float32), np.empty((0, 64), np.float32))
TEXTS = ["a cat", "the dog on the red street"]


def noise(count: int) -> list[Image]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count)]


def unit(rows: Any) -> Floats:
    plain = np.asarray(rows.detach(), np.float32)
    return np.asarray(plain / np.linalg.norm(plain, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("write", [clip_checkpoint, siglip_checkpoint])
def test_vectors_are_those_of_transformers(
    write: Callable[[Path], Path], tmp_path: Path, model_context: ModelContext
) -> None:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    directory = write(tmp_path / "two-tower.v1")
    embedder = load("embedder", f"hf:{directory}", model_context)
    embedder.open()
    network: Any = AutoModel.from_pretrained(directory).eval()
    eyes: Any = AutoImageProcessor
    pixels = eyes.from_pretrained(directory)(images=list(noise(3)), return_tensors="pt")
    seen = network.get_image_features(**pixels)
    tokens = AutoTokenizer.from_pretrained(directory)(TEXTS, padding="max_length", return_tensors="pt")
    read = network.get_text_features(**{name: tokens[name] for name in ("input_ids", "attention_mask")})
    np.testing.assert_allclose(embedder.embed(noise(3), NOTHING), unit(getattr(seen, "pooler_output", seen)), atol=1e-5)
    # SigLIP's processor gives no mask, so its tower attends to the padding: compare what the processor gives.
    if "attention_mask" not in _processed(directory):
        read = network.get_text_features(input_ids=tokens["input_ids"])
    np.testing.assert_allclose(embedder.embed_text(TEXTS), unit(getattr(read, "pooler_output", read)), atol=1e-5)
    assert embedder.space.name == "two_tower_v1"
    assert embedder.space.spec == f"hf:{directory}"


@pytest.mark.parametrize("write", [clip_checkpoint, siglip_checkpoint])
def test_filled_batches_in_half_precision_keep_the_direction(
    write: Callable[[Path], Path], tmp_path: Path, model_context: ModelContext
) -> None:
    """What an accelerator runs, on the CPU."""
    directory = write(tmp_path / "two-tower")
    plain, batched = (load("embedder", f"hf:{directory}", model_context) for _ in range(2))
    plain.open()
    batched.open()
    batched.batch = 4
    for said, reference in (
        (batched.embed(noise(5), NOTHING), plain.embed(noise(5), NOTHING)),
        (batched.embed_text(TEXTS), plain.embed_text(TEXTS)),
    ):
        assert (said * reference).sum(1).min() >= 0.999
    np.testing.assert_array_equal(batched.embed(noise(1), NOTHING), batched.embed(noise(5)[:1], NOTHING))
    np.testing.assert_array_equal(batched.embed(noise(5), NOTHING)[4:], batched.embed(noise(5)[4:], NOTHING))


def _processed(directory: Path) -> Any:
    from transformers import AutoProcessor

    processors: Any = AutoProcessor
    return processors.from_pretrained(directory)(text=["a"], padding="max_length", return_tensors="pt")


def test_captions_are_those_of_transformers(tmp_path: Path, model_context: ModelContext) -> None:
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    directory = blip_checkpoint(tmp_path / "tiny-blip")
    captioner = load("captioner", f"hf:{directory}", model_context)
    captioner.open()
    loaded: Any = AutoModelForImageTextToText.from_pretrained(directory)
    network = loaded.eval()
    eyes: Any = AutoImageProcessor
    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    pixels = eyes.from_pretrained(directory)(images=list(noise(3)), return_tensors="pt")["pixel_values"]
    tokens = network.generate(pixel_values=pixels, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    assert captioner.caption(noise(3)) == tokenizer.batch_decode(tokens, skip_special_tokens=True)
    assert captioner.method == captioner.stamp().name == "tiny-blip"


@pytest.mark.parametrize("family", ["embedder", "captioner"])
def test_a_directory_that_is_no_checkpoint_is_refused_readably(
    family: str, tmp_path: Path, model_context: ModelContext
) -> None:
    with pytest.raises(Fatal, match=r"config\.json") as none:
        load(family, f"hf:{tmp_path}", model_context)
    assert none.value.code == "bad_checkpoint"
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"not safe")
    with pytest.raises(Fatal, match="safetensors") as unsafe:
        load(family, f"hf:{tmp_path}", model_context)
    assert unsafe.value.code == "bad_checkpoint"
    assert str(tmp_path) in unsafe.value.message
    with pytest.raises(Fatal, match="not a Hugging Face directory"):
        load(family, "hf", model_context)


def test_another_architecture_is_no_embedding_space(tmp_path: Path, model_context: ModelContext) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    embedder = load("embedder", f"hf:{tmp_path}", model_context)
    with pytest.raises(Fatal, match="not a two-tower checkpoint") as refused:
        embedder.stamp()
    assert refused.value.code == "bad_checkpoint"


def test_a_captioner_is_no_embedder_though_it_has_a_vision_tower(tmp_path: Path, model_context: ModelContext) -> None:
    from transformers import BlipConfig, BlipVisionModel

    configuration: Any = BlipConfig(vision_config={"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2})
    BlipVisionModel(configuration.vision_config).save_pretrained(tmp_path)
    embedder = load("embedder", f"hf:{tmp_path}", model_context)
    with pytest.raises(Fatal) as refused:
        embedder.open()
    assert refused.value.code == "bad_checkpoint"
    assert len(refused.value.message) < 500


def test_weights_that_are_none_are_refused_readably(tmp_path: Path, model_context: ModelContext) -> None:
    directory = clip_checkpoint(tmp_path / "cut-short")
    (directory / "model.safetensors").write_bytes(b"\x10")
    embedder = load("embedder", f"hf:{directory}", model_context)
    with pytest.raises(Fatal, match="does not load as AutoModel") as refused:
        embedder.open()
    assert refused.value.code == "bad_checkpoint"


def test_a_width_left_to_the_architecture_is_found(tmp_path: Path, model_context: ModelContext) -> None:
    """As SigLIP's base repositories have it: no size anywhere."""
    towers = {f"{side}_config": {"model_type": f"siglip_{side}_model"} for side in ("text", "vision")}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip", **towers}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert load("embedder", f"hf:{tmp_path}", model_context).space.dimensions == 768


def test_other_bytes_are_another_space(tmp_path: Path, model_context: ModelContext) -> None:
    left = clip_checkpoint(tmp_path / "left" / "same")
    right = clip_checkpoint(tmp_path / "right" / "same")
    tokenizer = right / "tokenizer_config.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    spaces = [load("embedder", f"hf:{directory}", model_context).space for directory in (left, right)]
    assert spaces[0].name == spaces[1].name
    assert spaces[0].key != spaces[1].key
