"""The contract of each model family. Every registry entry passes `tests/contract/test_models.py`.

All are pure functions of their input: a result is the same alone, in a batch or in another order (fixed, padded
batches). One thread at a time calls a model; different models may run in parallel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stream.events.annotations import ModelStamp, Space

Image = npt.NDArray[np.uint8]
"""RGB, uint8 [height, width, 3], display orientation."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Predictions:
    """A tagger's result for n images: `probabilities` [n, labels] sum to 1 per row; `features` [n, d] are pooled."""

    probabilities: Floats
    features: Floats


class Model(Protocol):
    """`open` loads weights and raises `Unavailable` with the command that fetches them. `stamp` loads nothing."""

    def stamp(self) -> ModelStamp: ...
    def open(self) -> None: ...
    def close(self) -> None: ...


class ShotDetector(Model, Protocol):
    def cut_probabilities(self, dense: npt.NDArray[np.uint8]) -> Floats:
        """uint8 [ticks + 50, 27, 48, 3] with 25 ticks of context on both sides -> float32 [ticks + 50].

        `ticks` is a multiple of 50, and row 25 is a tick ≡ 0 mod 50. Value r is the probability that row r is the last
        row of a shot. The values of the context itself come from a one-sided view: they only show on which side of the
        cell's edge a transition lies. Where a cell ends, values may differ a little from those of a longer one.
        """


class Tagger(Model, Protocol):
    @property
    def labels(self) -> Sequence[str]: ...

    def predict(self, images: Sequence[Image]) -> Predictions: ...


class Moderator(Model, Protocol):
    def nsfw(self, images: Sequence[Image]) -> Floats:
        """[n] probabilities in 0..1."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Cosine scores that mean something in a space: a hit below `weak_below` most likely shows something else, and one
    from `strong_from` on most likely what was asked for.
    """

    weak_below: float
    strong_from: float


class Embedder(Model, Protocol):
    """An embedding space with its query towers. Vectors are L2-normalised float32."""

    @property
    def space(self) -> Space:
        """Known without loading weights."""

    def embed(self, images: Sequence[Image], predictions: Predictions) -> Floats:
        """[n, space.dimensions]. `predictions` come from the bundle's tagger, for embedders that build on it."""

    def embed_images(self, images: Sequence[Image], predictions: Predictions) -> Floats:
        """[n, space.image_dimensions or space.dimensions]: the vectors that image queries are compared with."""

    def embed_text(self, texts: Sequence[str]) -> Floats:
        """[n, space.dimensions], for queries."""

    @property
    def calibration(self) -> Calibration | None:
        """Of the scores of text queries; None where it is not calibrated."""


class Captioner(Model, Protocol):
    @property
    def method(self) -> str:
        """`template`, or the checkpoint's name."""

    def caption(self, images: Sequence[Image]) -> list[str]: ...
