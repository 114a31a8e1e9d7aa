"""Whether searches find what is nearest: a moment's nearest by the vector index, against those of every moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sinks.location import Place
from sinks.query.filters import VISIBLE
from sinks.query.moments import stored_spaces
from sinks.query.rankings import Candidate, SpaceVersion
from sinks.query.store_reader import StoreReader
from sinks.schema import VECTORS
from sinks.tables.names import moments_table
from sinks.tables.vector_index import extent_of
from stream.events.annotations import Space

DEPTH = 10
_CACHE_BYTES = 64 << 20
_SAME = 1e-5


@dataclass(frozen=True, slots=True)
class RecallSample:
    """`share` of the nearest moments of one that was drawn in `column` of a space, which a search finds."""

    space: str
    column: str
    share: float


class RecallSampler:
    """Draws a moment for each vector index of the store at `place`, in a shard that is drawn too. Every question reads
    all vectors of its shard once, and keeps little of them. One thread at a time.
    """

    def __init__(self, place: Place, seed: int | None = None) -> None:
        self._store = StoreReader(place, _CACHE_BYTES)
        self._chance = np.random.default_rng(seed)

    def samples(self) -> list[RecallSample]:
        """Nothing of what has no vector index: there every moment is compared. Raises as `StoreReader.reading`."""
        return self._store.reading(lambda: [item for space in stored_spaces(self._store) for item in self._of(space)])

    def _of(self, space: Space) -> Iterator[RecallSample]:
        tables = self._store.tables(moments_table(space.key))
        for column in VECTORS:
            indexed = [table for table in tables if column in table.schema.names and _searched(table, column)]
            if indexed:
                table = indexed[self._chance.integers(len(indexed))]
                drawn = table.take([int(self._chance.integers(table.count_rows()))], columns=[column])
                yield RecallSample(space.key, column, recall_of(table, column, drawn[column][0].as_py()))


def recall_of(table: Any, column: str, vector: list[float]) -> float:
    """The share of the `DEPTH` nearest visible rows that a search finds. One that is as near as the last counts, so
    that copies of one picture may stand for one another; 1 where nothing is visible.
    """
    version = SpaceVersion(table)
    exact = version.near(vector, column, [_where(table)], DEPTH, exact=True)
    found = version.near(vector, column, [_where(table)], DEPTH)
    return found_share(exact, found)


def found_share(exact: list[Candidate], found: list[Candidate]) -> float:
    """Of the nearest rows, by their scores (pure)."""
    if not exact:
        return 1.0
    return sum(item.score <= exact[-1].score + _SAME for item in found) / len(exact)


def _searched(table: Any, column: str) -> bool:
    """Whether there is an index, and a row: parts of it outlive rows that were deleted until upkeep comes."""
    extent = extent_of(table, column)
    return extent.parts > 0 and extent.rows > 0


def _where(table: Any) -> str:
    """Rows of an older release do not say whether they show."""
    return VISIBLE if "visible" in table.schema.names else "true"
