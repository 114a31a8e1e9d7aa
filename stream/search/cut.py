"""How much of what was found is answered (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.search.request import SearchRequest
from stream.search.retrieval import Match
from stream.search.shots import ShotHit


@dataclass(frozen=True, slots=True)
class Cut:
    """The first hits of many. `full`: there are as many as the request asks for; `more`: and some are left."""

    hits: list[ShotHit[Match]]
    full: bool
    more: bool


def first_of(hits: Sequence[ShotHit[Match]], request: SearchRequest) -> Cut:
    """As many hits as the request asks for, or the hits of as many assets."""
    if request.group != "asset":
        return Cut(list(hits[: request.limit]), len(hits) >= request.limit, len(hits) > request.limit)
    every = list(dict.fromkeys(_asset(hit.hits[0]) for hit in hits))
    assets = every[: request.limit]
    kept = [hit for hit in hits if _asset(hit.hits[0]) in assets]
    return Cut(kept, len(assets) == request.limit, len(every) > request.limit)


def _asset(match: Match) -> tuple[str, str]:
    return match.moment.tenant, match.moment.asset_id
