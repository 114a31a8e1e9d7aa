"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946; the Lite variant has no squeeze-and-excite, and ReLU6)."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from models.device.onnx_graph import Graph, Session
from stream.errors import Fatal

SIDE = 224
PIXELS = "pixels"


def network_of(tensors: Mapping[str, Any]) -> Any:
    """timm's network for inference, in float32 on the CPU. `tensors` is the checkpoint: it has the network's order, but
    other names. Raises `Fatal` (`wrong_checkpoint`).
    """
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # The published names differ from timm's, but the order is the same. The count guards against another version.
    names = list(network.state_dict())
    if len(names) != len(tensors):
        raise Fatal(f"checkpoint has {len(tensors)} tensors, the network {len(names)}", code="wrong_checkpoint")
    network.load_state_dict(dict(zip(names, tensors.values(), strict=True)))
    return network.eval()


def session_of(network: Any, threads: int) -> Session:
    """The same network in onnxruntime, with batch norms folded into the convolutions.

    float32 [1, 3, 224, 224] `pixels` to softmax probabilities [1, 1000] and pooled features [1, 1280].
    """
    graph = Graph()
    value = _convolved(graph, PIXELS, network.conv_stem, network.bn1)
    for block in chain.from_iterable(network.blocks):
        before = value
        for convolution, norm in _layers(block):
            value = _convolved(graph, value, convolution, norm)
        if block.has_skip:
            value = graph.apply("Add", value, before)
    value = _convolved(graph, value, network.conv_head, network.bn2)
    pooled = graph.apply("Flatten", graph.apply("GlobalAveragePool", value))
    matrix, offset = (graph.weight(tensor.detach().numpy()) for tensor in network.classifier.parameters())
    scores = graph.apply("Softmax", graph.apply("Gemm", pooled, matrix, offset, transB=1), axis=-1)
    return graph.session({PIXELS: (np.float32, (1, 3, SIDE, SIDE))}, [scores, pooled], threads)


def _layers(block: Any) -> list[tuple[Any, Any]]:
    """Pairs of convolution and batch norm (with its activation), in order."""
    from torch import nn

    parts = list(block.children())
    convolutions = [part for part in parts if isinstance(part, nn.Conv2d)]
    norms = [part for part in parts if isinstance(part, nn.BatchNorm2d)]
    return list(zip(convolutions, norms, strict=True))


def _convolved(graph: Graph, value: str, convolution: Any, norm: Any) -> str:
    """A convolution with its folded batch norm and activation. TensorFlow pads an odd pixel at the end (SAME_UPPER)."""
    from torch import nn

    weight, scale, shift, mean, variance = (
        tensor.detach().numpy()
        for tensor in (convolution.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    factor = scale / np.sqrt(variance + norm.eps)
    folded = graph.weight(np.asarray(weight * factor[:, None, None, None], np.float32))
    offset = graph.weight(np.asarray(shift - mean * factor, np.float32))
    strides, group = list(convolution.stride), convolution.groups
    value = graph.apply("Conv", value, folded, offset, strides=strides, group=group, auto_pad="SAME_UPPER")
    if not isinstance(norm.act, nn.ReLU6):
        return value
    return graph.apply("Clip", value, graph.weight(np.array(0, np.float32)), graph.weight(np.array(6, np.float32)))
