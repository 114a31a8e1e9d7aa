"""ImageNet-1k tags with EfficientNet-Lite0."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from models.device import limit_threads
from models.images import resized_crop
from models.protocol import Image, Predictions
from models.registry import ModelContext
from models.weights import digest_of
from stream.errors import Fatal
from stream.events.annotations import ModelStamp

FEATURES = 1280
# One image at a time on a CPU, where batching gains nothing; padded groups on an accelerator.
BATCH_BY_DEVICE = {"cpu": 1, "cuda": 64}


class EfficientNetTagger:
    """Tan & Le 2019 (arXiv:1905.11946), the Lite0 variant ported from TensorFlow. Fixed batch shapes, padded."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._batch = BATCH_BY_DEVICE[context.device]
        self._network: Any = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="tags", name="efficientnet-lite0", version="1", digest=digest_of("efficientnet-lite0"))

    @cached_property
    def labels(self) -> Sequence[str]:
        """ImageNet-1k category names in class order."""
        from torchvision.models._meta import _IMAGENET_CATEGORIES

        return tuple(_IMAGENET_CATEGORIES)

    def open(self) -> None:
        limit_threads(self._context)
        import timm
        import torch

        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        stored = torch.load(self._context.cache.file("efficientnet-lite0"), map_location="cpu", weights_only=True)
        names = list(network.state_dict())
        if len(names) != len(stored):
            raise Fatal(f"checkpoint has {len(stored)} tensors, the network {len(names)}", code="wrong_checkpoint")
        # The checkpoint's names differ, its order does not.
        network.load_state_dict(dict(zip(names, stored.values(), strict=True)))
        self._network = network.eval().to(self._context.device)

    def close(self) -> None:
        self._network = None

    def predict(self, images: Sequence[Image]) -> Predictions:
        probabilities = np.empty((len(images), len(self.labels)), np.float32)
        features = np.empty((len(images), FEATURES), np.float32)
        for first in range(0, len(images), self._batch):
            part = images[first : first + self._batch]
            probabilities[first : first + len(part)], features[first : first + len(part)] = self._run(part)
        return Predictions(probabilities, features)

    def _run(self, images: Sequence[Image]) -> tuple[np.ndarray, np.ndarray]:
        import torch

        pixels = np.zeros((self._batch, 224, 224, 3), np.float32)
        for row, image in enumerate(images):
            pixels[row] = resized_crop(image, resize=256, crop=224)
        with torch.inference_mode():
            inputs = torch.from_numpy((pixels - 127.0) / 128.0).permute(0, 3, 1, 2).to(self._context.device)
            pooled = self._network.forward_head(self._network.forward_features(inputs), pre_logits=True)
            scores = torch.softmax(self._network.get_classifier()(pooled), dim=-1)
        return scores[: len(images)].cpu().numpy(), pooled[: len(images)].cpu().numpy()
