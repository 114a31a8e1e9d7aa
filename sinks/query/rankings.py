"""One version of a space's moments: the nearest to a vector, the best for words, and rows by their number in it."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sinks.filters import one_of
from sinks.lance.hit_column import HIT
from sinks.query.filters import EVERYTHING
from sinks.query.remembered import Remembered

Vector = Sequence[float] | npt.NDArray[np.float32]

EXACT_ROWS = 4_000
"""Filters that keep no more rows are answered by comparing every one of them, which is also quicker."""
LEAST_PROBES = 20
_REFINED, _LEAST_REFINED, _MOST_REFINED = 2, 20, 100
"""So many times the rows that are asked for are compared by their whole vectors: each costs a read of its own."""
_READ_AT_ONCE = 256
"""More whole vectors Lance compares, in less memory."""
SHOWN_AT_ONCE = 32
"""Of no more rows, what a hit shows is read together with their vectors: apart it takes as long again as a vector."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that a ranking holds: its number in this version, its content, its score, and its column `HIT` where that
    was read.
    """

    row: int
    content_key: str
    score: float
    hit: str | None = None


class SpaceVersion:
    """Rows keep their numbers, as this version never changes. `wheres` are conditions; a row that satisfies one of
    them, and none satisfies two, is in the ranking.
    """

    def __init__(self, table: Any, remembered: Remembered | None = None) -> None:
        self._table = table
        self._remembered = remembered or Remembered()

    @cached_property
    def columns(self) -> Sequence[str]:
        return list(self._table.schema.names)

    def near(
        self, vector: Vector, column: str, wheres: Sequence[str], depth: int, *, exact: bool = False
    ) -> list[Candidate]:
        """The `depth` nearest by cosine, the nearest first; `score` is 1 - cosine. With a vector index all but a few
        of them, unless `exact`. Rows that are newer than the index are always compared.
        """
        nearest = {"column": column, "q": np.asarray(vector, np.float32), "k": depth, "metric": "cosine"}
        found = [self._nearest(nearest, where, depth, exact=exact) for where in wheres]
        return sorted((item for part in found for item in part), key=lambda item: item.score)[:depth]

    def worded(self, text: str, wheres: Sequence[str], depth: int) -> list[Candidate]:
        """The `depth` best by BM25, the best first."""
        query = {"query": text, "columns": ["text"]}
        found = [self._ranked("_score", where, depth, full_text_query=query) for where in wheres]
        return sorted((item for part in found for item in part), key=lambda item: -item.score)[:depth]

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """In the order of `rows`."""
        return self._table._take_rows(list(rows), columns=list(columns))  # noqa: SLF001 - rows by number have no other way

    def numbers(self, moment_ids: Collection[str], where: str = "true") -> list[int]:
        """Rows of these moments that satisfy `where`."""
        found = self._table.scanner(
            columns=["moment_id"], filter=f"{one_of('moment_id', moment_ids)} AND {where}", with_row_id=True
        ).to_table()
        return [int(row) for row in found["_rowid"].to_pylist()]

    def kept(self, where: str) -> int:
        """About how many rows satisfy `where`."""
        return self._table.count_rows() if where == EVERYTHING else self._remembered.kept.of(self._table, where)

    @property
    def rows(self) -> int:
        return int(self._table.count_rows())

    def batches(self, where: str, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """What satisfies `where`, at most so many rows at a time; few are in memory."""
        few = {"batch_size": rows, "batch_readahead": 1, "fragment_readahead": 1}
        yield from self._table.scanner(columns=list(columns), filter=_filter(where), **few).to_batches()

    def _nearest(self, nearest: Mapping[str, Any], where: str, depth: int, *, exact: bool) -> list[Candidate]:
        """A vector index is searched more widely the fewer rows `where` keeps, not at all for few."""
        total = self._table.count_rows()
        if exact or total <= EXACT_ROWS or (kept := self.kept(where)) <= EXACT_ROWS:
            return self._ranked("_distance", where, depth, nearest={**nearest, "use_index": False})
        wide = {**nearest, "minimum_nprobes": probes(kept / total)}
        column = nearest["column"]
        newer = self._remembered.newer.of(self._table, column)
        # There `fast_search` would leave out rows that an index of the condition lacks.
        if newer is None or (where != EVERYTHING and not self._remembered.whole.of(self._table, column)):
            return self._compared(wide, where, depth)
        # Lance would read the vectors of the newer rows for each question.
        indexed = self._compared(wide, where, depth, fast_search=True)
        return indexed + [Candidate(*item) for item in newer.nearest(self._table, nearest["q"], _filter(where), depth)]

    def _compared(self, nearest: Mapping[str, Any], where: str, depth: int, **search: object) -> list[Candidate]:
        """More than `depth` of the nearest by the index, of which those stay that are the nearest by whole vectors."""
        count = depth * refined(depth)
        if count > _READ_AT_ONCE:
            refine = {**nearest, "refine_factor": refined(depth)}
            return self._ranked("_distance", where, depth, nearest=refine, **search)
        # Lance would read vectors and contents one after the other.
        columns = ["content_key", nearest["column"], "_distance"]
        columns += [HIT.name] if depth <= SHOWN_AT_ONCE and HIT.name in self.columns else []
        rows = self._scanned(columns, where, count, nearest={**nearest, "k": count}, **search)
        distances = cosine_distances(rows[nearest["column"]], nearest["q"])
        numbers, keys = rows["_rowid"].to_numpy(), rows["content_key"].to_pylist()
        hits = rows[HIT.name].to_pylist() if HIT.name in columns else [None] * len(keys)
        # By number where they are equally near, as Lance does it. A vector that is no number is near to nothing.
        best = [at for at in np.lexsort((numbers, distances)) if np.isfinite(distances[at])][:depth]
        return [Candidate(int(numbers[at]), keys[at], float(distances[at]), hits[at]) for at in best]

    def _ranked(self, score: str, where: str, depth: int, **search: object) -> list[Candidate]:
        rows = self._scanned(["content_key", score], where, depth, **search)
        columns = (rows["_rowid"].to_pylist(), rows["content_key"].to_pylist(), rows[score].to_pylist())
        return [Candidate(row, key, float(value)) for row, key, value in zip(*columns, strict=True)]

    def _scanned(self, columns: Sequence[str], where: str, count: int, **search: object) -> pa.Table:
        scanner = self._table.scanner(
            columns=list(columns),
            filter=_filter(where),
            # Else conditions apply to the nearest of all rows, and may leave too few of them.
            prefilter=True,
            limit=count,
            with_row_id=True,
            **search,
        )
        return scanner.to_table()


def cosine_distances(column: pa.ChunkedArray, vector: Vector) -> npt.NDArray[np.float32]:
    """1 - cosine of each vector of a column to `vector`."""
    asked = np.asarray(vector, np.float32)
    # `flatten`, as a slice of a chunk knows its place and `values` does not.
    stored = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    rows = np.concatenate([np.zeros(0, np.float32), *stored]).reshape(len(column), len(asked))
    # A vector of zeros has a length of 0.
    lengths = np.maximum(np.linalg.norm(rows, axis=1) * np.linalg.norm(asked), np.float32(1e-30))
    # Not `@`: BLAS wakes its threads for it, which on busy cores takes ten times as long as the sum.
    found: npt.NDArray[np.float32] = 1 - np.einsum("rd,d->r", rows, asked) / lengths
    return found


def _filter(where: str) -> str | None:
    return None if where == EVERYTHING else where


def probes(kept: float) -> int:
    """Partitions that are looked into at least, where filters keep this share of the rows (pure). The nearest of fewer
    rows lie farther apart, but most of them still in the partitions that are nearest: so many find the same share of
    them, whatever is kept.
    """
    return max(LEAST_PROBES, math.ceil(LEAST_PROBES / math.sqrt(math.sqrt(kept))))


def refined(depth: int) -> int:
    """How many times `depth` rows are compared by their whole vectors, where the index holds shorter ones (pure)."""
    return max(1, math.ceil(_LEAST_REFINED / depth), min(_REFINED, _MOST_REFINED // depth))
