"""Measures of a ranking against judgements (pure). What does not answer is judged 0, what does is judged higher."""

import math
from collections.abc import Mapping, Sequence


def recall(ranking: Sequence[str], judged: Mapping[str, int], k: int, *, least: int = 1) -> float:
    """The share of what is judged `least` or more that is among the first `k`."""
    wanted = {name for name, grade in judged.items() if grade >= least}
    return len(wanted.intersection(ranking[:k])) / len(wanted)


def reciprocal_rank(ranking: Sequence[str], judged: Mapping[str, int], *, least: int = 1) -> float:
    """1 over the place of the first that is judged `least` or more; 0 where none is found."""
    for place, name in enumerate(ranking, 1):
        if judged.get(name, 0) >= least:
            return 1 / place
    return 0.0


def ndcg(ranking: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k` (Järvelin & Kekäläinen 2002), with gains 2^grade - 1."""
    ideal = _gain(sorted(judged.values(), reverse=True)[:k])
    return _gain([judged.get(name, 0) for name in ranking[:k]]) / ideal


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))
