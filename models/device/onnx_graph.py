"""Builds ONNX graphs operator by operator from loaded weights, and runs them in onnxruntime sessions.

Building a graph takes milliseconds. Exporting one from torch takes seconds and would need a cache (ADR 0010).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# The first version of operators with `Gelu`.
OPSET = 20
# Pinned: `onnx` may write a newer format than the installed onnxruntime reads.
IR_VERSION = 10

Session = Any
"""An `onnxruntime.InferenceSession`, which has no types."""


class Graph:
    """Nodes in the order in which they were added. Every method returns the name of a value for later nodes."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def weight(self, array: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"weight_{len(self._weights)}"
        # ONNX stores plain arrays, so a transposed view is copied into its order here.
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
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

        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape))
            for name, (kind, shape) in inputs.items()
        ]
        wanted = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        # Shapes of outputs are left open: onnxruntime derives them.
        graph = helper.make_graph(self._nodes, "rushes", given, wanted, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return cpu_session(model.SerializeToString(), threads)


def cpu_session(model: Path | bytes, threads: int) -> Session:
    """A session of onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # 3 is ERROR: warnings about our own graphs mean nothing to an operator.
    options.log_severity_level = 3
    # Idle threads sleep and do not spin: decode children share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
