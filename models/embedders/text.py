"""Sentence embeddings with all-MiniLM-L6-v2 (Reimers & Gurevych 2019, arXiv:1908.10084)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.device.onnx_graph import Graph, Session
from models.pictures.geometry import unit_rows
from models.protocol import Floats
from models.registry import ModelContext

DIMENSIONS = 384
HEADS = 12
LAYERS = 6
EPSILON = 1e-12
# The model was trained on sequences of at most 128 tokens.
MAX_TOKENS = 128
BATCH = 64


class MiniLm:
    """Mean of the token vectors, L2-normalised, 384-d. All sentences of a batch have the same number of tokens, so
    there is no padding or mask, and a result does not depend on the batch. Needs neither torch nor transformers: to
    import them takes longer than a search.
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._tokenizer: Any = None
        self._session: Session = None

    def open(self) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        files = self._context.cache.files("minilm")
        self._session = _encoder(load_file(files["model.safetensors"]), self._context.threads)
        self._tokenizer = Tokenizer.from_file(str(files["tokenizer.json"]))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        # Sentences of one length go together, so no padding has to be masked.
        self._tokenizer.no_padding()

    def close(self) -> None:
        self._session = self._tokenizer = None

    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        """Token ids with begin and end marks, at most 128 per sentence."""
        return [item.ids for item in self._tokenizer.encode_batch(list(sentences))]

    def embed(self, sentences: Sequence[str]) -> Floats:
        """L2-normalised float32 [n, 384]."""
        rows = np.empty((len(sentences), DIMENSIONS), np.float32)
        tokens = self.tokens(sentences)
        lengths = np.array([len(item) for item in tokens])
        for length in sorted(set(lengths.tolist())):
            alike = np.flatnonzero(lengths == length)
            for part in np.split(alike, range(BATCH, len(alike), BATCH)):
                (hidden,) = self._session.run(None, {"tokens": np.array([tokens[at] for at in part], np.int64)})
                rows[part] = unit_rows(hidden.mean(1))
        return rows


def _encoder(tensors: dict[str, Floats], threads: int) -> Session:
    """BERT (Devlin et al. 2019, arXiv:1810.04805): tokens int64 [b, t] to their vectors float32 [b, t, 384]."""
    graph = Graph()
    bert = _Bert(graph, tensors)
    hidden = bert.embedded("tokens")
    for layer in range(LAYERS):
        hidden = bert.layer(f"encoder.layer.{layer}", hidden)
    return graph.session({"tokens": (np.int64, ("batch", "time"))}, [hidden], threads)


class _Bert:
    """The parts of the encoder, named as in the checkpoint."""

    def __init__(self, graph: Graph, tensors: dict[str, Floats]) -> None:
        self._graph = graph
        self._tensors = tensors

    def embedded(self, tokens: str) -> str:
        apply, weight, tensors = self._graph.apply, self._graph.weight, self._tensors
        words = apply("Gather", weight(tensors["embeddings.word_embeddings.weight"]), tokens)
        # There is only one sentence, so every token has type 0: its embedding is added to the positions once.
        places = weight(
            tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        length = apply("Shape", tokens, start=1)
        placed = apply("Slice", places, weight(np.array([0])), length)
        return self._normalised("embeddings.LayerNorm", apply("Add", words, placed))

    def layer(self, name: str, hidden: str) -> str:
        attended = self._linear(f"{name}.attention.output.dense", self._attention(f"{name}.attention.self", hidden))
        # Residuals before the norm, as in the original BERT (post-norm).
        hidden = self._normalised(f"{name}.attention.output.LayerNorm", self._graph.apply("Add", attended, hidden))
        inner = self._graph.apply("Gelu", self._linear(f"{name}.intermediate.dense", hidden))
        outer = self._graph.apply("Add", self._linear(f"{name}.output.dense", inner), hidden)
        return self._normalised(f"{name}.output.LayerNorm", outer)

    def _attention(self, name: str, hidden: str) -> str:
        apply = self._graph.apply
        query, value = (self._heads(f"{name}.{part}", hidden, (0, 2, 1, 3)) for part in ("query", "value"))
        # The key is transposed while its heads are split, which saves a node.
        scores = apply("MatMul", query, self._heads(f"{name}.key", hidden, (0, 2, 3, 1)))
        scale = self._graph.floats((DIMENSIONS / HEADS) ** -0.5)
        shares = apply("Softmax", apply("Mul", scores, scale), axis=-1)
        context = apply("Transpose", apply("MatMul", shares, value), perm=(0, 2, 1, 3))
        return apply("Reshape", context, self._graph.numbers(0, 0, DIMENSIONS))

    def _heads(self, name: str, hidden: str, order: tuple[int, ...]) -> str:
        """[b, t, 384] to [b, t, heads, 32], transposed."""
        split = self._graph.numbers(0, 0, HEADS, DIMENSIONS // HEADS)
        return self._graph.apply(
            "Transpose", self._graph.apply("Reshape", self._linear(name, hidden), split), perm=order
        )

    def _linear(self, name: str, value: str) -> str:
        matrix, offset = (self._tensors[f"{name}.{part}"] for part in ("weight", "bias"))
        product = self._graph.apply("MatMul", value, self._graph.weight(matrix.T))
        return self._graph.apply("Add", product, self._graph.weight(offset))

    def _normalised(self, name: str, value: str) -> str:
        scale, offset = (self._graph.weight(self._tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self._graph.apply("LayerNormalization", value, scale, offset, axis=-1, epsilon=EPSILON)
