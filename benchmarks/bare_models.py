"""The networks alone, on inputs made beforehand: the least that models can cost with these weights and runtimes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import timm
import torch

from benchmarks.footage import MODEL_THREADS, cache
from models.colour import images_of
from models.conse import LABEL_SENTENCE, POWER, TOP_LABELS
from models.images import resized_crop
from models.moderation import _input as moderation_input
from models.protocol import Image
from models.shots import STEP, WINDOW
from models.tags import EfficientNetTagger
from models.text import MiniLm
from models.transnet import TransNetV2
from stream.events.frames import Frames
from stream.events.grid import TICK_NS

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Inputs:
    """`windows`: uint8 [1, 100, 27, 48, 3], only those that cover the cells' own range; `tags`: float32
    [1, 3, 224, 224]; `nsfw`: float32 [1, 224, 224, 3].
    """

    windows: Sequence[torch.Tensor]
    tags: Sequence[torch.Tensor]
    nsfw: Sequence[Floats]

    @classmethod
    def of(cls, cells: Sequence[Frames]) -> "Inputs":
        images = [image for cell in cells for image in images_of(cell)]
        return cls(
            [window for cell in cells for window in _windows(cell)],
            [_tag_input(image) for image in images],
            [moderation_input(image) for image in images],
        )


class BareNetworks:
    """The four models as a script of twenty lines would call them, opened."""

    def __init__(self) -> None:
        torch.set_num_threads(MODEL_THREADS)
        weights = cache()
        self._shots = TransNetV2().eval()
        self._shots.load_state_dict(torch.load(weights.file("transnetv2"), weights_only=True))
        stored = torch.load(weights.file("efficientnet-lite0"), weights_only=True)
        self._tags: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
        self._tags.load_state_dict(dict(zip(self._tags.state_dict(), stored.values(), strict=True)))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = MODEL_THREADS
        options.log_severity_level = 3
        self._nsfw: Any = onnxruntime.InferenceSession(
            str(weights.file("open-nsfw")), options, providers=["CPUExecutionProvider"]
        )
        self._labels = _label_vectors()

    def shots(self, windows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [self._shots(window) for window in windows]

    def tags(self, inputs: Sequence[torch.Tensor]) -> list[Floats]:
        with torch.inference_mode():
            return [torch.softmax(self._tags(item), -1).numpy() for item in inputs]

    def nsfw(self, inputs: Sequence[Floats]) -> list[Floats]:
        return [self._nsfw.run(None, {"input_0": item})[0] for item in inputs]

    def conse(self, probabilities: Floats) -> Floats:
        """[n, labels] to [n, 384]: the most probable labels only."""
        top = np.argpartition(-probabilities, TOP_LABELS, axis=1)[:, :TOP_LABELS]
        weights = np.take_along_axis(probabilities, top, 1) ** POWER
        vectors: Floats = np.einsum("nk,nkd->nd", weights, self._labels[top])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def all(self, inputs: Inputs) -> None:
        """Everything the bundle asks of its networks for these cells."""
        self.shots(inputs.windows)
        self.conse(np.concatenate(self.tags(inputs.tags)))
        self.nsfw(inputs.nsfw)


def _windows(cell: Frames) -> list[torch.Tensor]:
    if cell.dense is None:
        return []
    start_ns, end_ns = cell.range_ns
    starts = range(0, -(-(end_ns - start_ns) // TICK_NS), STEP)
    return [torch.from_numpy(cell.dense[first : first + WINDOW].copy())[None] for first in starts]


def _tag_input(image: Image) -> torch.Tensor:
    pixels = (resized_crop(image, resize=256, crop=224).astype(np.float32) - 127.0) / 128.0
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def _label_vectors() -> Floats:
    from models.registry import ModelContext

    text = MiniLm(cache())
    text.open()
    labels = EfficientNetTagger(ModelContext(cache(), MODEL_THREADS)).labels
    vectors = text.embed([LABEL_SENTENCE.format(label) for label in labels])
    return np.asarray(vectors - vectors.mean(0), np.float32)
