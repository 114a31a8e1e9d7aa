"""What stands for a model where nobody wants its results: it loads nothing, and its results are empty."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.protocol import Calibration, Floats, Image, Predictions
from stream.events.annotations import ModelStamp, Space
from stream.events.ids import digest

NONE = "none"
NO_VECTORS = Space(name=NONE, digest=digest("no vectors"), dimensions=0, spec=NONE)
"""The space of rows without vectors. They lie in a table of their own, and are found by their words."""


class Absent:
    """Of any family. Its stamp belongs to no row: nobody has looked."""

    labels: tuple[str, ...] = ()
    calibration: Calibration | None = None
    space = NO_VECTORS

    def stamp(self) -> ModelStamp:
        return ModelStamp(role=NONE, name=NONE, version="", digest="")

    def open(self) -> None: ...

    def close(self) -> None: ...

    def cut_probabilities(self, dense: npt.NDArray[np.uint8]) -> Floats:
        return np.zeros(len(dense), np.float32)

    def predict(self, images: Sequence[Image]) -> Predictions:
        return Predictions(_nothing(images), _nothing(images))

    def nsfw(self, images: Sequence[Image]) -> Floats:
        return np.full(len(images), np.nan, np.float32)

    def embed(self, images: Sequence[Image], predictions: Predictions) -> Floats:  # noqa: ARG002 - the family's contract
        return _nothing(images)

    def embed_images(self, images: Sequence[Image], predictions: Predictions) -> Floats:
        return self.embed(images, predictions)

    def embed_text(self, texts: Sequence[str]) -> Floats:
        return np.zeros((len(texts), 0), np.float32)


def _nothing(images: Sequence[Image]) -> Floats:
    return np.zeros((len(images), 0), np.float32)
