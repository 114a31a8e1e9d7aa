"""Turns queries into vectors with the query side of a space's embedder, which opens on first use."""

from pathlib import Path

import numpy as np

from models.pictures.files import pixels_of
from models.protocol import Embedder, Floats, Predictions, Tagger
from models.registry import ModelContext, load
from stream.errors import BadRequest
from stream.events.annotations import Space
from stream.pipelines.settings import ModelChoice
from stream.search.request import PictureFile, Words


class QueryEncoder:
    """Keeps models open between queries until it is closed. One thread at a time."""

    def __init__(self, cache_dir: Path) -> None:
        # On a CPU: one query is too small for the way to an accelerator.
        self._context = ModelContext.of(cache_dir)
        self._embedders: dict[str, Embedder] = {}
        self._tagger: Tagger | None = None

    def encode(self, space: Space, query: Words | PictureFile) -> Floats:
        """The query as an L2-normalised vector: words for the column `vector`, a picture for `image_column`.

        Raises `BadRequest` (`space_changed`) where the present weights are not those of the space, `BadMedia`
        (`bad_picture`), and `Unavailable` where weights are missing.
        """
        embedder = self.embedder(space)
        if isinstance(query, Words):
            return np.asarray(embedder.embed_text([query.text])[0])
        pixels = pixels_of(query.data)
        # Such a space embeds pictures by itself. It needs no tagger, so it gets empty predictions.
        if space.image_dimensions is None:
            empty = np.zeros((1, 0), np.float32)
            return np.asarray(embedder.embed_images([pixels], Predictions(empty, empty))[0])
        return np.asarray(embedder.embed_images([pixels], self._opened_tagger().predict([pixels]))[0])

    def embedder(self, space: Space) -> Embedder:
        """The space's embedder, open. Raises `BadRequest` (`space_changed`)."""
        if space.key not in self._embedders:
            embedder: Embedder = load("embedder", space.spec, self._context)
            # Vectors of other weights cannot be compared: the answer would be silently wrong.
            if embedder.space.key != space.key:
                raise BadRequest(
                    f"the index was made with {space.key}, but {space.spec} is now {embedder.space.key};"
                    " ingest again with the present weights, or restore the old ones",
                    code="space_changed",
                )
            # Kept open: loading takes longer than many searches.
            embedder.open()
            self._embedders[space.key] = embedder
        return self._embedders[space.key]

    def close(self) -> None:
        opened = [*self._embedders.values(), *([self._tagger] if self._tagger else [])]
        # Forgotten first: a model whose close fails must not be used again.
        self._embedders, self._tagger = {}, None
        for model in opened:
            model.close()

    def _opened_tagger(self) -> Tagger:
        """The default tagger, open: spaces with a separate image vector are built from its features."""
        if self._tagger is None:
            tagger: Tagger = load("tagger", ModelChoice().tagger, self._context)
            tagger.open()
            self._tagger = tagger
        return self._tagger


def image_column(space: Space) -> str:
    """The column with the vectors that image queries are compared with."""
    return "vector" if space.image_dimensions is None else "image_vector"
