"""The networks as published, in torch eager: what the fast ones must agree with (tests) and are compared with here."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.shots.network import DILATIONS, histograms, windowed
from models.tags.efficientnet import network_of
from models.weights.checkpoint import read_checkpoint
from models.weights.fetch import WeightsCache

Tensors = Mapping[str, Tensor]


def stored(cache: WeightsCache, name: str) -> Any:
    """The tensors of a fetched checkpoint."""
    return torch.load(cache.file(name), map_location="cpu", weights_only=True)


def published_transnet(tensors: Tensors, frames: Tensor) -> Tensor:
    """TransNet V2 in the paper's 3-D convolutions: uint8 [1, t, 27, 48, 3] -> logits [1, t]."""
    x = frames.permute(0, 4, 1, 2, 3).float() / 255.0
    pooled = []
    for stack in range(3):
        first = functional.relu(_block(tensors, f"SDDCNN.{stack}.DDCNN.0", x))
        second = _block(tensors, f"SDDCNN.{stack}.DDCNN.1", first)
        x = functional.avg_pool3d(functional.relu(second) + first, (1, 2, 2))
        pooled.append(x.mean((3, 4)))
    features = _linear(tensors, "frame_sim_layer.projection", torch.cat(pooled, dim=1).transpose(1, 2))
    similar = []
    for name, rows in (("color_hist_layer", histograms(frames)), ("frame_sim_layer", features)):
        unit = functional.normalize(rows, dim=2)
        similar.append(functional.relu(_linear(tensors, f"{name}.fc", windowed(unit @ unit.transpose(1, 2)))))
    joined = torch.cat([*similar, x.permute(0, 2, 3, 4, 1).flatten(2)], dim=2)
    return _linear(tensors, "cls_layer1", functional.relu(_linear(tensors, "fc1", joined)))[..., 0]


def _block(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    branches = []
    for dilation in DILATIONS:
        spatial, temporal = (tensors[f"{name}.Conv3D_{dilation}.layers.{layer}.weight"] for layer in range(2))
        inner = functional.conv3d(x, spatial, padding=(0, 1, 1))
        branches.append(functional.conv3d(inner, temporal, padding=(dilation, 0, 0), dilation=(dilation, 1, 1)))
    mean, variance, scale, shift = (
        tensors[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return functional.batch_norm(torch.cat(branches, dim=1), mean, variance, scale, shift, eps=1e-3)


def _linear(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


class PublishedNetworks:
    """All but moderation, which was published for onnxruntime, opened."""

    def __init__(self, cache: WeightsCache) -> None:
        self._shots = stored(cache, "transnetv2")
        self._tags = network_of(read_checkpoint(cache.file("efficientnet-lite0")))
        self._words = published_minilm(cache)

    def shots(self, windows: Sequence[Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            return [published_transnet(self._shots, window) for window in windows]

    def tags(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            return [torch.softmax(self._tags(item), -1) for item in inputs]

    def words(self, tokens: Sequence[Sequence[int]]) -> list[Tensor]:
        """Mean of each sentence's token vectors, not normalised."""
        with torch.inference_mode():
            return [self._words(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0) for ids in tokens]


def published_minilm(cache: WeightsCache) -> Any:
    """transformers' BERT with the weights of all-MiniLM-L6-v2."""
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    files = cache.files("minilm")
    make: Any = BertModel  # transformers leaves its constructors untyped
    network = make(BertConfig.from_json_file(str(files["config.json"])), add_pooling_layer=False).eval()
    network.load_state_dict(load_file(files["model.safetensors"]), strict=False)
    return network
