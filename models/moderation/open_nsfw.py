"""Yahoo's open NSFW network (github.com/yahoo/open_nsfw) in torch: a thin ResNet-50 (He et al. 2016, arXiv:1512.03385).

The weights come as a TensorFlow graph in ONNX. On a CPU onnxruntime runs that file. On an accelerator torch runs this
network, so no second runtime for CUDA is necessary.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.protocol import Floats
from stream.errors import Fatal

BLOCKS = (3, 4, 6, 3)
PASSED_ON = ("Cast", "Transpose")
FOLDED = ("Add", "Sub", "Mul")


class BottleneckBlock(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1 beside a shortcut. The first block of a stage projects its shortcut."""

    def __init__(self, convolutions: Iterator[nn.Conv2d], *, projects: bool) -> None:
        super().__init__()
        self.first, self.second = next(convolutions), next(convolutions)
        self.shortcut: nn.Module = next(convolutions) if projects else nn.Identity()
        self.third = next(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu_(self.second(functional.relu_(self.first(x))))
        out: Tensor = self.third(inner)
        return functional.relu_(out.add_(self.shortcut(x)))


class OpenNsfwNetwork(nn.Module):
    """float32 [n, 3, 224, 224], BGR minus the mean, to float32 [n], the probability of the class "nsfw".

    Convolutions run in the type that autocast sets, the classifier in float32.
    """

    def __init__(self, convolutions: list[nn.Conv2d], matrix: Tensor, offset: Tensor) -> None:
        super().__init__()
        left = iter(convolutions)
        self.stem = next(left)
        self.blocks = nn.Sequential(
            *chain.from_iterable(
                (BottleneckBlock(left, projects=number == 0) for number in range(count)) for count in BLOCKS
            )
        )
        self.matrix, self.offset = nn.Parameter(matrix), nn.Parameter(offset)

    def forward(self, x: Tensor) -> Tensor:
        maps = functional.relu_(self.stem(functional.pad(x, (3, 3, 3, 3))))
        # TensorFlow pads 112 to 113 at the end, while torch would pad both sides.
        maps = functional.max_pool2d(functional.pad(maps, (0, 1, 0, 1)), 3, 2)
        pooled = self.blocks(maps).float().mean((2, 3))
        # Half precision would round scores near a policy's gate.
        with torch.autocast(x.device.type, enabled=False):
            return torch.softmax(pooled @ self.matrix + self.offset, dim=-1)[:, 1]


def network_of(path: Path) -> OpenNsfwNetwork:
    """The network of the ONNX file, with batch norms folded into the convolutions. Raises
    `Fatal` (`wrong_checkpoint`).
    """
    import onnx

    try:
        return _built(_Graph(onnx.load(str(path)).graph)).eval()
    except Exception as error:  # a node, a weight or a shape is not where it should be
        raise Fatal(
            f"{path.name} is not the open NSFW network ({type(error).__name__}); run `rushes weights fetch`",
            code="wrong_checkpoint",
        ) from error


def _built(graph: "_Graph") -> OpenNsfwNetwork:
    convolutions = [graph.convolution(node) for node in graph.nodes("Conv")]
    wanted = 1 + sum(3 * count + 1 for count in BLOCKS)
    # Checked first: with another count the blocks would get each other's weights.
    if len(convolutions) != wanted:
        raise ValueError(f"{len(convolutions)} convolutions, not {wanted}")
    (product,) = graph.nodes("MatMul")
    matrix, offset = graph.weight(product.input[1]), graph.weight(graph.consumer(product).input[1])
    return OpenNsfwNetwork(convolutions, torch.tensor(matrix), torch.tensor(offset))


class _Graph:
    """The file's nodes in order, and the consumers of their outputs."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self._nodes = list(graph.node)
        self._weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._aliases = {node.output[0]: node.input[0] for node in self.nodes("Identity")}
        self._consumers = {name: node for node in reversed(self._nodes) for name in node.input}

    def nodes(self, operator: str) -> list[Any]:
        return [node for node in self._nodes if node.op_type == operator]

    def weight(self, name: str) -> Floats | None:
        return self._weights.get(self._aliases.get(name, name))

    def consumer(self, node: Any) -> Any:
        """The first consumer of the node's output. Casts and transpositions are skipped."""
        found = self._consumers[node.output[0]]
        return self.consumer(found) if found.op_type in PASSED_ON else found

    def convolution(self, node: Any) -> nn.Conv2d:
        """The convolution, including the later per-channel additions, subtractions and multiplications."""
        from onnx import helper

        weight = self.weight(node.input[1])
        assert weight is not None
        scale, shift = np.ones(len(weight), np.float32), np.zeros(len(weight), np.float32)
        following = self.consumer(node)
        # The file holds batch norms as single operators. Folded into the convolution they cost nothing.
        while following.op_type in FOLDED and (value := self.weight(following.input[1])) is not None:
            value = value.reshape(-1)
            if following.op_type == "Mul":
                scale, shift = scale * value, shift * value
            else:
                shift = shift + (value if following.op_type == "Add" else -value)
            following = self.consumer(following)
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        made = nn.Conv2d(
            weight.shape[1],
            weight.shape[0],
            tuple(weight.shape[2:]),
            stride=tuple(attributes["strides"]),
            padding=tuple(attributes["pads"][:2]),
        )
        made.load_state_dict({"weight": torch.tensor(weight * scale[:, None, None, None]), "bias": torch.tensor(shift)})
        return made
