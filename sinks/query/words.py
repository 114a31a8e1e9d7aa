"""Text as the full-text index cuts it into terms: by Lance's own tokenizer, with the settings of every index here."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sinks.query.bm25 import Counts


def terms_of(text: str) -> list[str]:
    """In their order: lower case, without accents, endings and words that say nothing."""
    return _cut(text, whole=False)


def asked_terms(text: str) -> dict[str, tuple[int, str]]:
    """The terms of a query: how often each is asked for, and a word that gives it. A term itself may give another."""
    words: dict[str, str] = {}
    for word in _cut(text, whole=True):
        for term in terms_of(word):
            words.setdefault(term, word)
    return {term: (times, words.get(term, term)) for term, times in Counter(terms_of(text)).items()}


def counted(texts: Sequence[str], terms: Sequence[str]) -> tuple[Counts, Counts]:
    """How often each text has each of `terms`, and how many terms it has."""
    cut = [terms_of(text) for text in texts]
    counts = [[found.count(term) for term in terms] for found in cut]
    lengths = np.array([len(found) for found in cut], np.int64)
    return np.array(counts, np.int64).reshape(len(texts), len(terms)), lengths


def _cut(text: str, *, whole: bool) -> list[str]:
    """`whole`: words as they stand in the text."""
    import lance

    change = not whole
    terms = lance.tokenize(text, stem=change, remove_stop_words=change, lower_case=change, ascii_folding=change)
    return [term.text for term in terms]
