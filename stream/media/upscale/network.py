"""SPAN (Wan et al. 2023, arXiv:2311.12770) from the files of ncnn, built as an ONNX graph for onnxruntime.

Against ncnn itself it differs by less than 1e-6 of full scale. So one runtime serves all networks, and no array can be
freed while the network still reads it, which ncnn's own binding allows.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from stream.errors import Unavailable

_MAGIC = "7767517"
_HALF = 0x01306B47
_OPSET, _IR_VERSION = 17, 8
_ARITHMETIC = {"0": "Add", "1": "Sub", "2": "Mul"}
INPUT, OUTPUT = "data", "output"


def onnx_model(layers: str, weights: bytes) -> bytes:
    """`layers`: the text of a `.param` file; `weights`: its `.bin` file. The model takes float32 [1, 3, h, w] of 0 to
    1. Raises `Unavailable` (`toolchain_lacks`) for files of another network.
    """
    lines = layers.splitlines()
    try:
        if lines[0] != _MAGIC:
            raise ValueError("no layers of ncnn")
        graph = _Graph(weights)
        for line in filter(str.strip, lines[2:]):
            graph.add(line)
        return graph.model()
    except (ValueError, KeyError, IndexError) as error:
        raise Unavailable(
            f"the weights of SPAN are not those that are known ({type(error).__name__}); run `rushes weights fetch`",
            code="toolchain_lacks",
        ) from None


class _Graph:
    def __init__(self, weights: bytes) -> None:
        self._weights = weights
        self._read = 0
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, line: str) -> None:
        """One layer: kind, name, numbers of inputs and outputs, their names, then `number=value` pairs."""
        kind, name, inputs, outputs, *rest = line.split()
        names, count = rest, int(inputs)
        ends = count + int(outputs)
        options = dict(pair.split("=") for pair in names[ends:])
        makers: Mapping[str, Callable[..., None]] = {
            "MemoryData": self._memory,
            "Convolution": self._convolution,
            "BinaryOp": self._arithmetic,
            "Split": self._split,
            "Swish": self._swish,
            "Sigmoid": self._sigmoid,
            "Concat": self._concat,
            "PixelShuffle": self._shuffle,
        }
        if kind != "Input":
            makers[kind](name, names[:count], names[count:ends], options)

    def model(self) -> bytes:
        if self._read != len(self._weights):
            raise ValueError("weights are left over")
        shape: list[int | str | None] = [1, 3, "height", "width"]
        graph = helper.make_graph(
            self._nodes,
            "span",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None)],
            self._constants,
        )
        # Pinned: `onnx` may write a newer format than the installed onnxruntime reads.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        data: bytes = model.SerializeToString()
        return data

    def _values(self, count: int, kind: str) -> npt.NDArray[Any]:
        values = np.frombuffer(self._weights, kind, count, self._read)
        # ncnn begins each array at a multiple of four bytes.
        self._read += -(-values.nbytes // 4) * 4
        return values

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def _node(self, kind: str, inputs: list[str], outputs: list[str], **options: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, outputs, **options))

    def _memory(self, _name: str, _inputs: list[str], outputs: list[str], options: dict[str, str]) -> None:
        shape = [int(options[number]) for number in "210"]
        self._constant(outputs[0], self._values(int(np.prod(shape)), "<f4").reshape(1, *shape))

    def _convolution(self, name: str, inputs: list[str], outputs: list[str], options: dict[str, str]) -> None:
        channels, side, count = (int(options[number]) for number in "016")
        if int.from_bytes(self._values(4, "u1").tobytes(), "little") != _HALF:
            raise ValueError("weights of another kind")
        kernel = self._values(count, "<f2").reshape(channels, -1, side, side)
        bias = self._values(channels, "<f4")
        arrays = [self._constant(f"{name} kernel", kernel), self._constant(f"{name} bias", bias)]
        padding = [int(options.get("4", "0"))] * 4
        self._node("Conv", [*inputs, *arrays], outputs, pads=padding, kernel_shape=[side, side])

    def _arithmetic(self, name: str, inputs: list[str], outputs: list[str], options: dict[str, str]) -> None:
        if options.get("1") == "1":
            inputs = [*inputs, self._constant(f"{name} scalar", np.array(float(options["2"])))]
        self._node(_ARITHMETIC[options["0"]] if "0" in options else "Add", inputs, outputs)

    def _split(self, _name: str, inputs: list[str], outputs: list[str], _options: dict[str, str]) -> None:
        for output in outputs:
            self._node("Identity", inputs, [output])

    def _swish(self, name: str, inputs: list[str], outputs: list[str], _options: dict[str, str]) -> None:
        self._node("Sigmoid", inputs, [f"{name} gate"])
        self._node("Mul", [*inputs, f"{name} gate"], outputs)

    def _sigmoid(self, _name: str, inputs: list[str], outputs: list[str], _options: dict[str, str]) -> None:
        self._node("Sigmoid", inputs, outputs)

    def _concat(self, _name: str, inputs: list[str], outputs: list[str], _options: dict[str, str]) -> None:
        self._node("Concat", inputs, outputs, axis=1)

    def _shuffle(self, _name: str, inputs: list[str], outputs: list[str], options: dict[str, str]) -> None:
        self._node("DepthToSpace", inputs, outputs, blocksize=int(options["0"]), mode="CRD")
