"""What published checkpoints are like beyond the plain case: SentencePiece words, half precision, chat models."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.protocol import Image, Predictions
from models.registry import ModelContext, load
from stream.errors import Fatal
from tests.support.checkpoints import WORDS, chat_checkpoint, clip_checkpoint, siglip_checkpoint

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import

NOTHING = Predictions(np.empty((0, 4), np.float32), np.empty((0, 64), np.float32))


def noise(count: int) -> list[Image]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count)]


def published_siglip(directory: Path) -> Path:
    """The words' side as SigLIP's repositories have it: `spiece.model`, and a tokenizer class that reads it."""
    import sentencepiece

    siglip_checkpoint(directory)
    (directory / "tokenizer.json").unlink()
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS)] * 20),
        model_writer=trained,
        vocab_size=22,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (directory / "spiece.model").write_bytes(trained.getvalue())
    settings = {"tokenizer_class": "SiglipTokenizer", "model_max_length": 16, "do_lower_case": True}
    tokens = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings | tokens))
    config = json.loads((directory / "config.json").read_text())
    config["text_config"]["vocab_size"] = 64
    (directory / "config.json").write_text(json.dumps(config))
    _network_of(directory)
    return directory


def _network_of(directory: Path) -> None:
    """New random weights for an edited configuration."""
    import torch
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(5)
    configuration: Any = SiglipConfig.from_pretrained(directory)
    SiglipModel(configuration).save_pretrained(directory)


def test_siglip_reads_its_sentencepiece_vocabulary(tmp_path: Path, model_context: ModelContext) -> None:
    embedder = load("embedder", f"hf:{published_siglip(tmp_path / 'siglip')}", model_context)
    embedder.open()
    lower, upper, other = embedder.embed_text(["a red house", "A RED HOUSE", "the cat"])
    np.testing.assert_allclose(lower, upper, atol=1e-6)
    assert np.abs(lower - other).max() > 1e-3


def test_a_missing_library_is_named(
    tmp_path: Path, model_context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoProcessor

    def refuse(*_arguments: object, **_options: object) -> None:
        raise ImportError("\nSiglipTokenizer requires the SentencePiece library but it was not found")

    monkeypatch.setattr(AutoProcessor, "from_pretrained", refuse)
    embedder = load("embedder", f"hf:{clip_checkpoint(tmp_path / 'clip')}", model_context)
    with pytest.raises(Fatal, match="requires the SentencePiece library") as refused:
        embedder.open()
    assert refused.value.code == "bad_checkpoint"


def test_half_precision_is_computed_in_single(tmp_path: Path, model_context: ModelContext) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    directory = clip_checkpoint(tmp_path / "half")
    AutoModel.from_pretrained(directory).half().save_pretrained(directory)
    embedder = load("embedder", f"hf:{directory}", model_context)
    embedder.open()
    eyes: Any = AutoImageProcessor
    pixels = eyes.from_pretrained(directory)(images=list(noise(2)), return_tensors="pt")
    network = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    seen = network.get_image_features(**pixels)
    rows = getattr(seen, "pooler_output", seen).detach().numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed(noise(2), NOTHING), rows, atol=1e-6)


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_checkpoint(tmp_path_factory.mktemp("chat") / "tiny-llava")


def test_a_chat_model_is_asked_and_its_question_is_left_out(chatting: Path, model_context: ModelContext) -> None:
    from PIL import Image as Pillow
    from transformers import AutoModelForImageTextToText, AutoProcessor

    captioner = load("captioner", f"hf:{chatting}", model_context)
    captioner.open()
    processors: Any = AutoProcessor
    processor = processors.from_pretrained(chatting)
    loader: Any = AutoModelForImageTextToText
    network = loader.from_pretrained(chatting).eval()
    expected = []
    for image in noise(3):
        asked = processor(
            images=Pillow.fromarray(image),
            text="<image> Describe this picture in one sentence.",
            return_tensors="pt",
        )
        tokens = network.generate(**asked, max_new_tokens=40, do_sample=False)[0]
        expected.append(processor.decode(tokens[asked["input_ids"].shape[1] :], skip_special_tokens=True).strip())
    captions = captioner.caption(noise(3))
    assert captions == expected
    assert any(captions)
    assert not any("Describe" in caption for caption in captions)
