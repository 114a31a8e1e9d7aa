"""ImageNet-1k tags with EfficientNet-Lite0."""

import importlib.metadata
import runpy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from models.device.batches import PictureBatches
from models.device.device import limit_threads, ready_device
from models.device.onnx_graph import Session
from models.pictures.geometry import resized_crop
from models.protocol import Floats, Image, Predictions
from models.registry import ModelContext
from models.tags.efficientnet import PIXELS, SIDE, network_of, session_of
from models.weights.checkpoint import read_checkpoint
from models.weights.fetch import digest_of
from stream.events.annotations import ModelStamp

FEATURES = 1280
RESIZE = 256
CUDA_BATCH = 64


class EfficientNetTagger:
    """Tan & Le 2019 (arXiv:1905.11946), the Lite0 variant ported from TensorFlow.

    On a CPU onnxruntime runs pictures side by side, each on one thread (ADR 0010). On CUDA torch runs padded batches,
    with convolutions in float16.
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._session: Session = None
        self._threads: ThreadPoolExecutor | None = None
        self.batches: PictureBatches | None = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="tags", name="efficientnet-lite0", version="1", digest=digest_of("efficientnet-lite0"))

    @cached_property
    def labels(self) -> Sequence[str]:
        """The ImageNet-1k category names in class order."""
        # The file alone: to import its package takes seconds.
        path = importlib.metadata.distribution("torchvision").locate_file("torchvision/models/_meta.py")
        return tuple(runpy.run_path(str(path))["_IMAGENET_CATEGORIES"])

    def open(self) -> None:
        tensors = read_checkpoint(self._context.cache.file("efficientnet-lite0"))
        if (device := ready_device(self._context)) == "cpu":
            self._session = session_of(tensors, threads=1)
            self._threads = ThreadPoolExecutor(self._context.threads, "tags")
            return
        limit_threads(self._context)
        self.batches = batches_of(network_of(tensors), device, CUDA_BATCH, self._context.threads)

    def close(self) -> None:
        if self.batches is not None:
            self.batches.close()
        if self._threads is not None:
            self._threads.shutdown()
        self._session = self.batches = self._threads = None

    def predict(self, images: Sequence[Image]) -> Predictions:
        if self.batches is not None:
            return Predictions(*self.batches.run(images))
        assert self._threads is not None, "call open first"
        probabilities = np.empty((len(images), len(self.labels)), np.float32)
        features = np.empty((len(images), FEATURES), np.float32)
        for row, found in enumerate(self._threads.map(self._predicted, images)):
            (probabilities[row],), (features[row],) = found
        return Predictions(probabilities, features)

    def _predicted(self, image: Image) -> Sequence[Floats]:
        """Probabilities [1, labels] and features [1, 1280]."""
        found: Sequence[Floats] = self._session.run(None, {PIXELS: _input(_crop(image))})
        return found


def batches_of(network: Any, device: str, batch: int, threads: int) -> PictureBatches:
    """The network on an accelerator: convolutions in float16, the classifier and softmax in float32. bfloat16 would
    change features too much (cosine 0.994 to float32, against 0.9999 with float16, ADR 0011).
    """
    import torch

    moved = network.to(device, memory_format=torch.channels_last)

    def forward(pictures: Any) -> tuple[Any, Any]:
        inputs = ((pictures.float() - 127.0) / 128.0).permute(0, 3, 1, 2)
        # No cache of casted weights: a captured graph would keep pointing at freed ones.
        with torch.autocast(device.partition(":")[0], torch.float16, cache_enabled=False):
            maps = moved.forward_features(inputs)
        # In float32 from here: the pooled features become vectors that search compares.
        pooled = moved.forward_head(maps.float(), pre_logits=True)
        return torch.softmax(moved.get_classifier()(pooled), dim=-1), pooled

    return PictureBatches(forward, prepare=_crop, device=device, batch=batch, side=SIDE, threads=threads)


def _crop(image: Image) -> Image:
    return resized_crop(image, resize=RESIZE, crop=SIDE)


def _input(crop: Image) -> Floats:
    """The network's input, float32 [1, 3, 224, 224]."""
    return np.ascontiguousarray(((crop.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1))[None]
