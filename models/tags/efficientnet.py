"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946; the Lite variant has no squeeze-and-excite, and ReLU6)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.device.onnx_graph import Graph, Session
from stream.errors import Fatal

SIDE = 224
PIXELS = "pixels"
BLOCKS = 16
HALVING = {1, 3, 5, 11}
"""Blocks with a stride of 2."""
EPSILON = 1e-3
Weights = Mapping[str, npt.NDArray[Any]]


def network_of(tensors: Weights) -> Any:
    """timm's network for inference, in float32 on the CPU. `tensors` is the checkpoint: it has the network's order, but
    other names. Raises `Fatal` (`wrong_checkpoint`).
    """
    import timm
    import torch

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # The published names differ from timm's, but the order is the same. The count guards against another version.
    names = list(network.state_dict())
    if len(names) != len(tensors):
        raise Fatal(f"checkpoint has {len(tensors)} tensors, the network {len(names)}", code="wrong_checkpoint")
    values = map(torch.from_numpy, tensors.values())
    network.load_state_dict(dict(zip(names, values, strict=True)))
    return network.eval()


def session_of(tensors: Weights, threads: int) -> Session:
    """The same network in onnxruntime, with batch norms folded into the convolutions. It is made from the checkpoint
    alone: to import timm takes longer than to tag a short clip.

    float32 [1, 3, 224, 224] `pixels` to softmax probabilities [1, 1000] and pooled features [1, 1280]. Raises `Fatal`
    (`wrong_checkpoint`).
    """
    if not tensors.keys() >= {"_conv_stem.weight", "_fc.weight", f"_blocks.{BLOCKS - 1}._bn2.weight"}:
        raise Fatal("the checkpoint is not one of EfficientNet-Lite0", code="wrong_checkpoint")
    layers = _Layers(Graph(), tensors)
    value = layers.convolved(PIXELS, "_conv_stem", "_bn0", stride=2)
    for block in range(BLOCKS):
        value = layers.block(value, f"_blocks.{block}", 2 if block in HALVING else 1)
    value = layers.convolved(value, "_conv_head", "_bn1")
    graph = layers.graph
    pooled = graph.apply("Flatten", graph.apply("GlobalAveragePool", value))
    matrix, offset = (graph.weight(tensors[f"_fc.{part}"]) for part in ("weight", "bias"))
    scores = graph.apply("Softmax", graph.apply("Gemm", pooled, matrix, offset, transB=1), axis=-1)
    return graph.session({PIXELS: (np.float32, (1, 3, SIDE, SIDE))}, [scores, pooled], threads)


class _Layers:
    """The parts of the network, named as in the checkpoint."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph = graph
        self._weights = weights
        self._bounds = [graph.weight(np.array(bound, np.float32)) for bound in (0, 6)]

    def block(self, before: str, name: str, stride: int) -> str:
        """An inverted residual: channels widened, a depthwise convolution, and narrowed without an activation."""
        value = before
        if f"{name}._expand_conv.weight" in self._weights:
            value = self.convolved(value, f"{name}._expand_conv", f"{name}._bn0")
        value = self.convolved(value, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True)
        value = self.convolved(value, f"{name}._project_conv", f"{name}._bn2", activated=False)
        # A shortcut where nothing changes its shape. The first block has no wider part, and its widths differ.
        expand, project = (self._weights.get(f"{name}.{part}.weight") for part in ("_expand_conv", "_project_conv"))
        alike = expand is not None and project is not None and expand.shape[1] == project.shape[0]
        return self.graph.apply("Add", value, before) if alike and stride == 1 else value

    def convolved(
        self, value: str, name: str, norm: str, *, stride: int = 1, depthwise: bool = False, activated: bool = True
    ) -> str:
        """A convolution with its folded batch norm and activation. TensorFlow pads an odd pixel at the end
        (SAME_UPPER).
        """
        weight = self._weights[f"{name}.weight"]
        scale, shift, mean, variance = (
            self._weights[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + EPSILON)
        folded = self.graph.weight(np.asarray(weight * factor[:, None, None, None], np.float32))
        offset = self.graph.weight(np.asarray(shift - mean * factor, np.float32))
        group = len(weight) if depthwise else 1
        value = self.graph.apply(
            "Conv", value, folded, offset, strides=[stride, stride], group=group, auto_pad="SAME_UPPER"
        )
        return self.graph.apply("Clip", value, *self._bounds) if activated else value
