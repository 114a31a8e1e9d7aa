"""Search as one application, for the command line, the evaluation and a service."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from models.protocol import Calibration
from sinks.query.asset_detail import AssetDetail
from sinks.query.catalogue import AssetView, LiveAsset, PendingAssets
from sinks.query.facets import all_facets, counted
from sinks.query.filters import Filters, Scope
from sinks.query.moments import MomentIndex, ShownThumbnail
from stream.clock import Clock
from stream.errors import BadRequest
from stream.events.annotations import Space
from stream.events.asset import SourceVersion
from stream.pipelines.settings import Settings
from stream.search.answer import FoundFacets, FoundMoment, FoundMoments, SearchAnswer, Selection
from stream.search.cut import Cut, first_of
from stream.search.encoding import QueryEncoder, image_column
from stream.search.explanation import Explanation, Reason
from stream.search.freshness import MOST_PENDING, EventsBefore, SearchableUpTo, freshness_now, searchable_up_to
from stream.search.hit import Hit
from stream.search.hit_list import HitList, HitPage, ListedHit, hit_list
from stream.search.request import Grouping, MomentRef, PictureFile, PictureVector, SearchRequest, Words
from stream.search.retrieval import Match, Probe, best_matches
from stream.search.shots import Shot, ShotHit, group_into_shots
from stream.search.spaces import Spaces

if TYPE_CHECKING:
    from sinks.dead_letters import DeadLetterFilter, StoredDeadLetter

_MOMENTS_A_SHOT = 5
"""One shot may hold many hits, so the search goes this many times deeper than the limit before it joins them."""
BY_TIME_OF = 1_000
"""So many of the best moments are sorted by time."""
_DEEPEST = 10_000
"""The most moments that are retrieved to find hits of enough assets."""


class Search:
    """Answers requests from the stores of `settings`. Keeps models open until it is closed. One thread at a time.

    The rights of who asks are the `scopes` of the filters: every read of moments keeps to them, so that the store never
    gives out a row that the caller may not see.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._index_dir = settings.index_dir
        self._index = MomentIndex(settings.index_dir)
        self._spaces = Spaces(settings, self._index)
        self._encoder = QueryEncoder(settings.cache_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._encoder.close()

    def load(self) -> None:
        """Load what the first search by words would have to. Raises as `answer` does."""
        # A whole search, as what it loads is spread over models, stores and libraries.
        self.answer(SearchRequest(Words("footage"), Filters(), thumbnails=False))

    def answer(self, request: SearchRequest) -> SearchAnswer:
        """The answer to a request. Raises `BadRequest` for an invalid request, `BadMedia` (`bad_picture`) for an
        unreadable picture, and `Unavailable` where weights or the index cannot be read.
        """
        # Before the index is searched: the answer is then never older than it says.
        chosen, freshness = self._index.reading(
            lambda: (self._spaces.chosen(request.space), freshness_now(self._index.catalogue, self._clock))
        )
        probe = self._probe(chosen.space, request)
        # As one reading, as each asks how the store is divided; without models, whose errors are none of the store.
        found = self._index.reading(lambda: self._found(chosen.space, probe, request))
        calibration = self._calibration(chosen.space, request)
        listed = tuple(map(ListedHit.of, found.hits))
        hits = self._hits(chosen.space, found.hits, calibration, thumbnails=request.thumbnails)
        explanation = self._explanation(chosen.space, found.hits, calibration) if request.explain else None
        return SearchAnswer(
            chosen.space,
            hits,
            freshness,
            explanation,
            chosen.choice_unreadable,
            found.more,
            listed,
            _again(request, chosen.space, probe),
        )

    def listed(self, request: SearchRequest, first: Sequence[ListedHit]) -> HitList:
        """All hits of a request, as far as anybody looks, after those that were answered `first`."""
        space = self._spaces.chosen(request.space).space
        depth = BY_TIME_OF if request.sort == "time" else _DEEPEST
        matches = self._matches(space, self._probe(space, request), request, depth)
        hits = self._sorted(self._grouped(space, matches, request), request)
        return hit_list(request, first, map(ListedHit.of, hits), "deepest" if len(matches) >= depth else "all")

    def page(self, request: SearchRequest, hits: Sequence[ListedHit]) -> HitPage:
        """These hits of a list, by what the filters of its request allow now."""
        space = self._spaces.chosen(request.space).space
        moments = self._index.of_ids(space.key, [hit.moment_ids[0] for hit in hits], request.filters)
        calibration = self._calibration(space, request)
        return HitPage(
            space.key,
            tuple(
                replace(
                    Hit.of([best], hit.range_ns, hit.reason, strength=hit.reason.strength(calibration), thumbnail=b""),
                    moment_ids=hit.moment_ids,
                )
                for hit in hits
                if (best := moments.get(hit.moment_ids[0])) is not None
            ),
        )

    def selection(self, space: str | None, moment_ids: Sequence[str], filters: Filters, group: Grouping) -> Selection:
        """These moments as hits, in the order of their ids; each names the shot that it lies in unless `group` says
        `moment`. Raises as `answer` does.
        """
        key = self._spaces.chosen(space).space.key
        found = self._index.of_ids(key, moment_ids, filters)
        names = list(dict.fromkeys(moment_ids))
        # Not a score: it keeps the order.
        chosen = [Match(found[name], -number, Reason()) for number, name in enumerate(names) if name in found]
        space_found = self._spaces.chosen(key).space
        request = SearchRequest(MomentRef(""), filters, group=group)
        hits = self._hits(space_found, self._grouped(space_found, chosen, request), None, thumbnails=False)
        return Selection(hits, tuple(name for name in names if name not in found))

    def dead_letters(self, wanted: "DeadLetterFilter", limit: int, *, oldest: bool = False) -> "list[StoredDeadLetter]":
        """The newest or the oldest first, metadata only. Raises `Unavailable` where their store cannot be read."""
        from sinks.dead_letters import DeadLetters

        return DeadLetters(self._index_dir).listed(wanted, limit, oldest=oldest)

    def state(self, space: str | None) -> tuple[str, str]:
        """The key of the space that would be asked, and a text that changes with what is stored in it and in the
        catalogue. Raises as `answer` does.
        """

        def read() -> tuple[str, str]:
            key = self._spaces.chosen(space).space.key
            return key, self._index.state(key)

        return self._index.reading(read)

    def searchable(self, filters: Filters, before: EventsBefore, limit: int = MOST_PENDING) -> SearchableUpTo:
        """Up to when everything of the tenant, project and scopes that the filters name is searchable, where `before`
        is what waited before the index. Of what is not it names the oldest, at most `limit`.
        """
        return searchable_up_to(self._index.catalogue, filters, before, limit)

    def under_way(self, limit: int) -> PendingAssets:
        """The oldest assets of all tenants that are not wholly searchable, at most `limit`: not for a caller's eyes."""
        return self._index.catalogue.pending(Filters(), limit)

    def thumbnail(self, space: str, moment_id: str, filters: Filters) -> ShownThumbnail | None:
        """The JPEG of a moment of a space; None where `filters` hide it or there is none. Raises as `answer` does."""
        return self._index.thumbnail_of(self._spaces.chosen(space).space.key, moment_id, filters)

    def assets(self, tenant: str, scopes: Sequence[Scope] | None) -> list[AssetView]:
        """The status of a tenant's assets within `scopes`, by asset id; deleted ones too."""
        return self._index.catalogue.assets(tenant, scopes=scopes)

    def listed_assets(
        self, tenant: str, scopes: Sequence[Scope] | None, *, project: str | None, after: str | None, limit: int
    ) -> list[AssetView]:
        """As `assets`, of one project if one is given: the first `limit` behind the asset id `after`."""
        return self._index.catalogue.listed(tenant, scopes, project=project, after=after, limit=limit)

    def asset(self, tenant: str, asset_id: str, scopes: Sequence[Scope] | None) -> AssetDetail | None:
        """How far an asset is; None where there is none within `scopes`."""
        return self._index.asset(tenant, asset_id, scopes)

    def live(self, tenant: str, asset_id: str, scopes: Sequence[Scope] | None) -> LiveAsset | None:
        """What search shows an asset as; None where it shows nothing within `scopes`."""
        filters = Filters(tenant=tenant, asset_ids=(asset_id,), scopes=None if scopes is None else tuple(scopes))
        return next((asset for page in self._index.catalogue.pages(filters) for asset in page.values()), None)

    def footage_source(self, asset: LiveAsset) -> SourceVersion | None:
        """The bytes that what is shown of the asset was made of; None where that is not known."""
        return self._index.live_source(asset)

    def moment(self, space: str | None, moment_id: str, filters: Filters) -> FoundMoment | None:
        """A moment of a space; None where `filters` hide it or there is none. Raises as `answer` does."""
        key = self._spaces.chosen(space).space.key
        found = self._index.moment(key, moment_id, filters)
        return None if found is None else FoundMoment(key, found)

    def moments(self, space: str | None, filters: Filters, limit: int) -> FoundMoments:
        """At most `limit` moments as they lie in time, by asset. Raises as `answer` does."""
        key = self._spaces.chosen(space).space.key
        return FoundMoments(key, tuple(self._index.moments(key, filters, limit)))

    def thumbnails(self, space_key: str, moment_ids: Collection[str]) -> dict[str, bytes]:
        """JPEGs of moments that an answer held, by their ids; what is gone by now is left out."""
        return self._index.thumbnails(space_key, moment_ids)

    def facets(self, space: str | None, filters: Filters) -> FoundFacets:
        """Of everything that `filters` keep. Raises as `answer` does."""
        key = self._spaces.chosen(space).space.key
        return FoundFacets(key, all_facets(self._index, key, filters))

    def facets_of(self, request: SearchRequest) -> FoundFacets:
        """Of the best `request.limit` moments for a query. Raises as `answer` does."""
        space = self._spaces.chosen(request.space).space
        matches = self._matches(space, self._probe(space, request), request, request.limit)
        return FoundFacets(space.key, counted(match.moment for match in matches))

    def _probe(self, space: Space, request: SearchRequest) -> Probe:
        query = request.query
        if isinstance(query, Words):
            # Rows without vectors are found by their words alone.
            return Probe(self._encoder.encode(space, query) if space.dimensions else None, text=query.text)
        if not space.dimensions:
            raise BadRequest(
                f"nobody looked for vectors in space {space.key}: ask with words, or ingest with vectors",
                code="no_vectors",
            )
        column = image_column(space)
        if isinstance(query, PictureVector):
            return Probe(np.array(query.vector, np.float32), column)
        if not isinstance(query, MomentRef):
            return Probe(self._encoder.encode(space, query), column)
        # With rights here too: an id of another tenant's moment must not become a query.
        rights = Filters(scopes=request.filters.scopes)
        vector = self._index.vector_of(space.key, query.moment_id, column, rights)
        if vector is None:
            raise BadRequest(
                f"space {space.key} has no moment {query.moment_id!r}: take the id from another answer",
                code="unknown_moment",
            )
        return Probe(vector, column, without=query.moment_id)

    def _found(self, space: Space, probe: Probe, request: SearchRequest) -> Cut:
        """The moments of each hit, as the request sorts them. Deeper where too few are left of what was found."""
        depth = _first_depth(request)
        # Fewer shots than asked may be found of many moments; only whoever narrows them waits for more.
        deepens = request.group == "asset" or request.by_shot_length
        while True:
            matches = self._matches(space, probe, request, depth)
            cut = first_of(self._sorted(self._grouped(space, matches, request), request), request)
            # Fewer than asked means that the index has no more. The upper bound keeps a request from reading
            # everything.
            if not deepens or cut.full or len(matches) < depth or depth >= _DEEPEST:
                return replace(cut, more=cut.more or len(matches) >= depth)
            depth = min(depth * 4, _DEEPEST)

    def _grouped(self, space: Space, matches: Sequence[Match], request: SearchRequest) -> list[ShotHit[Match]]:
        if request.group == "moment" and not request.by_shot_length:
            return [_alone(match) for match in matches]
        # Joined before they are cut: the limit counts shots and not moments.
        joined = [
            hit for hit in self._joined(space, matches) if request.takes_shot(hit.shot.end_ns - hit.shot.start_ns)
        ]
        if request.group != "moment":
            return joined
        kept = {match.moment.moment_id for hit in joined for match in hit.hits}
        return [_alone(match) for match in matches if match.moment.moment_id in kept]

    @staticmethod
    def _sorted(hits: list[ShotHit[Match]], request: SearchRequest) -> list[ShotHit[Match]]:
        return sorted(hits, key=_when) if request.sort == "time" else hits

    def _calibration(self, space: Space, request: SearchRequest) -> Calibration | None:
        """Only words are calibrated: scores of picture queries have another range."""
        by_meaning = isinstance(request.query, Words) and space.dimensions
        return self._encoder.embedder(space).calibration if by_meaning else None

    def _matches(self, space: Space, probe: Probe, request: SearchRequest, limit: int) -> list[Match]:
        return best_matches(self._index, space.key, probe, request.filters, limit=limit)

    def _joined(self, space: Space, matches: Sequence[Match]) -> list[ShotHit[Match]]:
        return group_into_shots(matches, self._index.neighbours(space.key, [match.moment for match in matches]))

    def _hits(
        self, space: Space, found: Sequence[ShotHit[Match]], calibration: Calibration | None, *, thumbnails: bool
    ) -> tuple[Hit, ...]:
        first = [each.hits[0].moment.moment_id for each in found]
        # Thumbnails only of the hits that are returned: the search itself reads none.
        pictures = self._index.thumbnails(space.key, first) if thumbnails else {}
        return tuple(
            Hit.of(
                [match.moment for match in each.hits],
                (each.shot.start_ns, each.shot.end_ns),
                each.hits[0].reason,
                strength=each.hits[0].reason.strength(calibration),
                thumbnail=pictures.get(name, b""),
            )
            for name, each in zip(first, found, strict=True)
        )

    def _explanation(
        self, space: Space, found: Sequence[ShotHit[Match]], calibration: Calibration | None
    ) -> Explanation:
        reasons = tuple(each.hits[0].reason for each in found)
        # Only on request: it reads the ledger again.
        return Explanation(reasons, calibration, self._spaces.holdings()[space.key].lacking)


def _again(request: SearchRequest, space: Space, probe: Probe) -> SearchRequest:
    """The request in its space, with a picture as its vector: what is kept of it must be small."""
    if not isinstance(request.query, PictureFile):
        return replace(request, space=space.key)
    assert probe.vector is not None
    return replace(request, space=space.key, query=PictureVector(tuple(map(float, probe.vector))))


def _first_depth(request: SearchRequest) -> int:
    """How many moments are looked at first."""
    if request.sort == "time":
        return max(BY_TIME_OF, request.limit)
    return request.limit * (1 if request.group == "moment" else _MOMENTS_A_SHOT)


def _when(hit: ShotHit[Match]) -> tuple[int, str, str, int]:
    best = hit.hits[0].moment
    return -best.published_ms, best.tenant, best.asset_id, hit.shot.start_ns


def _alone(match: Match) -> ShotHit[Match]:
    moment = match.moment
    return ShotHit(Shot(moment.content_key, moment.kind, moment.start_ns, moment.end_ns), (match,))
