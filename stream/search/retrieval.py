"""Finds the best moments for an encoded query: fuses the nearest by vector with the best by words."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, Self

from sinks.query.catalogue import LiveAsset
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex, StoredMoment, StoredRow, check_column, moment_of, similarities
from sinks.query.rankings import Candidate, Vector
from sinks.query.sharded_version import Version
from sinks.query.text_statistics import COLUMN as TEXT
from sinks.query.words import terms_of, terms_of_each
from stream.search.explanation import MOST_WORDS, Reason
from stream.search.ranking import matched_words, places, reciprocal_ranks

DEEPEST = 10_000
"""So many rows of each ranking are looked at, whatever is asked."""
_FEWEST = 100
"""What each ranking holds at least where two are fused: fusion needs more than the few that are shown."""
_WIDER = 4
"""A look that was not deep enough is done again so many times as deep."""

End = Literal["more", "all", "deepest"]
"""Where an answer ends: `more` comes after it, it was `all` that there is, or nobody looks `deepest` than this."""


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
class Matches:
    """Best first, from the place that was asked for."""

    items: tuple[Match, ...] = ()
    end: End = "all"


@dataclass(frozen=True, slots=True)
class Rankings:
    """What one version of the index holds near a vector and under words, best first. `cut`: one of the two goes on.
    `windows`: of each row, how often the first depth had to be widened until some ranking held it; `late`: rows that
    the one and the other ranking held only later than that.
    """

    near: Sequence[Candidate]
    worded: Sequence[Candidate]
    cut: bool
    windows: Mapping[int, int]
    late: tuple[Collection[int], Collection[int]]

    @classmethod
    def of(
        cls,
        near: Sequence[Candidate],
        worded: Sequence[Candidate],
        depth: int,
        first: int,
        slight: Collection[int] = (),
    ) -> Self:
        """Both rankings to `depth`, which began with `first`. `slight` rows do not count among those by words."""
        one, other = (
            {item.row: _window(index, first) for index, item in enumerate(ranking) if item.row not in hidden}
            for ranking, hidden in ((near, ()), (worded, slight))
        )
        windows = {row: min(one.get(row, window), window) for row, window in (one | other).items()}
        late = tuple({row for row, window in held.items() if window > windows[row]} for held in (one, other))
        cut = len(near) == depth or len(worded) == depth
        counted = [item for item in worded if item.row not in slight]
        return cls(near, counted, cut, windows, (late[0], late[1]))

    def without(self, hidden: Collection[int]) -> Self:
        near = [item for item in self.near if item.row not in hidden]
        return replace(self, near=near, worded=[item for item in self.worded if item.row not in hidden])

    @property
    def contents(self) -> dict[int, str]:
        """Of each row."""
        return {item.row: item.content_key for item in (*self.near, *self.worded)}

    @property
    def hits(self) -> dict[int, str]:
        """What hits show of rows, as far as it was read with their vectors."""
        return {item.row: item.hit for item in self.near if item.hit is not None}

    def places(self) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """Places from 1, by row: by vector, and by text."""
        near = places([(item.row, -item.score) for item in self.near])
        return near, places([(item.row, item.score) for item in self.worded])

    def fused(self) -> dict[int, float]:
        """Scores by row, best first; equal ones by content, which is the same in every store.

        A deeper look adds rows after those of a shallower one and leaves these as they were, or a later page would
        repeat some of an earlier one and leave out others. Which of many rows with equal words a look finds, the store
        alone decides: there it still may.
        """
        known = [
            {row: place for row, place in ranking.items() if row not in late}
            for ranking, late in zip(self.places(), self.late, strict=True)
        ]
        scores, contents, windows = reciprocal_ranks(known), self.contents, self.windows
        return dict(sorted(scores.items(), key=lambda pair: (windows[pair[0]], -pair[1], contents[pair[0]], pair[0])))


def _window(index: int, first: int) -> int:
    """0 for the first `first` of a ranking, 1 for the rest of the first four times as many, and so on."""
    window = 0
    while index >= first * _WIDER**window:
        window += 1
    return window


def best_matches(
    index: MomentIndex, space_key: str, probe: Probe, filters: Filters | None = None, *, limit: int = 20
) -> list[Match]:
    """The best `limit` moments, as `matches_from` finds them."""
    return list(matches_from(index, space_key, probe, filters, limit=limit).items)


def matches_from(
    index: MomentIndex,
    space_key: str,
    probe: Probe,
    filters: Filters | None = None,
    *,
    offset: int = 0,
    limit: int = 20,
) -> Matches:
    """`limit` moments after the `offset` best ones. Where the probe has a vector, each has its exact similarity.

    Raises `ValueError` for a column that holds no vectors.
    """
    check_column(probe.column)
    wanted = filters or Filters()
    # One version of the index for the whole answer: rankings of two versions do not fit together.
    return index.reading(lambda: _Question(index, space_key, probe, wanted).answered(offset, limit))


class _Question:
    """One question to one version of the index."""

    def __init__(self, index: MomentIndex, space_key: str, probe: Probe, filters: Filters) -> None:
        self._index = index
        self._probe = probe
        self._filters = filters
        self._version = index.version(space_key)
        self._asked = set(terms_of(probe.text)) if probe.text else set[str]()
        self._wheres = index.wheres(self._version, filters) if self._version is not None else []

    def answered(self, offset: int, limit: int) -> Matches:
        """Deeper while hidden rows leave too few."""
        if self._version is None:
            return Matches()
        wanted = offset + limit
        # Deeper than the limit where two rankings are fused: the middle of both can win. Else one more row shows an
        # end. It begins with the same depth for every page, as it decides who is ahead of whom.
        # The moment that is left out is one more.
        needed = wanted + 1 + (self._probe.without is not None)
        first = min(max(_FEWEST, 4 * limit), DEEPEST) if self._probe.text else min(needed, DEEPEST)
        depth = first
        while depth < min(needed, DEEPEST):
            depth *= _WIDER
        while True:
            depth = min(depth, DEEPEST)
            found = self._found(self._version, self._rankings(self._version, depth, first), offset, wanted)
            more = len(found.fused) > wanted
            if more or not found.rankings.cut or depth >= DEEPEST:
                return Matches(self._matches(self._version, found, offset, wanted), _end(more, found.rankings.cut))
            depth *= _WIDER

    def _rankings(self, version: Version, depth: int, first: int) -> Rankings:
        near, (worded, slight) = self._near_and_worded(version, depth)
        found = Rankings.of(near, worded, depth, first, slight)
        # A moment is the nearest to itself, so it is always in its own result.
        return found.without(version.numbers([self._probe.without])) if self._probe.without else found

    def _near_and_worded(
        self, version: Version, depth: int
    ) -> tuple[list[Candidate], tuple[list[Candidate], Collection[int]]]:
        # One of the two alone needs no other thread.
        if self._probe.vector is None or not self._probe.text:
            return self._near(version, depth), self._worded(version, depth)
        return self._index.both(lambda: self._near(version, depth), lambda: self._worded(version, depth))

    def _near(self, version: Version, depth: int) -> list[Candidate]:
        probe = self._probe
        return [] if probe.vector is None else version.near(probe.vector, probe.column, self._wheres, depth)

    def _worded(self, version: Version, depth: int) -> tuple[list[Candidate], Collection[int]]:
        """With those that count for nothing."""
        found = version.worded(self._probe.text, self._wheres, depth) if self._probe.text else []
        return found, self._slight(version, found)

    def _slight(self, version: Version, worded: Sequence[Candidate]) -> Collection[int]:
        """Rows with less than most of the words. Where there is a vector, too, such a match is weaker evidence than any
        place in its ranking; yet by its place among few others it would outrank the best of that (ADR 0052).
        """
        if self._probe.vector is None or not worded:
            return ()
        rows = [item.row for item in worded]
        texts = version.take(rows, [TEXT])[TEXT].to_pylist()
        return {row for row, held in zip(rows, self._shares(texts), strict=True) if held < MOST_WORDS}

    def _shares(self, texts: Sequence[str]) -> Iterator[float]:
        """Which part of the words that say something each text has."""
        for terms in terms_of_each(texts):
            yield len(self._asked.intersection(terms)) / max(1, len(self._asked))

    def _found(self, version: Version, rankings: Rankings, offset: int, wanted: int) -> "_Found":
        """What is visible of `rankings`. Rows of the page are read meanwhile, as nearly all of them are."""
        fused, contents, read = rankings.fused(), rankings.contents, rankings.hits
        page = {row: contents[row] for row in islice(fused, offset, wanted) if row not in read}
        if not page:
            return self._visible(rankings, fused, wanted + 1)
        found, rows = self._index.both(
            lambda: self._visible(rankings, fused, wanted + 1), lambda: self._index.stored(version, page)
        )
        return replace(found, rows=rows)

    def _visible(self, rankings: Rankings, fused: Mapping[int, float], count: int) -> "_Found":
        """Without the rows of contents that nobody sees, as far as they stand among the first `count`; and the assets
        of the others, by content.
        """
        assets, known, contents = dict[str, LiveAsset](), set[str](), rankings.contents
        # Again after each removal: rows move up into the first `count` and have not been asked about yet.
        while asked := {contents[row] for row in islice(fused, count)} - known:
            known |= asked
            shown = self._index.catalogue.shown(asked, self._filters)
            assets |= shown
            if hidden := asked.difference(shown):
                rankings = rankings.without({row for row, key in contents.items() if key in hidden})
                fused = rankings.fused()
        return _Found(rankings, fused, assets)

    def _matches(self, version: Version, found: "_Found", offset: int, wanted: int) -> tuple[Match, ...]:
        rankings, scores = found.rankings, {row: found.fused[row] for row in islice(found.fused, offset, wanted)}
        contents, (near, worded) = rankings.contents, rankings.places()
        unread = {row: contents[row] for row in scores if row not in found.rows}
        rows = {**found.rows, **self._index.stored(version, unread, rankings.hits)}
        cosines = self._similarities(version, rankings, list(scores))
        moments = {row: moment_of(rows[row], found.assets) for row in scores}
        return tuple(
            Match(
                moment,
                scores[row],
                self._reason(moment, cosines.get(row), near.get(row), worded.get(row)),
            )
            for row, moment in moments.items()
        )

    def _reason(self, moment: StoredMoment, cosine: float | None, near: int | None, worded: int | None) -> Reason:
        if worded is None:
            return Reason(cosine, near)
        (held,) = self._shares([moment.text])
        return Reason(cosine, near, worded, matched_words(self._probe.text or "", moment.text), held)

    def _similarities(self, version: Version, rankings: Rankings, rows: Sequence[int]) -> dict[int, float]:
        """Of moments that only the words found, it is computed."""
        near = {item.row: 1.0 - item.score for item in rankings.near}
        worded = [row for row in rows if row not in near]
        if self._probe.vector is None:
            return near
        return near | similarities(version, worded, self._probe.vector, self._probe.column)


@dataclass(frozen=True, slots=True)
class _Found:
    """The visible part of rankings, fused; the assets of its first rows by content, and rows that were read."""

    rankings: Rankings
    fused: Mapping[int, float]
    assets: Mapping[str, LiveAsset]
    rows: Mapping[int, StoredRow] = field(default_factory=dict)


def _end(more: bool, cut: bool) -> End:
    return "more" if more else "deepest" if cut else "all"
