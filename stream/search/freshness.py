"""The freshness of an answer. It is read before the index is searched, so the answer is never older than it says."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.clock import Clock

if TYPE_CHECKING:  # code that only shows an answer must not load a store
    from sinks.query.catalogue import Catalogue
    from sinks.query.filters import Filters

_MOST_KNOWN = 10_000
MOST_PENDING = 100


@dataclass(frozen=True, slots=True)
class AnswerFreshness:
    """The freshness of the whole index, for any request. `newest_age_s`: seconds since the last segment was stored.
    `oldest_pending_s`: seconds since the publication of the oldest asset that is not final. None where there is none.
    """

    newest_age_s: float | None
    oldest_pending_s: float | None
    pending_assets: int


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """A publication that waits before the index; `waits_for` names the stage that has to take it next. `version_ms` is
    the time of its version, by which the index tells it from others; None where it has none yet.
    """

    tenant: str
    project: str
    asset_id: str
    published_ms: int
    waits_for: str
    version_ms: int | None = None


@dataclass(frozen=True, slots=True)
class EventsBefore:
    """What waited before the index at `at_ms`: `waiting`, and nothing else. With `unknown`, which says why in words,
    there may be more.
    """

    at_ms: int
    waiting: tuple[WaitingEvent, ...] = ()
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class NotSearchable:
    """An asset that is not wholly searchable. Of one that the index has been told of, `segments` is the number of its
    cells; of another `waits_for` says who has to take it next.
    """

    tenant: str
    asset_id: str
    published_ms: int
    segments_done: int = 0
    segments: int | None = None
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class SearchableUpTo:
    """At `at_ms` everything that was published before `up_to_ms` was searchable. `pending` are the oldest that were
    not, of `count`. Without `up_to_ms` nothing is proven, as `unknown` says.
    """

    at_ms: int
    up_to_ms: int | None
    pending: tuple[NotSearchable, ...]
    count: int
    unknown: str | None = None

    def holds(self, age_s: float, now_ms: int) -> bool:
        """Whether it proves that everything published `age_s` before `now_ms` is searchable."""
        return self.up_to_ms is not None and now_ms - self.up_to_ms <= age_s * 1000


def searchable_up_to(
    catalogue: "Catalogue", filters: "Filters", before: EventsBefore, limit: int = MOST_PENDING
) -> SearchableUpTo:
    """For the tenant, project and scopes of `filters`. `before` was looked at before this is called: what moves on
    meanwhile is met in the store, and what is published meanwhile is later than what is claimed.
    """
    waiting = _untold([event for event in before.waiting if _within(event, filters)], catalogue)
    # Only a whole list tells which of the waiting ones the index knows by an earlier publication.
    found = catalogue.pending(filters, _MOST_KNOWN if waiting else limit)
    pending = {
        (item.tenant, item.asset_id): NotSearchable(
            item.tenant, item.asset_id, item.published_ms, item.segments_done, item.segment_count
        )
        for item in found.assets
    }
    known = len(pending)
    for event in sorted(waiting, key=lambda event: event.published_ms):
        name = event.tenant, event.asset_id
        pending.setdefault(name, NotSearchable(*name, event.published_ms, waits_for=event.waits_for))
    oldest = sorted(pending.values(), key=lambda item: (item.published_ms, item.asset_id))
    up_to_ms = min((before.at_ms, *(item.published_ms for item in oldest[:1])))
    return SearchableUpTo(
        before.at_ms,
        up_to_ms if before.unknown is None else None,
        tuple(oldest[:limit]),
        found.count + len(pending) - known,
        before.unknown,
    )


def _untold(events: list[WaitingEvent], catalogue: "Catalogue") -> list[WaitingEvent]:
    """Without those that the index has been told of since they were looked at, or of a later publication."""
    names: dict[str, set[str]] = {}
    for event in events:
        if event.version_ms is not None:
            names.setdefault(event.tenant, set()).add(event.asset_id)
    told = {
        (view.tenant, view.asset_id): view.version.append_ms
        for tenant, ids in names.items()
        for view in catalogue.assets(tenant, ids)
    }
    # Two publications of one millisecond look alike: then it waits.
    return [
        event
        for event in events
        if event.version_ms is None or told.get((event.tenant, event.asset_id), 0) <= event.version_ms
    ]


def _within(event: WaitingEvent, filters: "Filters") -> bool:
    if filters.tenant not in {None, event.tenant} or filters.project not in {None, event.project}:
        return False
    return filters.scopes is None or any(
        scope.tenant == event.tenant and scope.project in {None, event.project} for scope in filters.scopes
    )


def freshness_now(catalogue: "Catalogue", clock: Clock) -> AnswerFreshness:
    """The freshness by `clock`. The clock of the machine that wrote may be ahead, so ages are at least 0."""
    found, now_ms = catalogue.freshness(), clock.now_ms()
    return AnswerFreshness(
        _age_s(found.newest_commit_ms, now_ms), _age_s(found.oldest_pending_ms, now_ms), found.pending_assets
    )


def _age_s(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0, now_ms - since_ms) / 1000
