"""Networks in onnxruntime on one thread: other numbers of threads may add up in another order."""

from pathlib import Path
from typing import Any, TypeAlias

import onnxruntime

from stream.errors import Unavailable
from stream.media.model_files import ModelFiles, PinnedFile

Session: TypeAlias = Any
"""An `onnxruntime.InferenceSession`, which has no types."""


def session(model: bytes | Path) -> Session:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Sums of 8-bit integers saturate on processors without VNNI, and not on others; sums of floats are alike.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # Pictures come in several sizes; what one needed is given back before the next.
    options.enable_mem_pattern = False
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def network_file(models: ModelFiles, pin: str, name: str) -> PinnedFile:
    """One of the files of a pin. Raises `Unavailable` `toolchain_lacks` where it is not fetched."""
    file = models.weights.get(pin, {}).get(name)
    if file is None or not file.path.is_file():
        raise Unavailable(
            f"{name} of the weights {pin} is not fetched on this machine: run `rushes weights fetch {pin}`",
            code="toolchain_lacks",
        )
    return file


def runtime() -> dict[str, str]:
    """For a toolchain."""
    return {"onnxruntime": onnxruntime.__version__, "threads": "1"}
