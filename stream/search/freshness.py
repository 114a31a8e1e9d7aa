"""How fresh an answer is: read before the index is searched, so that the answer is never older than it says."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.clock import Clock

if TYPE_CHECKING:  # who only shows an answer loads no store
    from sinks.query.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class AnswerFreshness:
    """Of the whole index, whatever was asked. `newest_age_s`: seconds since a segment was last stored.
    `oldest_pending_s`: seconds since the publication of the oldest asset that is not final. None where there is none.
    """

    newest_age_s: float | None
    oldest_pending_s: float | None
    pending_assets: int


def freshness_now(catalogue: "Catalogue", clock: Clock) -> AnswerFreshness:
    """By `clock`; another machine that wrote may be ahead of it, and no age is below 0."""
    found, now_ms = catalogue.freshness(), clock.now_ms()
    return AnswerFreshness(
        _age_s(found.newest_commit_ms, now_ms), _age_s(found.oldest_pending_ms, now_ms), found.pending_assets
    )


def _age_s(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0, now_ms - since_ms) / 1000
