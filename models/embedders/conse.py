"""ConSE: search by words without a two-tower model (Norouzi et al. 2014, arXiv:1312.5650)."""

import importlib.metadata
from collections.abc import Sequence

import numpy as np

from models.embedders.text import DIMENSIONS, MiniLm
from models.pictures.geometry import unit_rows
from models.protocol import Calibration, Floats, Image, Predictions
from models.registry import ModelContext
from models.tags.imagenet import FEATURES, EfficientNetTagger
from models.weights.fetch import digest_of
from stream.errors import Fatal
from stream.events.annotations import ModelStamp, Space
from stream.events.ids import digest, typed_digest

ALGORITHM = 3
LABEL_SENTENCE = "a video of {}"
# Square roots of the probabilities (a temperature of 2) over many labels: lower guesses of a 1000-class model carry
# meaning too. Fewer labels or plain probabilities did a little worse on the nine queries that this was chosen with.
TOP_LABELS = 300
POWER = 0.5
# By `benchmarks.relevance --calibrate`, from phrases and queries by which search is not judged there. Five of six
# phrases of what no clip shows have no hit from `weak_below` on, and nine of ten hits from `strong_from` on are right.
# Half of the right answers score lower than both.
CALIBRATION = Calibration(weak_below=0.264, strong_from=0.308)


class ConSE:
    """The most probable labels' sentence embeddings, weighted with flattened probabilities. The mean label embedding is
    subtracted first, because all label names have in common that they name things.

    Needs EfficientNet-Lite0 on ImageNet-1k as the bundle's tagger. Image queries use its pooled features, a separate
    vector: a mean of label embeddings describes an image badly.
    """

    def __init__(self, context: ModelContext) -> None:
        self._cache = context.cache
        self._text = MiniLm(context)
        self._labels = EfficientNetTagger(context)
        self._label_vectors: Floats | None = None

    @property
    def space(self) -> Space:
        settings = (ALGORITHM, LABEL_SENTENCE, TOP_LABELS, POWER)
        # Both weights count: other tags or other words would make other vectors.
        weights = digest("conse", *settings, digest_of("minilm"), digest_of("efficientnet-lite0"))
        return Space(name="conse", digest=weights, dimensions=DIMENSIONS, image_dimensions=FEATURES, spec="conse")

    @property
    def calibration(self) -> Calibration | None:
        return CALIBRATION

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="embedding", name="conse", version=str(ALGORITHM), digest=self.space.digest)

    def open(self) -> None:
        self._text.open()

    def close(self) -> None:
        self._text.close()
        self._label_vectors = None

    def embed(self, images: Sequence[Image], predictions: Predictions) -> Floats:  # noqa: ARG002 - the family's contract
        if predictions.probabilities.shape[1] != len(self._labels.labels):
            raise Fatal("conse needs the tagger efficientnet-lite0: other labels mean other words", code="wrong_tagger")
        vectors = self._label_rows()
        rows = []
        for probabilities in predictions.probabilities:
            # Stable, so that ties among small probabilities do not change the vector.
            top = np.argsort(-probabilities, kind="stable")[:TOP_LABELS]
            rows.append(probabilities[top] ** POWER @ vectors[top])
        return unit_rows(np.array(rows, np.float32).reshape(-1, DIMENSIONS))

    def _label_rows(self) -> Floats:
        """Label vectors [labels, 384], read on first use: queries by words do not need them."""
        if self._label_vectors is None:
            sentences = [LABEL_SENTENCE.format(label) for label in self._labels.labels]
            # A thousand sentences cost as much as three seconds of video, so the cache keeps them for the next process.
            runtime = importlib.metadata.version("onnxruntime")
            key = typed_digest("label-vectors", digest_of("minilm"), runtime, tuple(sentences))
            vectors = self._cache.derived(key, lambda: self._text.embed(sentences))
            self._label_vectors = vectors - vectors.mean(0)
        return self._label_vectors

    def embed_images(self, images: Sequence[Image], predictions: Predictions) -> Floats:  # noqa: ARG002
        return unit_rows(predictions.features)

    def embed_text(self, texts: Sequence[str]) -> Floats:
        return self._text.embed(texts)
