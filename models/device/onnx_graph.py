"""Builds ONNX graphs operator by operator from loaded weights, and runs them in onnxruntime sessions.

Building a graph takes milliseconds. Exporting one from torch takes seconds and would need a cache (ADR 0010).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

# The first version of operators with `Gelu`.
OPSET = 20
# Pinned: `onnx` may write a newer format than the installed onnxruntime reads.
IR_VERSION = 10

NOTHING_GIVEN: Mapping[str, npt.NDArray[Any]] = MappingProxyType({})
_LARGE_BYTES = 1 << 16

Session = Any
"""An `onnxruntime.InferenceSession`, which has no types."""


class Graph:
    """Nodes in the order in which they were added. Every method returns the name of a value for later nodes."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._large: dict[str, npt.NDArray[Any]] = {}
        self.handed_values: dict[str, npt.NDArray[np.float32]] = {}

    def weight(self, array: npt.NDArray[Any]) -> str:
        """A constant. Large ones are handed to the session as they are: writing them into the graph, and reading them
        from it, would copy them four times.
        """
        from onnx import numpy_helper

        name = f"weight_{len(self._weights)}"
        # ONNX stores plain arrays, so a transposed view is copied into its order here.
        values = np.ascontiguousarray(array)
        if values.nbytes >= _LARGE_BYTES:
            self._large[name] = values
            self._weights.append(_outside(name, values))
        else:
            self._weights.append(numpy_helper.from_array(values, name))
        return name

    def floats(self, values: npt.ArrayLike) -> str:
        """A constant in float32."""
        return self.weight(np.asarray(values, np.float32))

    def numbers(self, *values: int) -> str:
        """A constant of whole numbers: shapes, axes, places."""
        return self.weight(np.array(values, np.int64))

    def handed(self, values: npt.NDArray[np.float32]) -> str:
        """A constant that each run is given, with `handed_values`: no session holds a copy of it. Not for weights that
        onnxruntime brings into another order once, as those of convolutions and on the right of a product.
        """
        name = f"handed_{len(self.handed_values)}"
        self.handed_values[name] = values
        return name

    def apply(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds one ONNX operator with one output."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def session(
        self, inputs: Mapping[str, tuple[type[np.generic], Sequence[int | str]]], outputs: Sequence[str], threads: int
    ) -> Session:
        """A session for the CPU. `inputs`: name to type and shape; a word in the shape stands for any size."""
        from onnx import TensorProto, helper

        every: dict[str, tuple[type[np.generic], Sequence[int | str]]] = dict(inputs)
        every |= {name: (np.float32, values.shape) for name, values in self.handed_values.items()}
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape))
            for name, (kind, shape) in every.items()
        ]
        wanted = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        # Shapes of outputs are left open: onnxruntime derives them.
        graph = helper.make_graph(self._nodes, "rushes", given, wanted, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return cpu_session(model.SerializeToString(), threads, self._large)


def _outside(name: str, values: npt.NDArray[Any]) -> Any:
    """A tensor whose values the session is given apart."""
    from onnx import TensorProto, helper

    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(values.dtype), dims=values.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="given")
    return tensor


def cpu_session(model: Path | bytes, threads: int, given: Mapping[str, npt.NDArray[Any]] = NOTHING_GIVEN) -> Session:
    """A session of onnxruntime on the CPU. `given` are the weights that `model` names and does not hold."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # 3 is ERROR: warnings about our own graphs mean nothing to an operator.
    options.log_severity_level = 3
    # Idle threads sleep and do not spin: decode children share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if given:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in given.values()]
        options.add_external_initializers(list(given), values)
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
