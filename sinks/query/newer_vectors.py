"""Vectors of rows that no vector index covers yet: compared one by one, and read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sinks.query.coverage import covered_by_index
from sinks.query.newer_matches import FragmentKey, NewerMatches, fragment_key
from sinks.query.rewritten import FormerRows, origins

Vectors = npt.NDArray[np.float32]
_MOST_BYTES = 128 << 20
"""Of the vectors that are kept. Upkeep gives newer rows a part of the index long before."""

_WORTH_A_LOOK = 500
"""So many vectors take longer to read than the log takes."""

_Key = tuple[str, FragmentKey]


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
    matches: NewerMatches

    def nearest(self, table: Any, vector: Vectors, where: str | None, depth: int) -> list[tuple[int, str, float]]:
        """Row, content and 1 - cosine of the `depth` nearest to `vector` that satisfy `where`, the nearest first."""
        if not self.kept:
            return []
        unit = np.asarray(vector, np.float32) / np.float32(np.linalg.norm(vector))
        # Not `@`: BLAS wakes its threads for it, which on busy cores takes ten times as long as the sum.
        distances = 1 - np.concatenate([np.einsum("rd,d->r", item.vectors, unit) for item in self.kept])
        rows = np.concatenate([item.rows for item in self.kept])
        if where is not None:
            distances = np.where(np.isin(rows, self.matches.of(table, self.fragments, where)), distances, np.inf)
        # Stable, so that equal distances have one order.
        best = np.argsort(distances, kind="stable")[:depth]
        best = best[np.isfinite(distances[best])]
        contents = pa.chunked_array([item.contents for item in self.kept]).take(pa.array(best)).to_pylist()
        return list(zip(rows[best].tolist(), contents, distances[best].tolist(), strict=True))


class NewerVectors:
    """Of one table, whatever its version: what never changes is kept. One thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[_Key, _VectorFragment] = {}
        self._seen: dict[str, int] = {}
        self._matches = NewerMatches()
        self._last: dict[str, tuple[Any, int, NewerVectorRows | None]] = {}

    def of(self, table: Any, column: str) -> NewerVectorRows | None:
        """The rows that the index of `column` does not cover. None without an index, and where there are too many to
        keep them.
        """
        of, version, found = self._last.get(column, (None, 0, None))
        # The object too: a table that was made anew has the versions of the former one.
        if of is not table or version != table.version:
            found = self._looked_for(table, column)
            self._last[column] = table, table.version, found
        return found

    def _looked_for(self, table: Any, column: str) -> NewerVectorRows | None:
        covered = covered_by_index(table, column)
        if covered is None:
            return None
        newer = [item for item in table.get_fragments() if item.fragment_id not in covered]
        width = table.schema.field(column).type.list_size * 4
        if width * sum(item.physical_rows for item in newer) > _MOST_BYTES:
            return None
        keys = [(column, fragment_key(item)) for item in newer]
        self._follow_moves(table, column, self._lacking(keys, newer))
        self._follow_deletions(table, column, self._lacking(keys, newer))
        unread = self._lacking(keys, newer)
        read = _read(table, column, unread) if unread else {}
        # Of what the index covers since, and of this column's fragments that were joined, nothing is kept.
        others = {key: item for key, item in self._kept.items() if key[0] != column}
        mine = {key: self._kept.get(key) or read[item.fragment_id] for key, item in zip(keys, newer, strict=True)}
        self._kept, self._seen[column] = others | mine, table.version
        return NewerVectorRows(newer, list(mine.values()), self._matches)

    def _lacking(self, keys: Sequence[_Key], fragments: Sequence[Any]) -> list[Any]:
        return [item for key, item in zip(keys, fragments, strict=True) if key not in self._kept]

    def _follow_moves(self, table: Any, column: str, fragments: Sequence[Any]) -> None:
        """Know fragments whose rows are all known from where they lay before upkeep joined them."""
        since = self._seen.get(column)
        # Few are read as soon as the log is.
        if since is None or sum(item.physical_rows for item in fragments) < _WORTH_A_LOOK:
            return
        lain = origins(table, since)
        for item in fragments:
            files, _ = fragment_key(item)
            parts = [(part, self._kept.get((column, part.fragment))) for part in lain.get(files, ())]
            known = [(part, held) for part, held in parts if held is not None and part.stop <= len(held.rows)]
            if known and len(known) == len(parts):
                # As it was made: it may have lost rows since.
                self._kept[column, (files, 0)] = moved = _joined(item.fragment_id, known)
                before = [(part.fragment, held.rows[part.start : part.stop]) for part, held in known]
                self._matches.moved((files, 0), moved.rows, before)

    def _follow_deletions(self, table: Any, column: str, fragments: Sequence[Any]) -> None:
        """Know fragments that have only lost rows. Footage that is replaced costs one some rows at each commit."""
        known = {files: (deleted, held) for (of, (files, deleted)), held in self._kept.items() if of == column}
        fewer = [(item, fragment_key(item)) for item in fragments]
        fewer = [(item, key) for item, key in fewer if key[0] in known and known[key[0]][0] < key[1]]
        if not fewer:
            return
        few = {"fragments": [item for item, _ in fewer], "with_row_id": True}
        living = table.scanner(columns=[], **few).to_table()["_rowid"].to_numpy()
        for _, key in fewer:
            deleted, held = known[key[0]]
            lives = np.isin(held.rows, living)
            left = _VectorFragment(held.rows[lives], held.contents.filter(pa.array(lives)), held.vectors[lives])
            self._kept[column, key] = left
            self._matches.moved(key, left.rows, [((key[0], deleted), left.rows)])


def _joined(number: int, parts: Sequence[tuple[FormerRows, _VectorFragment]]) -> _VectorFragment:
    """The fragment of this number, whose rows lay in others."""
    vectors = np.concatenate([held.vectors[part.start : part.stop] for part, held in parts])
    contents = pa.concat_arrays([held.contents[part.start : part.stop] for part, held in parts])
    rows = (np.uint64(number) << np.uint64(32)) + np.arange(len(vectors), dtype=np.uint64)
    return _VectorFragment(rows, contents, vectors)


def _read(table: Any, column: str, fragments: Sequence[Any]) -> dict[int, _VectorFragment]:
    """By the fragment's number, which is the upper half of a row's. Upkeep joins thousands of rows at a time, which the
    next question reads: as few copies as can be.
    """
    few = {"fragments": list(fragments), "scan_in_order": True}
    scanner = table.scanner(columns=["content_key", column], with_row_id=True, **few)
    found = scanner.to_table()
    rows = found["_rowid"].to_numpy()
    # `flatten`, as a slice of a chunk knows its place and `values` does not.
    values = [chunk.flatten().to_numpy() for chunk in found[column].chunks]
    width = table.schema.field(column).type.list_size
    vectors = np.concatenate([np.zeros(0, np.float32), *values]).reshape(len(rows), width)
    lengths = np.sqrt(np.einsum("rd,rd->r", vectors, vectors))
    # A vector of zeros has a length of 0.
    vectors /= np.maximum(lengths, np.float32(1e-30))[:, np.newaxis]
    contents = pa.concat_arrays(found["content_key"].chunks or [pa.array([], pa.string())])
    return {
        item.fragment_id: _VectorFragment(rows[at], contents[at], vectors[at])
        for item in fragments
        for at in [_place(rows, item.fragment_id)]
    }


def _place(rows: npt.NDArray[np.uint64], fragment: int) -> slice:
    """Where the rows of a fragment lie among rows of some, which are scanned one after another."""
    at = np.flatnonzero(rows >> np.uint64(32) == fragment)
    return slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 0)
