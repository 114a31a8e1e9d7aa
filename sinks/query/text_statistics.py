"""What a table's texts are like: of the rows that its full-text index covers, and of those that are newer."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.query.bm25 import NO_DOCUMENTS, Corpus, Counts, corpus_of, held_by
from sinks.query.words import counted, terms_of, terms_of_each

COLUMN = "text"
_TERMS_KEPT = 10_000

Rows = npt.NDArray[np.uint64]
Asked = Mapping[str, tuple[int, str]]
"""As of `words.asked_terms`."""


@dataclass(frozen=True, slots=True)
class NewerRows:
    """Rows that no full-text index covers: their numbers, how often each has each term asked for, and its length."""

    rows: Rows
    counts: Counts
    lengths: Counts
    terms: tuple[str, ...]

    @property
    def corpus(self) -> Corpus:
        return corpus_of(self.terms, self.counts, self.lengths)


@dataclass(frozen=True, slots=True)
class _Fragment:
    """The texts of one fragment. `found`: by term, the places of the rows that have it, and how often."""

    rows: Rows
    lengths: Counts
    found: Mapping[str, tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]

    def counts(self, terms: Sequence[str]) -> Counts:
        counts = np.zeros((len(self.rows), len(terms)), np.int64)
        for column, term in enumerate(terms):
            if term in self.found:
                places, times = self.found[term]
                counts[places, column] = times
        return counts


class TextStatistics:
    """Of one table, whatever its version: what never changes is read once. `options` as of `Location`. One thread at a
    time.

    Rows that are newer than the index are cut into terms here, once each; upkeep keeps them few.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = None if options is None else dict(options)
        self._parts: dict[str, tuple[int, int]] = {}
        self._totals = (0, 0)
        self._holding: dict[str, int] = {}
        self._fragments: dict[tuple[str, ...], _Fragment] = {}

    def indexed(self, table: Any, asked: Asked) -> Corpus:
        """Of the rows that the index was made of. It forgets deleted ones when it is made anew."""
        parts = {str(part.uuid) for part in _segments(table)}
        if parts != self._parts.keys():
            self._parts = {part: self._parts.get(part) or _totals(table, part, self._options) for part in parts}
            # How many rows hold a term was counted over other parts.
            self._totals, self._holding = _summed(self._parts.values()), {}
        if not self._totals[0]:
            return NO_DOCUMENTS
        if len(self._holding) > _TERMS_KEPT:
            self._holding.clear()
        for term, (_, word) in asked.items():
            if term not in self._holding:
                self._holding[term] = _held(table, term, word, self._totals)
        return Corpus(*self._totals, {term: self._holding[term] for term in asked})

    def newer(self, table: Any, wheres: Sequence[str | None], asked: Asked) -> NewerRows:
        """The rows that no index covers and for which one of `wheres` holds."""
        terms, covered = tuple(asked), {number for part in _segments(table) for number in part.fragment_ids}
        uncovered = [item for item in table.get_fragments() if item.fragment_id not in covered]
        held = {_name(item): item for item in uncovered}
        # Of what an upkeep has joined or covered since, nothing is kept.
        self._fragments = {name: known for name, known in self._fragments.items() if name in held}
        for name in held.keys() - self._fragments.keys():
            self._fragments[name] = _read(table, held[name])
        if not uncovered:
            return NewerRows(np.zeros(0, np.uint64), *counted((), terms), terms)
        known = [self._fragments[name] for name in held]
        rows = np.concatenate([item.rows for item in known])
        wanted = np.isin(rows, _matching(table, uncovered, wheres))
        counts = np.concatenate([item.counts(terms) for item in known])[wanted]
        return NewerRows(rows[wanted], counts, np.concatenate([item.lengths for item in known])[wanted], terms)


def has_index(table: Any) -> bool:
    return bool(_segments(table))


def _segments(table: Any) -> list[Any]:
    return [part for index in table.describe_indices() if index.field_names == [COLUMN] for part in index.segments]


def _totals(table: Any, part: str, options: dict[str, str] | None) -> tuple[int, int]:
    """Documents and terms in one part of the index, as its files say: Lance has no call that tells both."""
    from lance.file import LanceFileReader

    documents = terms = 0
    folder = f"{table.uri}/_indices/{part}"
    about = LanceFileReader(f"{folder}/metadata.lance", options).metadata().schema.metadata
    for number in json.loads(about[b"partitions"]):
        held = LanceFileReader(f"{folder}/part_{number}_docs.lance", options).metadata()
        documents += held.num_rows
        terms += int(held.schema.metadata[b"total_tokens"])
    return documents, terms


def _summed(totals: Collection[tuple[int, int]]) -> tuple[int, int]:
    documents, terms = zip(*totals, strict=True) if totals else ((), ())
    return sum(documents), sum(terms)


def _held(table: Any, term: str, word: str, totals: tuple[int, int]) -> int:
    """How many indexed rows hold a term, as the score of one of them tells."""
    query = {"query": word, "columns": [COLUMN]}
    best = table.scanner(columns=[COLUMN, "_score"], full_text_query=query, fast_search=True, limit=1).to_table()
    if not best.num_rows:
        return 0
    found = terms_of(best[COLUMN][0].as_py())
    return held_by(best["_score"][0].as_py(), found.count(term), len(found), *totals)


def _matching(table: Any, fragments: Sequence[Any], wheres: Sequence[str | None]) -> Rows:
    found = [
        table.scanner(columns=[], filter=where, fragments=list(fragments), with_row_id=True).to_table()["_rowid"]
        for where in wheres
    ]
    return np.concatenate([np.zeros(0, np.uint64), *(part.to_numpy() for part in found)])


def _name(fragment: Any) -> tuple[str, ...]:
    """Of the fragment's rows, whichever of them are deleted by now."""
    return tuple(file.path for file in fragment.metadata.files)


def _read(table: Any, fragment: Any) -> _Fragment:
    read = table.scanner(columns=[COLUMN], fragments=[fragment], with_row_id=True).to_table()
    found: dict[str, dict[int, int]] = {}
    lengths = np.zeros(read.num_rows, np.int64)
    for place, terms in enumerate(terms_of_each(read[COLUMN].to_pylist())):
        lengths[place] = len(terms)
        for term in terms:
            times = found.setdefault(term, {})
            times[place] = times.get(place, 0) + 1
    arrays = {
        term: (np.fromiter(times.keys(), np.int32), np.fromiter(times.values(), np.int32))
        for term, times in found.items()
    }
    return _Fragment(read["_rowid"].to_numpy(), lengths, arrays)
