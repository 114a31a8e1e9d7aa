"""What routes work with, and the one way in: an access that is checked against the caller's rights and audited."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import AuditedAccess, Recorder
from stream.service.browsers import Browsers
from stream.service.caller import Caller, Callers
from stream.service.footages import Footages
from stream.service.limits import RequestLimits
from stream.service.problems import Problem, forbidden
from stream.service.readiness import Readiness
from stream.service.result_lists import ResultLists
from stream.service.saved_searches import SavedSearches
from stream.service.searchers import Searchers
from stream.service.sprites import Sprites

NOBODY = Actor("anonymous", ActorKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Service:
    """What routes work with. `secret` keys the digests of queries."""

    searchers: Searchers
    callers: Callers
    browsers: Browsers
    recorder: Recorder
    secret: bytes
    footages: Footages
    sprites: Sprites
    lists: ResultLists
    limits: RequestLimits
    readiness: Readiness
    saved: SavedSearches

    @contextmanager
    def access(
        self, request: Request, action: Action, activity: Activity, subject: AccessSubject
    ) -> Iterator[tuple[Caller, AuditedAccess]]:
        """The block is one access of a caller who may do `action` somewhere; where, the block has to keep to. Both the
        admission and a denial are on disk before anything is answered. Raises `Problem`.
        """
        origin = origin_of(request)
        try:
            caller = self.callers.of(request.headers)
        except Problem as problem:
            self.recorder.denied(activity, subject, NOBODY, origin, problem.code)
            raise
        refusal = self.limits.refusal(caller)
        if refusal is not None:
            # One event for a row of refusals: who floods the service must not flood the trail.
            if refusal.first:
                self.recorder.denied(activity, subject, caller.actor, origin, "too_many_requests")
            raise refusal.problem()
        if caller.access.scopes(action) == frozenset():
            self.recorder.denied(activity, subject, caller.actor, origin, "forbidden")
            raise forbidden("The caller has no role that may do this: an administrator can give one.")
        with self.recorder.access(activity, subject, caller.actor, origin) as access:
            yield caller, access

    def forged(self, request: Request) -> None:
        """Write to the trail that a request was refused as another site's work."""
        subject = AccessSubject("request")
        self.recorder.denied(Activity.FORGED, subject, NOBODY, origin_of(request), "forged_request")


def origin_of(request: Request) -> Origin:
    """From where a request comes, for the trail."""
    return Origin(ip=request.client.host if request.client else None)
