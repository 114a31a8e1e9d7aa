"""TransNet V2 (Souček & Lokoč 2020, arXiv:2008.04838) in onnxruntime, made from the checkpoint alone.

It takes as long as the torch network and needs no torch, which takes longer to import than a short clip to process.
Features are [frames, channels, height, width]: a (1,3,3) convolution is 2-D over frames, and a (3,1,1) convolution is
2-D over time and place.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.device.onnx_graph import Graph, Session
from models.protocol import Floats
from stream.errors import Fatal
from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH

STACKS = 3
BLOCKS = 2
DILATIONS = (1, 2, 4, 8)
LOOKUP = 101
BINS = 512
NORM_EPSILON = 1e-3
SMALLEST_NORM = np.float32(1e-12)
FRAMES = "frames"
HISTOGRAMS = "histograms"
NEAR = "near"
"""Where the similarities of each frame lie in a row that has room for 50 more on both sides."""
ANY = "frames_in_window"
Weights = Mapping[str, npt.NDArray[Any]]


def session_of(tensors: Weights, threads: int) -> Session:
    """float32 [n, 3, 27, 48] `frames` with values to 255, float32 [n, 512] `histograms` of unit length and int64
    [n, 101] `near` to float32 [n, 1] logits that a frame is the last of its shot. Raises `Fatal` (`wrong_checkpoint`).
    """
    try:
        return _Network(Graph(), tensors).session(threads)
    except KeyError as error:
        raise Fatal(f"the checkpoint is not one of TransNet V2: it has no {error}", code="wrong_checkpoint") from error


def inputs_of(window: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    """The inputs of a session for uint8 [n, 27, 48, 3] RGB."""
    frames = np.ascontiguousarray(window.transpose(0, 3, 1, 2), np.float32)
    near = np.arange(len(window))[:, None] + np.arange(LOOKUP)
    return {FRAMES: frames, HISTOGRAMS: _histograms(window), NEAR: near}


def _histograms(window: npt.NDArray[np.uint8]) -> Floats:
    """8x8x8 RGB histograms [frames, 512] of unit length."""
    # The upper three bits of each channel.
    levels = (window >> 5).astype(np.int64)
    bins = ((levels[..., 0] << 6) + (levels[..., 1] << 3) + levels[..., 2]).reshape(len(window), -1)
    bins += BINS * np.arange(len(window))[:, None]
    counts = np.bincount(bins.ravel(), minlength=BINS * len(window)).reshape(len(window), BINS).astype(np.float32)
    unit: Floats = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), SMALLEST_NORM)
    return unit


class _Network:
    """The parts of the network, named as in the checkpoint."""

    def __init__(self, graph: Graph, tensors: Weights) -> None:
        self._graph = graph
        self._tensors = tensors

    def session(self, threads: int) -> Session:
        apply = self._graph.apply
        value = apply("Mul", FRAMES, self._graph.weight(np.array(1 / 255, np.float32)))
        height, width, means = DENSE_HEIGHT, DENSE_WIDTH, []
        for stack in range(STACKS):
            value = self._stack(value, f"SDDCNN.{stack}.DDCNN", height, width)
            height, width = height // 2, width // 2
            means.append(apply("ReduceMean", value, self._numbers(2, 3), keepdims=0))
        learned = self._unit(self._linear(apply("Concat", *means, axis=1), "frame_sim_layer.projection"))
        # The last layers were trained on features with the channels last.
        flat = apply("Reshape", apply("Transpose", value, perm=[0, 2, 3, 1]), self._numbers(0, -1))
        alike = [self._alike(HISTOGRAMS, "color_hist_layer.fc"), self._alike(learned, "frame_sim_layer.fc")]
        hidden = apply("Relu", self._linear(apply("Concat", *alike, flat, axis=1), "fc1"))
        given: dict[str, tuple[type[np.generic], Sequence[int | str]]] = {
            FRAMES: (np.float32, (ANY, 3, DENSE_HEIGHT, DENSE_WIDTH)),
            HISTOGRAMS: (np.float32, (ANY, BINS)),
            NEAR: (np.int64, (ANY, LOOKUP)),
        }
        return self._graph.session(given, [self._linear(hidden, "cls_layer1")], threads)

    def _stack(self, value: str, name: str, height: int, width: int) -> str:
        """Blocks with a shortcut from the first one, then 2x2 average pooling in space."""
        apply = self._graph.apply
        first = value = apply("Relu", self._block(value, f"{name}.0", height, width))
        for block in range(1, BLOCKS):
            value = self._block(value, f"{name}.{block}", height, width)
        value = apply("Add", apply("Relu", value), first)
        return apply("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])

    def _block(self, value: str, name: str, height: int, width: int) -> str:
        """Four dilations in parallel, with the batch norm folded into their last convolutions."""
        apply = self._graph.apply
        scale, shift, mean, variance = (
            self._tensors[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + NORM_EPSILON)
        offset = shift - mean * factor
        filters = len(factor) // len(DILATIONS)
        made = []
        for at, dilation in enumerate(DILATIONS):
            chosen = slice(at * filters, (at + 1) * filters)
            spatial, temporal = (self._tensors[f"{name}.Conv3D_{dilation}.layers.{part}.weight"] for part in (0, 1))
            seen = apply("Conv", value, self._weight(spatial.squeeze(2)), pads=[1, 1, 1, 1])
            by_time = apply("Transpose", seen, perm=[1, 0, 2, 3])
            by_time = apply("Reshape", by_time, self._numbers(1, 2 * filters, -1, height * width))
            kernel = self._weight(temporal.squeeze(4) * factor[chosen, None, None, None])
            over, edge = [dilation, 1], [dilation, 0, dilation, 0]
            made.append(apply("Conv", by_time, kernel, self._weight(offset[chosen]), dilations=over, pads=edge))
        joined = apply("Concat", *made, axis=1)
        joined = apply("Reshape", joined, self._numbers(len(factor), -1, height, width))
        return apply("Transpose", joined, perm=[1, 0, 2, 3])

    def _alike(self, unit: str, layer: str) -> str:
        """Cosine similarities of each frame to the 50 before and after it, zero outside, through a layer."""
        apply = self._graph.apply
        edge = (LOOKUP - 1) // 2
        every = apply("MatMul", unit, apply("Transpose", unit, perm=[1, 0]))
        padded = apply("Pad", every, self._numbers(0, edge, 0, edge))
        near = apply("GatherElements", padded, NEAR, axis=1)
        return apply("Relu", self._linear(near, layer))

    def _unit(self, rows: str) -> str:
        length = self._graph.apply("ReduceL2", rows, self._numbers(1), keepdims=1)
        return self._graph.apply("Div", rows, self._graph.apply("Max", length, self._weight(SMALLEST_NORM)))

    def _linear(self, value: str, name: str) -> str:
        matrix, offset = (self._tensors[f"{name}.{part}"] for part in ("weight", "bias"))
        return self._graph.apply("Gemm", value, self._weight(matrix), self._weight(offset), transB=1)

    def _weight(self, values: Any) -> str:
        return self._graph.weight(np.asarray(values, np.float32))

    def _numbers(self, *values: int) -> str:
        return self._graph.weight(np.array(values, np.int64))
