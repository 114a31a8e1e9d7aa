"""A long answer as a list of ids, for whoever reads it page by page (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from stream.search.explanation import Reason
from stream.search.hit import Hit
from stream.search.request import Grouping, SearchRequest
from stream.search.retrieval import End, Match
from stream.search.shots import ShotHit


@dataclass(frozen=True, slots=True)
class ListedHit:
    """A hit without what it shows: that is read, and the rights to it are looked up, when its page is."""

    asset: tuple[str, str]
    moment_ids: tuple[str, ...]
    range_ns: tuple[int, int]
    reason: Reason

    @classmethod
    def of(cls, found: ShotHit[Match]) -> "ListedHit":
        best = found.hits[0].moment
        names = tuple(match.moment.moment_id for match in found.hits)
        return cls((best.tenant, best.asset_id), names, (found.shot.start_ns, found.shot.end_ns), found.hits[0].reason)


Unit = tuple[ListedHit, ...]
"""What a limit counts: one hit, or all of one asset."""


@dataclass(frozen=True, slots=True)
class HitList:
    """`request` finds the same hits again, in the space that it names by its whole key. `end`: where the list ends."""

    request: SearchRequest
    units: tuple[Unit, ...]
    end: End

    def page(self, offset: int, limit: int) -> list[ListedHit]:
        return list(chain.from_iterable(self.units[offset : offset + limit]))


def hit_list(request: SearchRequest, first: Sequence[ListedHit], found: Iterable[ListedHit], end: End) -> HitList:
    """`first` was answered already, so it stays where it is. What was found later follows, without what repeats it."""
    seen = set(chain.from_iterable(hit.moment_ids for hit in first))
    answered = {hit.asset for hit in first} if request.group == "asset" else set()
    rest = [hit for hit in found if seen.isdisjoint(hit.moment_ids) and hit.asset not in answered]
    return HitList(request, tuple(units_of([*first, *rest], request.group)), end)


def units_of(hits: Iterable[ListedHit], group: Grouping) -> list[Unit]:
    if group != "asset":
        return [(hit,) for hit in hits]
    found: dict[tuple[str, str], list[ListedHit]] = {}
    for hit in hits:
        found.setdefault(hit.asset, []).append(hit)
    return [tuple(each) for each in found.values()]


@dataclass(frozen=True, slots=True)
class HitPage:
    """Some of a list, as it can be shown now. Hits that are gone by now are left out. `all_weak`: as in an answer."""

    space: str
    hits: tuple[Hit, ...]

    @property
    def all_weak(self) -> bool:
        return bool(self.hits) and all(hit.weak for hit in self.hits)
