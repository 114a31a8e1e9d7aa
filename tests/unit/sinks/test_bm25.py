"""Scores of words from the statistics of several tables (pure)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.query.bm25 import (
    NO_DOCUMENTS,
    Corpus,
    Counts,
    corpus_of,
    held_by,
    joined,
    most_gained,
    scores,
)

TERMS = ("dog", "cat")
ASKED = {"dog": 1, "cat": 2}
DOCUMENT = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 200))
DOCUMENTS = st.lists(DOCUMENT, min_size=1, max_size=30)


def arrays(documents: list[tuple[int, int, int]]) -> tuple[Counts, Counts]:
    """How often each has each term, and how many terms it has: of others so many besides."""
    found = np.array(documents, np.int64).reshape(-1, 3)
    return found[:, :2], found.sum(axis=1)


def test_a_score_is_that_of_the_formula() -> None:
    counts, lengths = arrays([(2, 0, 3), (0, 0, 4), (1, 1, 1)])
    corpus = corpus_of(TERMS, counts, lengths)
    assert (corpus.documents, corpus.terms, dict(corpus.holding)) == (3, 12, {"dog": 2, "cat": 1})
    weight = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    expected = weight * 2.2 * 2 / (2 + 1.2 * (0.25 + 0.75 * 5 / 4))
    assert scores(ASKED, corpus, counts, lengths)[0] == pytest.approx(expected)
    assert scores(ASKED, corpus, counts, lengths)[1] == 0


def test_nothing_scores_nothing() -> None:
    counts, lengths = arrays([])
    assert corpus_of(TERMS, counts, lengths) == Corpus(0, 0, {"dog": 0, "cat": 0})
    assert scores(ASKED, NO_DOCUMENTS, counts, lengths).tolist() == []
    assert most_gained(ASKED, NO_DOCUMENTS, NO_DOCUMENTS) == 0


@given(DOCUMENTS, DOCUMENTS)
def test_corpora_join_to_that_of_all_documents(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]
) -> None:
    parts = [corpus_of(TERMS, *arrays(documents)) for documents in (first, second)]
    assert joined(parts) == corpus_of(TERMS, *arrays(first + second))


@given(DOCUMENTS, DOCUMENTS)
def test_no_document_gains_more_than_the_bound(
    part: list[tuple[int, int, int]], rest: list[tuple[int, int, int]]
) -> None:
    own, whole = corpus_of(TERMS, *arrays(part)), corpus_of(TERMS, *arrays(part + rest))
    by_part, by_whole = (scores(ASKED, corpus, *arrays(part)) for corpus in (own, whole))
    assert (by_whole <= by_part * most_gained(ASKED, own, whole) * (1 + 1e-9)).all()


@given(st.integers(1, 2_000_000), st.data())
def test_a_score_in_single_precision_tells_how_many_documents_hold_the_term(
    documents: int, data: st.DataObject
) -> None:
    held = data.draw(st.integers(1, documents))
    count, length = data.draw(st.integers(1, 9)), data.draw(st.integers(9, 300))
    terms = data.draw(st.integers(documents, 100 * documents))
    corpus = Corpus(documents, terms, {"dog": held})
    score = scores({"dog": 1}, corpus, np.array([[count]]), np.array([length]))[0]
    found = held_by(float(np.float32(score)), count, length, documents, terms)
    # Single precision leaves some millionths open.
    assert found == pytest.approx(held, rel=2e-6, abs=0.1)
