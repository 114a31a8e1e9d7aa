"""Light deterministic models: real functions of the pixels, almost free. For tests and fault drills."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.pictures.geometry import unit_rows
from models.protocol import Floats, Image, Predictions
from models.registry import ModelContext
from stream.events.annotations import ModelStamp, Space
from stream.events.ids import digest

LEVELS = 4
BINS = LEVELS**3
GRID = 4
DIMENSIONS = GRID * GRID * 3
CUT_DISTANCE = 0.5
HUES = ("red", "green", "blue", "grey")
WORD_VECTORS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}


class _Light:
    """A model with nothing to load."""

    role = ""

    def __init__(self, context: ModelContext) -> None:
        self._threads = context.threads

    def stamp(self) -> ModelStamp:
        return ModelStamp(role=self.role, name="hashing", version="1", digest=digest("hashing", self.role))

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass


class HashingShots(_Light):
    """A cut where the colour histograms of two consecutive ticks differ by more than half of their mass."""

    role = "shots"

    def cut_probabilities(self, dense: npt.NDArray[np.uint8]) -> Floats:
        histograms = np.stack([histogram(tick) for tick in dense])
        distance = np.abs(np.diff(histograms, axis=0)).sum(1) / 2.0
        return np.append(distance, 0.0).astype(np.float32)


class HashingTagger(_Light):
    """Tags the dominant colour: red, green, blue, or grey."""

    role = "tags"
    labels = HUES

    def predict(self, images: Sequence[Image]) -> Predictions:
        means = np.array([image.reshape(-1, 3).mean(0) for image in images], np.float64).reshape(-1, 3)
        spread = np.maximum(means - means.min(1, keepdims=True), 0.0)
        # A constant for grey, so that a picture without a dominant hue is tagged grey.
        scores = np.concatenate([spread, np.full((len(images), 1), 8.0)], axis=1)
        probabilities = scores / scores.sum(1, keepdims=True)
        return Predictions(
            probabilities.astype(np.float32),
            np.array([histogram(image) for image in images], np.float32).reshape(-1, BINS),
        )


class HashingModerator(_Light):
    """The share of skin-like pixels, by a fixed colour rule: a number between 0 and 1, not a judgement."""

    role = "moderation"

    def nsfw(self, images: Sequence[Image]) -> Floats:
        return np.array([_warm_share(image) for image in images], np.float32)


class HashingEmbedder(_Light):
    """Image vector: mean colours of a 4x4 grid. Text vector: the colours of its words, repeated over the grid."""

    role = "embedding"
    calibration = None

    @property
    def space(self) -> Space:
        return Space(name="hashing", digest=digest("hashing", 1), dimensions=DIMENSIONS, spec="hashing")

    def embed(self, images: Sequence[Image], predictions: Predictions) -> Floats:  # noqa: ARG002 - the family's contract
        return unit_rows(np.array([_grid_means(image) for image in images], np.float32).reshape(-1, DIMENSIONS))

    def embed_images(self, images: Sequence[Image], predictions: Predictions) -> Floats:
        return self.embed(images, predictions)

    def embed_text(self, texts: Sequence[str]) -> Floats:
        # An unknown word is grey, so it favours no colour.
        words = [[WORD_VECTORS.get(word, (0.1, 0.1, 0.1)) for word in text.lower().split()] for text in texts]
        rows = [np.tile(np.mean(vectors or [(1.0, 1.0, 1.0)], axis=0), GRID * GRID) for vectors in words]
        return unit_rows(np.array(rows, np.float32).reshape(-1, DIMENSIONS))


class HashingCaptioner(_Light):
    """Captions that name the brightness."""

    role = "captions"
    method = "hashing"

    def caption(self, images: Sequence[Image]) -> list[str]:
        return ["a bright picture" if image.mean() > 127 else "a dark picture" for image in images]


def histogram(image: npt.NDArray[np.uint8]) -> Floats:
    """64-bin RGB histogram, float32 [64]; sums to 1."""
    levels = image.reshape(-1, 3) // (256 // LEVELS)
    bins = levels @ np.array([LEVELS**2, LEVELS, 1])
    return np.asarray(np.bincount(bins, minlength=BINS) / len(bins), np.float32)


def _warm_share(image: Image) -> float:
    red, green, blue = (image[..., channel].astype(int) for channel in range(3))
    return float(
        ((red > 95) & (green > 40) & (blue > 20) & (red - np.minimum(green, blue) > 15) & (red > green)).mean()
    )


def _grid_means(image: Image) -> Floats:
    height, width = image.shape[:2]
    rows = np.linspace(0, height, GRID + 1).astype(int)
    columns = np.linspace(0, width, GRID + 1).astype(int)
    cells = [
        image[top : max(top + 1, bottom), left : max(left + 1, right)].reshape(-1, 3).mean(0)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]
    # Plus one, so that a black picture has a direction and is not a zero vector.
    return np.asarray(np.concatenate(cells) + 1.0, np.float32)
