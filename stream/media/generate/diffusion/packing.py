"""Values of a scheduler or an encoder as JSON beside tensors, so that nothing is pickled.

What a file says is data alone: nothing that is unpacked names a class.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from stream.errors import BadMedia

Tensors = dict[str, torch.Tensor]


def packed(value: Any, tensors: Tensors, name: str) -> Any:
    """JSON for a value; the tensors in it are put into `tensors` under names that begin with `name`. Raises `BadMedia`
    (`model_not_resumable`) for what is neither a number, a text, a tensor, nor a list or mapping of these.
    """
    match value:
        case None | bool() | int() | float() | str():
            return {"value": value}
        case torch.Tensor():
            tensors[name] = value.detach().clone().contiguous()
            return {"tensor": name}
        case np.ndarray():
            tensors[name] = torch.from_numpy(np.ascontiguousarray(value).copy())
            return {"array": name}
        case np.generic():
            return {"value": value.item()}
        case list() | tuple():
            return {"list": [packed(each, tensors, f"{name}.{index}") for index, each in enumerate(value)]}
        case dict():
            return {"mapping": {str(key): packed(each, tensors, f"{name}.{key}") for key, each in value.items()}}
    raise BadMedia(
        f"model: its {name.partition('.')[0]} keeps a {type(value).__name__}, which cannot be stored between steps:"
        " use another scheduler",
        code="model_not_resumable",
    )


def unpacked(told: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    """What `packed` made JSON of; tuples come back as lists. Raises `KeyError` and `TypeError` for anything else."""
    ((kind, inner),) = told.items()
    if kind == "list":
        return [unpacked(each, tensors) for each in inner]
    if kind == "mapping":
        return {key: unpacked(each, tensors) for key, each in inner.items()}
    if kind == "value":
        return inner
    found = tensors[inner].clone()
    return {"tensor": found, "array": found.numpy()}[kind]
