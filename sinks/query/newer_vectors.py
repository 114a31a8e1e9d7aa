"""Vectors of rows that no vector index covers yet: compared one by one, and read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sinks.query.coverage import covered_by_index

Vectors = npt.NDArray[np.float32]
_MOST_BYTES = 128 << 20
"""Of the vectors that are kept. Upkeep gives newer rows a part of the index long before."""

_FragmentKey = tuple[str, tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class _VectorFragment:
    """Its live rows: their numbers, contents and unit vectors."""

    rows: npt.NDArray[np.uint64]
    contents: pa.Array
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class NewerVectorRows:
    """Rows of one version of a table, fragment by fragment, as they lie in `fragments`."""

    fragments: Sequence[Any]
    kept: Sequence[_VectorFragment]

    def nearest(self, table: Any, vector: Vectors, where: str | None, depth: int) -> list[tuple[int, str, float]]:
        """Row, content and 1 - cosine of the `depth` nearest to `vector` that satisfy `where`, the nearest first."""
        if not self.kept:
            return []
        unit = np.asarray(vector, np.float32) / np.float32(np.linalg.norm(vector))
        # Not `@`: BLAS wakes its threads for it, which on busy cores takes ten times as long as the sum.
        distances = 1 - np.concatenate([np.einsum("rd,d->r", item.vectors, unit) for item in self.kept])
        rows = np.concatenate([item.rows for item in self.kept])
        if where is not None:
            distances = np.where(np.isin(rows, self._matching(table, where)), distances, np.inf)
        # Stable, so that equal distances have one order.
        best = np.argsort(distances, kind="stable")[:depth]
        best = best[np.isfinite(distances[best])]
        contents = pa.chunked_array([item.contents for item in self.kept]).take(pa.array(best)).to_pylist()
        return list(zip(rows[best].tolist(), contents, distances[best].tolist(), strict=True))

    def _matching(self, table: Any, where: str) -> npt.NDArray[np.uint64]:
        scanner = table.scanner(columns=[], filter=where, fragments=list(self.fragments), with_row_id=True)
        return np.asarray(scanner.to_table()["_rowid"].to_numpy())


class NewerVectors:
    """Of one table, whatever its version: what never changes is kept. One thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[_FragmentKey, _VectorFragment] = {}

    def of(self, table: Any, column: str) -> NewerVectorRows | None:
        """The rows that the index of `column` does not cover. None without an index, and where there are too many to
        keep them.
        """
        covered = covered_by_index(table, column)
        if covered is None:
            return None
        newer = [item for item in table.get_fragments() if item.fragment_id not in covered]
        width = table.schema.field(column).type.list_size * 4
        if width * sum(item.physical_rows for item in newer) > _MOST_BYTES:
            return None
        keys = [_key(column, item) for item in newer]
        lacking = [item for key, item in zip(keys, newer, strict=True) if key not in self._kept]
        read = _read(table, column, lacking) if lacking else {}
        # Of what the index covers since, and of this column's fragments that were joined, nothing is kept.
        others = {key: item for key, item in self._kept.items() if key[0] != column}
        mine = {key: self._kept.get(key) or read[item.fragment_id] for key, item in zip(keys, newer, strict=True)}
        self._kept = others | mine
        return NewerVectorRows(newer, list(mine.values()))


def _key(column: str, fragment: Any) -> _FragmentKey:
    """Of the fragment's live rows: they only become fewer."""
    return column, tuple(file.path for file in fragment.metadata.files), fragment.num_deletions


def _read(table: Any, column: str, fragments: Sequence[Any]) -> dict[int, _VectorFragment]:
    """By the fragment's number, which is the upper half of a row's."""
    scanner = table.scanner(columns=["content_key", column], fragments=list(fragments), with_row_id=True)
    found = scanner.to_table().combine_chunks()
    rows = found["_rowid"].to_numpy()
    vectors = found[column].combine_chunks().values.to_numpy().reshape(len(rows), -1)
    # A vector of zeros has a length of 0.
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-30))
    contents = pa.concat_arrays(found["content_key"].chunks or [pa.array([], pa.string())])
    owners = rows >> np.uint64(32)
    return {
        item.fragment_id: _VectorFragment(rows[at], contents.take(pa.array(at)), units[at])
        for item in fragments
        for at in [np.flatnonzero(owners == item.fragment_id)]
    }
