"""Fuses two rankings of moments into one (pure)."""

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

# The constant of the paper. It makes a first place in one ranking weigh little more than a second.
RRF_K = 60
# Scores are float32 in the index, so their last digits mean nothing.
_SAME = 1e-6
ItemT = TypeVar("ItemT", bound=Hashable)
_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ing", "ed", "es", "s", "e")


def places(scores: Sequence[tuple[ItemT, float]]) -> dict[ItemT, int]:
    """The place of each item by score, from 1, best first. Equal scores share a place: their order means nothing."""
    found: dict[ItemT, int] = {}
    place, last = 0, float("nan")
    for count, (item, score) in enumerate(sorted(scores, key=lambda pair: -pair[1]), start=1):
        # `nan` is close to nothing, so the first item always begins place 1.
        if not math.isclose(score, last, rel_tol=_SAME):
            place, last = count, score
        found[item] = place
    return found


def reciprocal_ranks(rankings: Sequence[Mapping[ItemT, int]]) -> dict[ItemT, float]:
    """Reciprocal rank fusion (Cormack et al. 2009): the sum of 1 / (60 + place) over the rankings, best first."""
    scores: dict[ItemT, float] = {}
    for ranking in rankings:
        for item, place in ranking.items():
            scores[item] = scores.get(item, 0.0) + 1 / (RRF_K + place)
    return dict(sorted(scores.items(), key=lambda pair: -pair[1]))


def matched_words(query: str, text: str) -> tuple[str, ...]:
    """Words of `query` that `text` has in some form. A simple replacement for the index's stemmer, for display only."""
    held = {_stem(word) for word in _WORD.findall(text.lower())}
    return tuple(dict.fromkeys(word for word in _WORD.findall(query.lower()) if _stem(word) in held))


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
