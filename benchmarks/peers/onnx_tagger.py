"""The peers' tagger as a rushes model, so that all contenders run the same graph in the same runtime."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.peers.task import CROP, OnnxNetwork
from models.pictures.geometry import resized_crop
from models.protocol import Floats, Image, Predictions
from models.registry import ModelContext
from models.weights.fetch import digest_of
from stream.events.annotations import ModelStamp

MODEL = Path("benchmarks") / "peers" / "tagger.onnx"
"""Below the cache directory."""


class OnnxTagger:
    """EfficientNet-Lite0 as exported by `benchmarks.peers.run`."""

    def __init__(self, context: ModelContext) -> None:
        self._path = context.cache.directory / MODEL
        self._threads = context.threads

    def stamp(self) -> ModelStamp:
        return ModelStamp(
            role="tags", name="efficientnet-lite0-onnx", version="1", digest=digest_of("efficientnet-lite0")
        )

    @cached_property
    def labels(self) -> Sequence[str]:
        names: list[str] = json.loads((self._path.parent / "labels.json").read_text())
        return tuple(names)

    def open(self) -> None:
        self._network = OnnxNetwork(str(self._path), threads=1)
        self._side_by_side = ThreadPoolExecutor(self._threads)

    def close(self) -> None:
        self._side_by_side.shutdown()
        del self._network

    def predict(self, images: Sequence[Image]) -> Predictions:
        found = list(self._side_by_side.map(self._predicted, images))
        return Predictions(np.stack([row for row, _ in found]), np.stack([features for _, features in found]))

    def _predicted(self, image: Image) -> tuple[Floats, Floats]:
        return self._network.run(resized_crop(image, resize=256, crop=CROP).astype(np.uint8))
