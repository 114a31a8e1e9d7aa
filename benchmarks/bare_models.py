"""The networks alone, on inputs made beforehand: the least that models can cost with these weights and runtimes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.footage import MODEL_THREADS, cache
from models.device.onnx_graph import cpu_session
from models.embedders.conse import LABEL_SENTENCE, POWER, TOP_LABELS
from models.embedders.text import MiniLm
from models.moderation.nsfw import input_of as moderation_input
from models.pictures.colour import images_of
from models.pictures.geometry import resized_crop
from models.protocol import Image
from models.registry import ModelContext
from models.shots.network import TransNetV2
from models.tags.efficientnet import PIXELS, session_of
from models.tags.imagenet import EfficientNetTagger
from models.weights.checkpoint import read_checkpoint
from stream.events.frames import Frames
from stream.events.grid import TICK_NS

Floats = npt.NDArray[np.float32]
# As its authors run the shot network: windows of 100 frames, of which the middle 50 count.
WINDOW, STEP = 100, 50


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
        self._shots.load_checkpoint(read_checkpoint(weights.file("transnetv2")))
        self._tags = session_of(read_checkpoint(weights.file("efficientnet-lite0")), MODEL_THREADS)
        self._nsfw = cpu_session(weights.file("open-nsfw"), MODEL_THREADS)
        self.text = MiniLm(ModelContext(weights, MODEL_THREADS))
        self.text.open()
        self._labels = _label_vectors(self.text)

    def shots(self, windows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [self._shots(window) for window in windows]

    def tags(self, inputs: Sequence[torch.Tensor]) -> list[Floats]:
        return [self._tags.run(None, {PIXELS: item.numpy()})[0] for item in inputs]

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
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def _label_vectors(text: MiniLm) -> Floats:
    labels = EfficientNetTagger(ModelContext(cache(), MODEL_THREADS)).labels
    vectors = text.embed([LABEL_SENTENCE.format(label) for label in labels])
    return np.asarray(vectors - vectors.mean(0), np.float32)
