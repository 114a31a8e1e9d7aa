"""The vector index of a table: which of its parts are built (pure), and the thin edge that builds them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sinks.tables.index_parts import fragments_of, vector_columns
from sinks.tables.upkeep_policy import Fragment, parts_of

SUFFIX = "_idx"
"""What the name of an index adds to its column's."""
Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VectorIndexPolicy:
    """An index from `from_rows` on. It has a part for each part of the other indexes that holds at least `part_rows`;
    rows of smaller ones are compared one by one. A part is trained on its own rows and lasts as long as they lie
    together: what it costs and takes of memory depends on its size alone, and vectors that drift do no harm.
    """

    from_rows: int = 100_000
    part_rows: int = 8_192
    sample_rate: int = 32
    """Vectors a partition that training looks at; more cost memory (a partition's 32 of 384 dimensions are 50 kB)."""


DEFAULT_POLICY = VectorIndexPolicy()
_LEAST_ROWS, _LEAST_PART = 5_000, 500
_A_PARTITION, _MOST = 256, 512
_ROUNDS, _COMPARED_AT_ONCE = 4, 4_096
"""Of k-means. Ten find no larger share of the nearest, in three made-up distributions, and take twice as long."""
_RANGE_SAMPLE = 4
"""Of which Lance finds the range of values: 256 times as many vectors."""


