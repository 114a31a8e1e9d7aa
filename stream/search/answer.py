"""What is answered."""

from collections.abc import Iterable
from dataclasses import dataclass

from stream.events.annotations import Space
from stream.search.explanation import Explanation
from stream.search.freshness import AnswerFreshness
from stream.search.hit import Hit


@dataclass(frozen=True, slots=True)
class AssetHits:
    """The hits of one asset, best first."""

    tenant: str
    asset_id: str
    uri: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Hits, best first, from `space`. `choice_unreadable`: what was kept about which space to use cannot be read, and
    the default was used. `explanation` only where the request asks for one.
    """

    space: Space
    hits: tuple[Hit, ...]
    freshness: AnswerFreshness
    explanation: Explanation | None = None
    choice_unreadable: bool = False

    @property
    def all_weak(self) -> bool:
        """There are hits, and each is weak: probably nothing in the footage shows what was asked for."""
        return bool(self.hits) and all(hit.weak for hit in self.hits)

    @property
    def groups(self) -> tuple[AssetHits, ...]:
        """The hits by asset, the asset with the best hit first."""
        return by_asset(self.hits)


def by_asset(hits: Iterable[Hit]) -> tuple[AssetHits, ...]:
    """In the order in which the assets first appear."""
    found: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        found.setdefault((hit.tenant, hit.asset_id), []).append(hit)
    return tuple(AssetHits(tenant, name, each[0].uri, tuple(each)) for (tenant, name), each in found.items())
