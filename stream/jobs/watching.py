"""Whether a job was stopped, as workers see it: by the document of its state, which needs no broker."""

import json

from stream.clock import Clock
from stream.errors import Unavailable
from stream.jobs.objects import Documents
from stream.jobs.reports import status_name
from stream.jobs.states import JobState

LOOK_S = 1.0
_KEPT = 1000


class CancelWatch:
    """For one thread. A look is good for `LOOK_S`. A `fresh` one is made where a job was canceled: it may have been
    begun again.
    """

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, bool]] = {}

    def canceled(self, tenant: str, job: str, *, fresh: bool = False) -> bool:
        now_s = self._clock.monotonic_s()
        looked_s, found = self._seen.get((tenant, job), (float("-inf"), False))
        if now_s - looked_s < LOOK_S and not (fresh and found):
            return found
        self._seen.pop((tenant, job), None)
        self._seen[tenant, job] = now_s, self._look(tenant, job)
        if len(self._seen) > _KEPT:
            del self._seen[next(iter(self._seen))]
        return self._seen[tenant, job][1]

    def _look(self, tenant: str, job: str) -> bool:
        try:
            content = self._documents.read(status_name(tenant, job))
        except Unavailable:
            return False  # the work goes on; storing its result tells of the outage
        return content is not None and json.loads(content).get("state") == JobState.CANCELED.value
