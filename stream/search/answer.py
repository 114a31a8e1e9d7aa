"""The answer to a search request."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.events.annotations import Space
from stream.search.explanation import Explanation
from stream.search.freshness import AnswerFreshness
from stream.search.hit import Hit

# Code that only shows an answer must not load a store.
if TYPE_CHECKING:
    from sinks.query.facets import FacetCounts
    from sinks.query.moments import MomentDetail, StoredMoment
    from stream.search.hit_list import ListedHit
    from stream.search.request import SearchRequest


@dataclass(frozen=True, slots=True)
class AssetHits:
    """The hits of one asset, best first."""

    tenant: str
    asset_id: str
    uri: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Hits from `space`, best first. `choice_unreadable`: the saved choice of a space cannot be read, so the default
    was used. `explanation` is set only if the request asks for one. `more`: there may be more than the limit lets
    through; `listed` are the hits for a list of all, and `again` is the request for it.
    """

    space: Space
    hits: tuple[Hit, ...]
    freshness: AnswerFreshness
    explanation: Explanation | None = None
    choice_unreadable: bool = False
    more: bool = False
    listed: "tuple[ListedHit, ...]" = ()
    again: "SearchRequest | None" = None

    @property
    def all_weak(self) -> bool:
        """Whether there are hits and all are weak: the footage probably shows nothing of the query."""
        return bool(self.hits) and all(hit.weak for hit in self.hits)

    @property
    def groups(self) -> tuple[AssetHits, ...]:
        """The hits by asset. The asset with the best hit comes first."""
        return by_asset(self.hits)


@dataclass(frozen=True, slots=True)
class FoundMoment:
    """A moment of the space with this key."""

    space: str
    detail: "MomentDetail"


@dataclass(frozen=True, slots=True)
class FoundMoments:
    """Moments of the space with this key."""

    space: str
    moments: "tuple[StoredMoment, ...]"


@dataclass(frozen=True, slots=True)
class Selection:
    """Moments that somebody chose, as hits. `unknown`: ids of which there is no moment within the filters."""

    hits: tuple[Hit, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundFacets:
    """Counts over moments of the space with this key."""

    space: str
    counts: "FacetCounts"


def by_asset(hits: Iterable[Hit]) -> tuple[AssetHits, ...]:
    """Hits grouped by asset, in the order in which assets first appear."""
    # A dict keeps the order of the first hits, and with it the order of the assets.
    found: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        found.setdefault((hit.tenant, hit.asset_id), []).append(hit)
    return tuple(AssetHits(tenant, name, each[0].uri, tuple(each)) for (tenant, name), each in found.items())
