"""TransNet V2 (Souček & Lokoč 2020, arXiv:2008.04838) in onnxruntime, made from the checkpoint alone.

It needs no torch, which takes longer to import than a short clip to process, and is cheaper than torch: the (1,3,3)
convolutions take a quarter of the products (`minimal_filters`, ADR 0088). Features are [height, width, channels,
frames], where these are matrix products and (3,1,1) convolutions are 1-D, without a transposition.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.device.onnx_graph import Graph
from models.protocol import Floats
from models.shots.plane_convolution import PlaneConvolution
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
Network = Callable[[npt.NDArray[np.uint8]], Floats]
"""RGB [n, 27, 48, 3] -> logits [n] that each frame is the last of its shot."""


def networks_of(tensors: Weights) -> Callable[[int], Network]:
    """Makes networks that run on so many threads, and share their weights. Raises `Fatal` (`wrong_checkpoint`)."""
    graph = Graph()
    try:
        logits = _Layers(graph, tensors).logits()
    except KeyError as error:
        raise Fatal(f"the checkpoint is not one of TransNet V2: it has no {error}", code="wrong_checkpoint") from error
    given: dict[str, tuple[type[np.generic], Sequence[int | str]]] = {
        FRAMES: (np.float32, (DENSE_HEIGHT, DENSE_WIDTH, 3, ANY)),
        HISTOGRAMS: (np.float32, (ANY, BINS)),
        NEAR: (np.int64, (ANY, LOOKUP)),
    }

    def network_of(threads: int) -> Network:
        session = graph.session(given, [logits], threads)

        def network(window: npt.NDArray[np.uint8]) -> Floats:
            (found,) = session.run(None, {**_inputs_of(window), **graph.handed_values})
            last: Floats = found[:, 0]
            return last

        return network

    return network_of


def _inputs_of(window: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    """`frames` with values to 255, `histograms` of unit length, and where the similarities lie."""
    frames = np.ascontiguousarray(window.transpose(1, 2, 3, 0), np.float32)
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


class _Layers:
    """The parts of the network, named as in the checkpoint."""

    def __init__(self, graph: Graph, tensors: Weights) -> None:
        self._graph = graph
        self._tensors = tensors

    def logits(self) -> str:
        apply = self._graph.apply
        value = apply("Mul", FRAMES, self._graph.floats(1 / 255))
        height, width, means = DENSE_HEIGHT, DENSE_WIDTH, []
        for stack in range(STACKS):
            value = self._stack(value, f"SDDCNN.{stack}.DDCNN", height, width)
            height, width = height // 2, width // 2
            means.append(apply("ReduceMean", value, self._graph.numbers(0, 1), keepdims=0))
        pooled = apply("Transpose", apply("Concat", *means, axis=0), perm=[1, 0])
        learned = self._unit(self._linear(pooled, "frame_sim_layer.projection"))
        # The last layers were trained on features with the channels last.
        flat = self._reshaped(apply("Transpose", value, perm=[3, 0, 1, 2]), 0, -1)
        alike = [self._alike(HISTOGRAMS, "color_hist_layer.fc"), self._alike(learned, "frame_sim_layer.fc")]
        hidden = apply("Relu", self._linear(apply("Concat", *alike, flat, axis=1), "fc1"))
        return self._linear(hidden, "cls_layer1")

    def _stack(self, value: str, name: str, height: int, width: int) -> str:
        """Blocks with a shortcut from the first one, then 2x2 average pooling in space."""
        apply = self._graph.apply
        first = value = apply("Relu", self._block(value, f"{name}.0", height, width))
        for block in range(1, BLOCKS):
            value = self._block(value, f"{name}.{block}", height, width)
        value = apply("Add", apply("Relu", value), first)
        value = apply("MatMul", self._graph.floats(_means_of_two(height)), self._reshaped(value, height, -1))
        value = self._reshaped(value, height // 2, width, -1)
        value = apply("MatMul", self._graph.floats(_means_of_two(width)), value)
        return self._reshaped(value, height // 2, width // 2, len(self._tensors[f"{name}.0.bn.weight"]), -1)

    def _block(self, value: str, name: str, height: int, width: int) -> str:
        """Four dilations in parallel, with the batch norm folded into their last convolutions."""
        tensors, apply, numbers = self._tensors, self._graph.apply, self._graph.numbers
        spatial = np.concatenate([tensors[f"{name}.Conv3D_{by}.layers.0.weight"].squeeze(2) for by in DILATIONS])
        temporal = self._temporal(name)
        seen = len(spatial) // len(DILATIONS)
        bands = []
        for band in PlaneConvolution(self._graph, spatial, height, width).bands(value):
            made = []
            for at, (dilation, (kernel, offset)) in enumerate(zip(DILATIONS, temporal, strict=True)):
                own = apply("Slice", band, numbers(at * seen), numbers((at + 1) * seen), numbers(1))
                made.append(apply("Conv", own, kernel, offset, dilations=[dilation], pads=[dilation, dilation]))
            bands.append(apply("Concat", *made, axis=1))
        channels = len(tensors[f"{name}.bn.weight"])
        return self._reshaped(apply("Concat", *bands, axis=0), height, width, channels, -1)

    def _temporal(self, name: str) -> list[tuple[str, str]]:
        """Kernel and offset of each dilation."""
        scale, shift, mean, variance = (
            self._tensors[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + NORM_EPSILON)
        offset = shift - mean * factor
        found = []
        for at, dilation in enumerate(DILATIONS):
            kernel = self._tensors[f"{name}.Conv3D_{dilation}.layers.1.weight"].squeeze(4).squeeze(3)
            chosen = slice(at * len(kernel), (at + 1) * len(kernel))
            kernel = kernel * factor[chosen, None, None]
            found.append((self._graph.floats(kernel), self._graph.floats(offset[chosen])))
        return found

    def _alike(self, unit: str, layer: str) -> str:
        """Cosine similarities of each frame to the 50 before and after it, zero outside, through a layer."""
        apply = self._graph.apply
        edge = (LOOKUP - 1) // 2
        every = apply("MatMul", unit, apply("Transpose", unit, perm=[1, 0]))
        padded = apply("Pad", every, self._graph.numbers(0, edge, 0, edge))
        near = apply("GatherElements", padded, NEAR, axis=1)
        return apply("Relu", self._linear(near, layer))

    def _unit(self, rows: str) -> str:
        length = self._graph.apply("ReduceL2", rows, self._graph.numbers(1), keepdims=1)
        return self._graph.apply("Div", rows, self._graph.apply("Max", length, self._graph.floats(SMALLEST_NORM)))

    def _linear(self, value: str, name: str) -> str:
        matrix, offset = (self._tensors[f"{name}.{part}"] for part in ("weight", "bias"))
        return self._graph.apply("Gemm", value, self._graph.floats(matrix), self._graph.floats(offset), transB=1)

    def _reshaped(self, value: str, *shape: int) -> str:
        return self._graph.apply("Reshape", value, self._graph.numbers(*shape))


def _means_of_two(length: int) -> Floats:
    """[length // 2, length]: neighbours together, without the last one of an odd length."""
    means: Floats = np.repeat(np.eye(length // 2, dtype=np.float32) / 2, 2, axis=1)
    return np.pad(means, ((0, 0), (0, length % 2)))
