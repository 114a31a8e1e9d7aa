"""The freshness of an answer. It is read before the index is searched, so the answer is never older than it says."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.clock import Clock

if TYPE_CHECKING:  # code that only shows an answer must not load a store
    from sinks.query.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class AnswerFreshness:
    """The freshness of the whole index, for any request. `newest_age_s`: seconds since the last segment was stored.
    `oldest_pending_s`: seconds since the publication of the oldest asset that is not final. None where there is none.
    """

    newest_age_s: float | None
    oldest_pending_s: float | None
    pending_assets: int


def freshness_now(catalogue: "Catalogue", clock: Clock) -> AnswerFreshness:
    """The freshness by `clock`. The clock of the machine that wrote may be ahead, so ages are at least 0."""
    found, now_ms = catalogue.freshness(), clock.now_ms()
    return AnswerFreshness(
        _age_s(found.newest_commit_ms, now_ms), _age_s(found.oldest_pending_ms, now_ms), found.pending_assets
    )


def _age_s(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0, now_ms - since_ms) / 1000
