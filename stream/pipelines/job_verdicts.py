"""What the index store says of finals that were published: whether they are understood, and how they were moderated."""

from functools import cached_property
from typing import TYPE_CHECKING

from sinks.location import Place
from stream.jobs.reviews import Verdict

if TYPE_CHECKING:
    from sinks.query.moments import MomentIndex


class StoredVerdicts:
    """`stream.jobs.reviews.Verdicts`."""

    def __init__(self, index: Place) -> None:
        self._place = index

    @cached_property
    def _index(self) -> "MomentIndex":
        # Most jobs publish nothing, and what reads tables takes as long to load as all else that a job needs.
        from sinks.query.moments import MomentIndex

        return MomentIndex(self._place)

    def of(self, tenant: str, asset_id: str) -> Verdict | None:
        from sinks.query.filters import Filters

        detail = self._index.asset(tenant, asset_id, None)
        if detail is None or not detail.view.status.final:
            return None
        filters = Filters(tenant=tenant, asset_ids=(asset_id,))
        scores = [
            moment.moderation_nsfw
            for space in self._index.spaces()
            for moment in self._index.moments(space.key, filters)
            if moment.moderation_nsfw is not None
        ]
        return Verdict(max(scores, default=None), "" if detail.view.status == "ready" else _fault(detail.view.status))


def _fault(status: str) -> str:
    told = {"failed": "it could not be understood", "deleted": "somebody has deleted it"}
    return told.get(status, "parts of it are missing")
