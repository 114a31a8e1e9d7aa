"""Sentence embeddings with all-MiniLM-L6-v2 (Reimers & Gurevych 2019, arXiv:1908.10084)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.images import unit_rows
from models.protocol import Floats
from models.weights import WeightsCache

DIMENSIONS = 384
MAX_TOKENS = 128
BATCH = 64


class MiniLm:
    """Mean pooling over the attention mask, L2-normalised, 384-d. Sentences are embedded in batches of like length;
    padding is masked out, so neighbours change a result by rounding only.
    """

    def __init__(self, cache: WeightsCache) -> None:
        self._cache = cache
        self._tokenizer: Any = None
        self._network: Any = None

    def open(self) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        files = self._cache.files("minilm")
        make: Any = BertModel  # transformers leaves its constructors untyped
        network = make(BertConfig.from_json_file(str(files["config.json"])), add_pooling_layer=False)
        tensors = load_file(files["model.safetensors"])
        wanted = network.state_dict()
        network.load_state_dict({name: tensor for name, tensor in tensors.items() if name in wanted}, strict=False)
        missing = [name for name in wanted if name not in tensors and "position_ids" not in name]
        assert not missing, f"checkpoint lacks {missing[:3]}"
        self._network = network.eval()
        self._tokenizer = Tokenizer.from_file(str(files["tokenizer.json"]))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def close(self) -> None:
        self._network = self._tokenizer = None

    def embed(self, sentences: Sequence[str]) -> Floats:
        """[n, 384]."""
        rows = np.empty((len(sentences), DIMENSIONS), np.float32)
        by_length = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
        for first in range(0, len(sentences), BATCH):
            part = by_length[first : first + BATCH]
            rows[part] = self._run([sentences[index] for index in part])
        return rows

    def _run(self, sentences: Sequence[str]) -> Floats:
        import torch

        encoded = self._tokenizer.encode_batch(list(sentences))
        mask = torch.tensor([item.attention_mask for item in encoded])
        with torch.inference_mode():
            tokens = torch.tensor([item.ids for item in encoded])
            hidden = self._network(input_ids=tokens, attention_mask=mask).last_hidden_state
            weights = mask[..., None].float()
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return unit_rows(pooled.numpy())
