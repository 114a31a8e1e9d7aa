"""Text as the full-text index cuts it into terms: by Lance's own tokenizer, with the settings of every index here."""

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from sinks.query.bm25 import Counts

_AT_ONCE = 1_000
_BETWEEN = f"{secrets.randbelow(10**38):038d}"
"""A term that no text has: digits stay as they are, and nobody can guess so many."""


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


def terms_of_each(texts: Sequence[str]) -> Iterator[list[str]]:
    """As `terms_of`, of some at a time: to make a tokenizer takes longer than a text."""
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        terms = iter(terms_of(f" {_BETWEEN} ".join(part)))
        # The end of one text is not the end of all.
        yield from (list(takewhile(_BETWEEN.__ne__, terms)) for _ in part)


def counted(texts: Sequence[str], terms: Sequence[str]) -> tuple[Counts, Counts]:
    """How often each text has each of `terms`, and how many terms it has."""
    cut = list(terms_of_each(texts))
    counts = [[found.count(term) for term in terms] for found in cut]
    lengths = np.array([len(found) for found in cut], np.int64)
    return np.array(counts, np.int64).reshape(len(texts), len(terms)), lengths


def _cut(text: str, *, whole: bool) -> list[str]:
    """`whole`: words as they stand in the text."""
    import lance

    change = not whole
    terms = lance.tokenize(text, stem=change, remove_stop_words=change, lower_case=change, ascii_folding=change)
    return [term.text for term in terms]
