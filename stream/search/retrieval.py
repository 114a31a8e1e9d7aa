"""Finds the best moments for an encoded query: fuses the nearest by vector with the best by words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from sinks.query.catalogue import Filters
from sinks.query.moments import MomentIndex, Retrieved, StoredMoment, Vector
from stream.search.explanation import Reason
from stream.search.ranking import matched_words, places, reciprocal_ranks

_FEWEST = 100
"""The least depth of each ranking: fusion needs more moments than the few that are shown."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A query in the form for the index. `vector` is L2-normalised and has the size of `column` (`vector` or
    `image_vector`). With `text` as well, both rankings are fused. The moment `without` is left out.
    """

    vector: Vector | None = None
    column: str = "vector"
    text: str | None = None
    without: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A moment that matches a query. `score` is the fused score, comparable only within one answer."""

    moment: StoredMoment
    score: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Rankings:
    """Places from 1 by moment id, in the rankings by vector and by text."""

    vector: Mapping[str, int]
    text: Mapping[str, int]

    @classmethod
    def of(cls, found: Retrieved) -> Self:
        near = [(name, -distance) for name, distance in found.distances.items()]
        return cls(places(near), places(list(found.text_scores.items())))

    def fused(self) -> dict[str, float]:
        """Scores by moment id, best first."""
        return reciprocal_ranks([self.vector, self.text])

    def reason(self, name: str, similarity: float | None, asked: str, held: str) -> Reason:
        """The reason for a moment with the text `held`, for the query's words `asked`."""
        words = matched_words(asked, held) if name in self.text else ()
        return Reason(similarity, self.vector.get(name), self.text.get(name), words)


def best_matches(
    index: MomentIndex, space_key: str, probe: Probe, filters: Filters | None = None, *, limit: int = 20
) -> list[Match]:
    """The best `limit` moments, best first. If the probe has a vector, each has its exact similarity.

    Raises `ValueError` for a column that holds no vectors.
    """
    found = index.retrieve(
        space_key,
        vector=probe.vector,
        column=probe.column,
        text=probe.text,
        filters=filters,
        depth=max(_FEWEST, 4 * limit),
    )
    rankings = Rankings.of(found)
    scores = rankings.fused()
    scores.pop(probe.without or "", None)
    best = list(scores)[:limit]
    similarities = _similarities(index, space_key, probe, found, best)
    return [
        Match(
            found.moments[name],
            scores[name],
            rankings.reason(name, similarities.get(name), probe.text or "", found.moments[name].text),
        )
        for name in best
    ]


def _similarities(
    index: MomentIndex, space_key: str, probe: Probe, found: Retrieved, best: Collection[str]
) -> dict[str, float]:
    """Similarities by moment id. For moments that only the words found, they are computed from the stored vectors."""
    near = {name: 1.0 - distance for name, distance in found.distances.items()}
    worded = [name for name in best if name not in near]
    if probe.vector is None or not worded:
        return near
    return near | index.cosines(space_key, probe.vector, probe.column, worded)