def policy_of(shards: int) -> VectorIndexPolicy:
    """For each table of a space that lies in so many: together they compare no more rows one by one than one would."""
    return replace(
        DEFAULT_POLICY,
        from_rows=max(_LEAST_ROWS, DEFAULT_POLICY.from_rows // shards),
        part_rows=max(_LEAST_PART, DEFAULT_POLICY.part_rows // shards),
    )


def due(fragments: Sequence[Fragment], covered: set[int], policy: VectorIndexPolicy) -> list[list[Fragment]]:
    """Parts to be built, where so many fragments have an index already (pure)."""
    if not covered and sum(item.live for item in fragments) < policy.from_rows:
        return []
    parts = [part for part in parts_of(fragments) if all(item.covered for item in part)]
    return [
        part
        for part in parts
        if sum(item.live for item in part) >= policy.part_rows
        and not covered.issuperset(item.fragment_id for item in part)
    ]


def partitions(rows: int) -> int:
    """Of a part: some hundred rows each, and no more than are trained and searched fast, where there are very many."""
    return max(1, min(round(rows / _A_PARTITION), max(_MOST, round(math.sqrt(rows)))))


def tend(table: Any, policy: VectorIndexPolicy = DEFAULT_POLICY) -> dict[str, int]:
    """Build what is due of each column of vectors of a Lance table; by column, how many parts. Commits may go on beside
    it. Call it after fragments are joined: whoever joins them rewrites the parts that cover them.
    """
    return {column: _tended(table, column, policy) for column in vector_columns(table)}


def rebuild(table: Any) -> None:
    """Every part anew from the rows that are left: a deleted vector stays in its part until then."""
    for column in vector_columns(table):
        covered = _covered(table, column)
        parts = [part for part in parts_of(fragments_of(table)) if not covered.isdisjoint(_ids(part))]
        if parts:
            _build(table, column, parts, DEFAULT_POLICY)
        elif extent_of(table, column).parts:
            table.drop_index(column + SUFFIX)


@dataclass(frozen=True, slots=True)
class IndexExtent:
    """What there is: `rows` of the table, of these `indexed`, in an index of so many `parts`; 0 where there is none."""

    rows: int
    indexed: int = 0
    parts: int = 0


def extent_of(table: Any, column: str) -> IndexExtent:
    rows = table.count_rows()
    for index in table.describe_indices():
        if index.field_names == [column]:
            return IndexExtent(rows, index.num_rows_indexed, len(index.segments))
    return IndexExtent(rows)


def _tended(table: Any, column: str, policy: VectorIndexPolicy) -> int:
    tried: set[int] = set()
    built = 0
    # One at a time: each is searched as soon as it is there. Asked anew, as commits beside it may delete fragments.
    while found := [
        part for part in due(fragments_of(table), _covered(table, column), policy) if part[0].fragment_id not in tried
    ]:
        tried.add(found[0][0].fragment_id)
        built += _build(table, column, found[:1], policy)
    return built


def _covered(table: Any, column: str) -> set[int]:
    """Numbers of the fragments, of which some may be gone."""
    parts = [part for index in table.describe_indices() if index.field_names == [column] for part in index.segments]
    return {number for part in parts for number in part.fragment_ids}


def _ids(part: Sequence[Fragment]) -> list[int]:
    return [item.fragment_id for item in part]


def _build(table: Any, column: str, parts: Sequence[Sequence[Fragment]], policy: VectorIndexPolicy) -> int:
    """How many could be built: those that hold a vector."""
    made = [built for part in parts if (built := _part(table, column, part, policy)) is not None]
    if made:
        table.commit_existing_index_segments(column + SUFFIX, column, made)
    table.checkout_latest()
    return len(made)


def _part(table: Any, column: str, part: Sequence[Fragment], policy: VectorIndexPolicy) -> Any | None:
    centres = _centres(_sample(table, column, part, policy), partitions(sum(item.live for item in part)))
    if not len(centres):
        return None  # a column that these rows do not use
    return table.create_index_uncommitted(
        column,
        "IVF_SQ",
        name=column + SUFFIX,
        metric="cosine",
        num_partitions=len(centres),
        ivf_centroids=pa.FixedSizeListArray.from_arrays(pa.array(centres.ravel()), centres.shape[1]),
        sample_rate=_RANGE_SAMPLE,
        fragment_ids=_ids(part),
        # Or Lance refuses a name that is there. Nothing is replaced before the commit, and then these parts.
        replace=True,
    )


def _sample(table: Any, column: str, part: Sequence[Fragment], policy: VectorIndexPolicy) -> Matrix:
    """Unit vectors of rows that lie evenly in the part. Lance's own training takes three times as long where rows are
    deleted.
    """
    rows = sum(item.live for item in part)
    every = max(1, rows // (policy.sample_rate * partitions(rows)))
    width = table.schema.field(column).type.list_size
    places = {item.fragment_id: range(0, item.live, every) for item in part}
    # Made at once: a copy of the whole sample, in steps or at the end, would be much of what a part takes of memory.
    found, count = np.empty((sum(map(len, places.values())), width), np.float32), 0
    for number, wanted in places.items():
        fragment = table.get_fragment(number)
        # Commits beside it may have deleted some since.
        there = range(0, min(wanted.stop, fragment.count_rows()), every)
        vectors = fragment.take(list(there), columns=[column])[column].combine_chunks().drop_null()
        some = vectors.flatten().to_numpy().reshape(-1, width)
        # To one that is no number all others would be the nearest, and no cluster would be found.
        some = some[np.isfinite(some).all(axis=1)]
        found[count : count + len(some)] = _unit(some.astype(np.float32))
        count += len(some)
    return found[:count]


def _centres(vectors: Matrix, count: int) -> Matrix:
    """At most `count` centres of clusters of unit vectors by k-means on the sphere, the same for the same vectors."""
    first = np.random.default_rng(0).choice(len(vectors), min(count, len(vectors)), replace=False)
    centres = np.unique(vectors[first], axis=0)
    for _ in range(_ROUNDS if len(centres) else 0):
        sums, near = np.zeros_like(centres), np.zeros(len(centres), np.bool_)
        # Few at a time, or memory holds the likeness of all pairs.
        for at in range(0, len(vectors), _COMPARED_AT_ONCE):
            few = vectors[at : at + _COMPARED_AT_ONCE]
            nearest = np.argmax(few @ centres.T, axis=1)
            order = np.argsort(nearest, kind="stable")
            met, starts = np.unique(nearest[order], return_index=True)
            sums[met] += np.add.reduceat(few[order], starts)
            near[met] = True
        # A centre that is nearest to none stays where it is.
        centres[near] = _unit(sums[near])
    return centres


def _unit(vectors: Matrix) -> Matrix:
    """One may be all zeros, and stays so."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Matrix = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return made
