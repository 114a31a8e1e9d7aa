"""Versions of one space's moments in all shards of a store, as if they lay in one table."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from sinks.query.bm25 import Corpus, joined, most_gained, scores
from sinks.query.coverage import filters_whole
from sinks.query.filters import EVERYTHING
from sinks.query.rankings import Candidate, SpaceVersion, Vector
from sinks.query.remembered import Remembered
from sinks.query.text_statistics import COLUMN, NewerRows, TextStatistics, has_index
from sinks.query.words import asked_terms, counted

T = TypeVar("T")
_SHARD_BITS = 64
_WIDENED = 4
_WIDEST = 1_000
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class ShardTable:
    """The table of one shard in one version, and what is known of its texts and its rows."""

    shard: int
    table: Any
    texts: TextStatistics
    remembered: Remembered = field(default_factory=Remembered)

    @property
    def version(self) -> SpaceVersion:
        return SpaceVersion(self.table, self.remembered)

    def numbered(self, row: int) -> int:
        """The number of a row among those of all shards."""
        return row | self.shard << _SHARD_BITS


@dataclass(frozen=True, slots=True)
class _Found:
    """Candidates for words in the indexed rows of a shard. `last`: the score that the shard gave the last of them, 0
    where there are no more.
    """

    candidates: Sequence[Candidate]
    last: float


class ShardedVersion:
    """As `SpaceVersion`, over the tables of several shards. A row's number says its shard.

    Nearest rows by vector are those of each shard, and what an index approximates it approximates in each. Words are
    scored as one table would score them that has the same rows, the same of them covered by its index: see `worded`.
    """

    def __init__(self, parts: Sequence[ShardTable], threads: Executor) -> None:
        self._parts = {part.shard: part for part in parts}
        self._threads = threads

    @property
    def columns(self) -> Sequence[str]:
        """Those that every shard has."""
        first, *others = (part.version.columns for part in self._parts.values())
        return [name for name in first if all(name in other for other in others)]

    def near(
        self, vector: Vector, column: str, wheres: Sequence[str], depth: int, *, exact: bool = False
    ) -> list[Candidate]:
        """As `SpaceVersion.near`."""

        def nearest(part: ShardTable) -> list[Candidate]:
            found = part.version.near(vector, column, wheres, depth, exact=exact)
            return [replace(item, row=part.numbered(item.row)) for item in found]

        return sorted(_all(self._each(nearest)), key=lambda item: (item.score, item.row))[:depth]

    def worded(self, text: str, wheres: Sequence[str], depth: int) -> list[Candidate]:
        """The `depth` best by BM25 with the statistics of all shards, the best first.

        Scores are those of one table with the same rows in its index. Which rows are the best is certain where a shard
        has no more, or where what it left out cannot reach the last score. Where that is open, four times as many are
        looked at, up to a thousand; then rows may lack whose scores are as near to the last as statistics of shards
        differ from one another.
        """
        asked = asked_terms(text)
        if not asked:
            return []
        parts, times = list(self._parts.values()), {term: count for term, (count, _) in asked.items()}
        indexed = self._each(lambda part: part.texts.indexed(part.table, asked))
        newer = self._each(lambda part: part.texts.newer(part.table, list(map(_filter, wheres)), asked))
        whole = joined(indexed)
        best = _best_newer(zip(parts, newer, strict=True), times, joined([whole, *(rows.corpus for rows in newer)]))
        best += self._best_indexed(text, wheres, depth, times, dict(zip(self._parts, indexed, strict=True)))
        # Equal ones in an order that a deeper look has too.
        return self._with_contents(sorted(best, key=lambda item: (-item.score, item.row))[:depth])

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """In the order of `rows`."""
        by_shard: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            by_shard.setdefault(row >> _SHARD_BITS, []).append(place)
        if len(by_shard) < 2:
            shard = next(iter(by_shard), next(iter(self._parts)))
            return self._parts[shard].version.take(list(map(_row, rows)), columns)
        parts = self._run(
            partial(self._parts[shard].version.take, [_row(rows[place]) for place in places], columns)
            for shard, places in by_shard.items()
        )
        order = np.argsort(np.concatenate([np.array(places) for places in by_shard.values()]))
        return pa.concat_tables(parts).take(pa.array(order))

    def numbers(self, moment_ids: Collection[str], where: str = EVERYTHING) -> list[int]:
        """As `SpaceVersion.numbers`."""
        return _all(self._each(lambda part: [part.numbered(row) for row in part.version.numbers(moment_ids, where)]))

    def kept(self, where: str) -> int:
        """As `SpaceVersion.kept`."""
        return sum(self._each(lambda part: part.version.kept(where)))

    @property
    def rows(self) -> int:
        return sum(part.version.rows for part in self._parts.values())

    def batches(self, where: str, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """As `SpaceVersion.batches`, shard by shard."""
        for part in self._parts.values():
            yield from part.version.batches(where, columns, rows)

    def _best_indexed(
        self, text: str, wheres: Sequence[str], depth: int, asked: Mapping[str, int], corpora: Mapping[int, Corpus]
    ) -> list[Candidate]:
        whole = joined(corpora.values())
        search = partial(_indexed, text=text, wheres=wheres, asked=asked, corpus=whole)
        found = dict(zip(self._parts, self._each(lambda part: search(part, depth=depth)), strict=True))
        least = _least(_all(item.candidates for item in found.values()), depth)
        wider = min(_WIDENED * depth, max(depth, _WIDEST))
        open_ = [
            shard
            for shard, item in found.items()
            if wider > depth and item.last * most_gained(asked, corpora[shard], whole) > least * (1 + _SAME)
        ]
        again = self._run(partial(search, self._parts[shard], depth=wider) for shard in open_)
        found.update(zip(open_, again, strict=True))
        return _all(item.candidates for item in found.values())

    def _with_contents(self, found: Sequence[Candidate]) -> list[Candidate]:
        lacking = [item.row for item in found if not item.content_key]
        keys = self.take(lacking, ["content_key"])["content_key"].to_pylist() if lacking else []
        known = dict(zip(lacking, keys, strict=True))
        return [replace(item, content_key=known.get(item.row, item.content_key)) for item in found]

    def _each(self, work: Callable[[ShardTable], T]) -> list[T]:
        return self._run(partial(work, part) for part in self._parts.values())

    def _run(self, works: Iterable[Callable[[], T]]) -> list[T]:
        return list(self._threads.map(lambda work: work(), works))


Version = SpaceVersion | ShardedVersion


def _best_newer(
    parts: Iterable[tuple[ShardTable, NewerRows]], asked: Mapping[str, int], corpus: Corpus
) -> list[Candidate]:
    """Every row that is newer than its index and has a term; contents are looked up for those that stay."""
    found = []
    for part, newer in parts:
        values = scores(asked, corpus, newer.counts, newer.lengths)
        held = np.flatnonzero(values)
        rows = zip(newer.rows[held].tolist(), values[held].tolist(), strict=True)
        found += [Candidate(part.numbered(row), "", value) for row, value in rows]
    return found


def _indexed(
    part: ShardTable, *, text: str, wheres: Sequence[str], depth: int, asked: Mapping[str, int], corpus: Corpus
) -> _Found:
    """The best `depth` by the shard's own statistics, with scores by those of all."""
    if not has_index(part.table):
        return _Found((), 0.0)
    query, found, last = {"query": text, "columns": [COLUMN]}, list[Candidate](), 0.0
    whole = filters_whole(part.table, COLUMN)
    for where in wheres:
        rows = part.table.scanner(
            columns=["content_key", COLUMN, "_score"],
            filter=_filter(where),
            prefilter=True,
            limit=depth,
            with_row_id=True,
            # Rows that are newer are scored here: Lance would count a shard's alone.
            fast_search=True,
            use_scalar_index=whole,
            full_text_query=query,
        ).to_table()
        counts, lengths = counted(rows[COLUMN].to_pylist(), list(asked))
        values = scores(asked, corpus, counts, lengths).tolist()
        named = zip(rows["_rowid"].to_pylist(), rows["content_key"].to_pylist(), values, strict=True)
        found += [Candidate(part.numbered(row), key, value) for row, key, value in named]
        if rows.num_rows == depth:
            last = max(last, rows["_score"][-1].as_py())
    return _Found(found, last)


def _least(found: Sequence[Candidate], depth: int) -> float:
    """The score of the last of the best; 0 where there are fewer."""
    return sorted((item.score for item in found), reverse=True)[depth - 1] if len(found) >= depth else 0.0


def _all(parts: Iterable[Iterable[T]]) -> list[T]:
    return [item for part in parts for item in part]


def _filter(where: str) -> str | None:
    return None if where == EVERYTHING else where


def _row(number: int) -> int:
    return number & ((1 << _SHARD_BITS) - 1)
