"""The freshness of an answer. It is read before the index is searched, so the answer is never older than it says."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.clock import Clock

if TYPE_CHECKING:  # code that only shows an answer must not load a store
    from sinks.query.catalogue import Catalogue, PendingAssets
    from sinks.query.filters import Filters


@dataclass(frozen=True, slots=True)
class AnswerFreshness:
    """The freshness of the whole index, for any request. `newest_age_s`: seconds since the last segment was stored.
    `oldest_pending_s`: seconds since the publication of the oldest asset that is not final. None where there is none.
    """

    newest_age_s: float | None
    oldest_pending_s: float | None
    pending_assets: int


@dataclass(frozen=True, slots=True)
class SearchableUpTo:
    """At `now_ms` everything that was published before `up_to_ms` is searchable, of what the index has been told of;
    `pending` is what is not.
    """

    now_ms: int
    up_to_ms: int
    pending: "PendingAssets"

    @property
    def age_s(self) -> float:
        return max(0, self.now_ms - self.up_to_ms) / 1000


def searchable_up_to(catalogue: "Catalogue", filters: "Filters", clock: Clock) -> SearchableUpTo:
    """For the tenant, project and scopes of `filters`, by `clock`."""
    # Before the store is read: what is published meanwhile is later than what is claimed.
    now_ms = clock.now_ms()
    pending = catalogue.pending(filters)
    oldest_ms = pending.assets[0].published_ms if pending.assets else now_ms
    return SearchableUpTo(now_ms, min(now_ms, oldest_ms), pending)


def freshness_now(catalogue: "Catalogue", clock: Clock) -> AnswerFreshness:
    """The freshness by `clock`. The clock of the machine that wrote may be ahead, so ages are at least 0."""
    found, now_ms = catalogue.freshness(), clock.now_ms()
    return AnswerFreshness(
        _age_s(found.newest_commit_ms, now_ms), _age_s(found.oldest_pending_ms, now_ms), found.pending_assets
    )


def _age_s(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0, now_ms - since_ms) / 1000
