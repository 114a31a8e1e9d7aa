"""BM25 as Lance computes it (pure), so that rows of several tables are scored by what all of them hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

K1 = 1.2
B = 0.75

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """`documents` that have a term, `terms` in all of them, and how many documents hold each term asked for."""

    documents: int = 0
    terms: int = 0
    holding: Mapping[str, int] = field(default_factory=dict)

    def weight(self, term: str) -> float:
        """The inverse document frequency; 0 for a term that no document holds."""
        held = self.holding.get(term, 0)
        return float(np.log1p((self.documents - held + 0.5) / (held + 0.5))) if held else 0.0

    @property
    def mean_length(self) -> float:
        return self.terms / self.documents if self.documents else 0.0


NO_DOCUMENTS = Corpus()


def joined(parts: Iterable[Corpus]) -> Corpus:
    """All documents of `parts`, which share none."""
    documents, terms, holding = 0, 0, dict[str, int]()
    for part in parts:
        documents += part.documents
        terms += part.terms
        for term, held in part.holding.items():
            holding[term] = holding.get(term, 0) + held
    return Corpus(documents, terms, holding)


def corpus_of(terms: Sequence[str], counts: Counts, lengths: Counts) -> Corpus:
    """Of documents: how often each holds each of `terms` (a row of `counts`), and how many terms it has."""
    held = (counts > 0).sum(axis=0).tolist()
    return Corpus(int((lengths > 0).sum()), int(lengths.sum()), dict(zip(terms, held, strict=True)))


def scores(asked: Mapping[str, int], corpus: Corpus, counts: Counts, lengths: Counts) -> Numbers:
    """Of each document, for a query that holds each term so many times; `counts` are as of `corpus_of`, in the order of
    `asked`.
    """
    if not len(counts):
        return np.zeros(0)
    weights = np.array([times * corpus.weight(term) for term, times in asked.items()])
    found: Numbers = saturation(counts, lengths, corpus.mean_length) @ weights
    return found


def saturation(counts: Counts, lengths: Counts, mean_length: float) -> Numbers:
    """What each count is worth, before its term's weight."""
    # The mean is 0 where no text has a term.
    norms = K1 * (1 - B + B * lengths / max(mean_length, 1e-9))
    return (K1 + 1) * counts / (counts + norms[:, np.newaxis])


def held_by(score: float, count: int, length: int, documents: int, terms: int) -> int:
    """How many of `documents` hold a term, where it gives this score to a document that has it `count` times."""
    worth = saturation(np.array([[count]]), np.array([length]), terms / documents)[0, 0]
    return round((documents + 1) / float(np.exp(score / worth)) - 0.5)


def most_gained(asked: Mapping[str, int], part: Corpus, whole: Corpus) -> float:
    """How many times the score by `part` a document's score by `whole` can be at most."""
    by_term = [whole.weight(term) / part.weight(term) for term in asked if part.weight(term)]
    # A document of any length gains less than the means differ.
    by_length = whole.mean_length / part.mean_length if part.mean_length else 1.0
    return max(by_term, default=0.0) * max(1.0, by_length)
