"""The vector index of a table: when it is built, extended and trained anew (pure), and the thin edge that does it."""

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
SUFFIX = "_idx"
"""What the name of an index adds to its column's."""
_FEWER = re.compile(r"Reduce num_partitions to <= (\d+)")
"""What Lance says where k-means finds fewer clusters than it was asked for."""

_COMPARED_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True)
class VectorIndexPolicy:
    """An index from `from_rows` on. New rows are compared one by one until they are `tail_rows` or `tail_share` of all;
    then they become a part of their own, which costs the same at any size. `most_parts` such parts are joined. The
    whole is trained anew once it has grown `outgrown` times since, or finds less than `least_recall` of what
    comparing every row finds; this is asked of `sampled` rows each time that a part is joined.
    """

    from_rows: int = 100_000
    tail_rows: int = 10_000
    tail_share: float = 0.01
    most_parts: int = 8
    outgrown: float = 2.0
    least_recall: float = 0.9
    sampled: int = 4
    sample_rate: int = 64
    """Vectors a partition that training looks at; more cost memory (a partition's 64 of 384 dimensions are 100 kB)."""


DEFAULT_POLICY = VectorIndexPolicy()
_LEAST_ROWS, _LEAST_TAIL = 5_000, 500


def policy_of(shards: int) -> VectorIndexPolicy:
    """For each table of a space that lies in so many: together they compare no more rows one by one than one would."""
    return replace(
        DEFAULT_POLICY,
        from_rows=max(_LEAST_ROWS, DEFAULT_POLICY.from_rows // shards),
        tail_rows=max(_LEAST_TAIL, DEFAULT_POLICY.tail_rows // shards),
    )


class Step(StrEnum):
    """What upkeep does of one column."""

    REST = auto()
    BUILD = auto()
    EXTEND = auto()
    JOIN = auto()


@dataclass(frozen=True, slots=True)
class IndexExtent:
    """What there is: `rows` of the table, of these `indexed`, in an index of `parts`, the first of which was trained
    on about `trained` rows. All 0 but `rows` where there is no index.
    """

    rows: int
    indexed: int = 0
    parts: int = 0
    trained: int = 0


def step(extent: IndexExtent, policy: VectorIndexPolicy) -> Step:
    """What is due. `BUILD` is also training anew."""
    if not extent.parts:
        return Step.BUILD if extent.rows >= policy.from_rows else Step.REST
    if extent.rows >= policy.outgrown * extent.trained:
        return Step.BUILD
    if extent.rows - extent.indexed < max(policy.tail_rows, policy.tail_share * extent.rows):
        return Step.REST
    return Step.JOIN if extent.parts > policy.most_parts else Step.EXTEND


def partitions(rows: int) -> int:
    """About the square root of the rows, so that looking into some costs as much as choosing them."""
    return max(1, round(math.sqrt(rows)))


def tend(table: Any, policy: VectorIndexPolicy = DEFAULT_POLICY) -> dict[str, Step]:
    """Do what is due for each column of vectors of a Lance table; by column, what was done. Commits may go on beside
    it. Call it after fragments are joined: those of another index are not joined with others.
    """
    return {column: _tended(table, column, policy) for column in vector_columns(table)}


def scalar_indexes(table: Any) -> list[str]:
    """Names of the indexes that are not of vectors; `optimize_indices` would join the parts of the others each time."""
    vectors = set(vector_columns(table))
    return [index.name for index in table.describe_indices() if vectors.isdisjoint(index.field_names)]


def drop(table: Any) -> None:
    """Remove the indexes of vectors, as before an erasure: a deleted vector stays in them till they are built anew."""
    vectors = set(vector_columns(table))
    for index in table.describe_indices():
        if not vectors.isdisjoint(index.field_names):
            table.drop_index(index.name)


def vector_columns(table: Any) -> list[str]:
    import pyarrow as pa

    return [field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)]


def extent_of(table: Any, column: str) -> IndexExtent:
    rows = table.count_rows()
    for index in table.describe_indices():
        if index.field_names == [column]:
            sizes = [part.size_bytes or 0 for part in index.segments]
            trained = round(index.num_rows_indexed * max(sizes) / max(1, sum(sizes)))
            return IndexExtent(rows, index.num_rows_indexed, len(sizes), trained)
    return IndexExtent(rows)


def _tended(table: Any, column: str, policy: VectorIndexPolicy) -> Step:
    extent = extent_of(table, column)
    due = step(extent, policy)
    name = column + SUFFIX
    if due is Step.EXTEND:
        # A part of its own (0 are joined with it) costs the same at any size.
        table.optimize.optimize_indices(index_names=[name], num_indices_to_merge=0)
    elif due is Step.JOIN:
        table.optimize.optimize_indices(index_names=[name], num_indices_to_merge=extent.parts - 1)
        table.checkout_latest()
        # Asked only here, as it reads every vector.
        if recall(table, column, policy.sampled) < policy.least_recall:
            due = Step.BUILD
    if due is Step.BUILD:
        _build(table, column, extent.rows, policy)
    table.checkout_latest()
    return due


def _build(table: Any, column: str, rows: int, policy: VectorIndexPolicy) -> None:
    """With fewer partitions where vectors are too much alike, as those of a camera that sees one picture all day."""
    count = partitions(rows)
    while True:
        try:
            table.create_index(
                column,
                "IVF_SQ",
                name=column + SUFFIX,
                metric="cosine",
                num_partitions=count,
                sample_rate=policy.sample_rate,
                replace=True,
            )
        except RuntimeError as error:
            found = _FEWER.search(str(error))
            # Fewer at every turn, so that this ends.
            if found is None or not 0 < int(found[1]) < count:
                raise
            count = int(found[1])
        else:
            return


def recall(table: Any, column: str, sampled: int, depth: int = 10) -> float:
    """The share of the `depth` nearest of some of the newest rows that the index finds, as a search uses it. All
    vectors are read once, some at a time.
    """
    rows = table.count_rows()
    newest = np.linspace(rows * 0.9, rows - 1, min(sampled, rows)).astype(int).tolist()
    vectors = _matrix(table.take(newest, columns=[column])[column].combine_chunks().drop_null())
    if not len(vectors):
        return 1.0
    shares = []
    for vector, exact in zip(vectors, _nearest(table, column, vectors, depth), strict=True):
        nearest = {"column": column, "q": vector, "k": depth, "metric": "cosine"}
        found = table.scanner(
            columns=["_distance"], nearest={**nearest, "minimum_nprobes": 20, "refine_factor": 4}, with_row_id=True
        ).to_table()
        shares.append(len(exact.intersection(found["_rowid"].to_pylist())) / max(1, len(exact)))
    return float(np.mean(shares))


def _nearest(table: Any, column: str, questions: Matrix, depth: int) -> list[set[int]]:
    """Numbers of the rows that lie nearest by cosine to each of the questions, from comparing every row."""
    best = np.full((len(questions), depth), -np.inf, np.float32)
    rows = np.full((len(questions), depth), -1, np.int64)
    questions = questions / _lengths(questions)[:, np.newaxis]
    # Few rows at a time, in one pass for all questions: this takes less than half of the memory.
    few = {"batch_size": _COMPARED_AT_ONCE, "batch_readahead": 1, "fragment_readahead": 1}
    for batch in table.scanner(columns=[column], filter=f"{column} IS NOT NULL", with_row_id=True, **few).to_batches():
        vectors = _matrix(batch[column])
        likeness = np.hstack([best, questions @ vectors.T / _lengths(vectors)])
        numbers = batch["_rowid"].to_numpy(zero_copy_only=False).astype(np.int64)
        known = np.hstack([rows, np.broadcast_to(numbers, (len(questions), len(numbers)))])
        chosen = np.argpartition(-likeness, depth - 1, axis=1)[:, :depth]
        best, rows = (np.take_along_axis(values, chosen, axis=1) for values in (likeness, known))
    return [set(found[likeness > -np.inf].tolist()) for found, likeness in zip(rows, best, strict=True)]


def _matrix(vectors: Any) -> Matrix:
    rows: Matrix = np.asarray(vectors.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(len(vectors), -1)
    return rows


def _lengths(vectors: Matrix) -> Matrix:
    lengths: Matrix = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Vectors are divided by it, and one may be all zeros.
    return np.maximum(lengths, np.finfo(np.float32).tiny)
