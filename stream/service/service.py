"""What routes work with, and the one way in: an access that is checked against the caller's rights and audited."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from fastapi import Request

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import AuditedAccess, Recorder, asset_name
from stream.pipelines.source_policies import KnownTenants
from stream.service import request_ids
from stream.service.answer_tags import AnswerTags
from stream.service.browsers import Browsers
from stream.service.caller import Caller, Callers
from stream.service.events_before import PublishedBefore
from stream.service.footages import Footages
from stream.service.freshness_history import FreshnessHistory
from stream.service.job_store import JobStore
from stream.service.limits import RequestLimits
from stream.service.places import Places
from stream.service.problems import Problem, forbidden
from stream.service.publications.publications import Publications
from stream.service.readiness import Readiness
from stream.service.repeatable_writes import RepeatedAnswer, WriteClaims, was_done
from stream.service.result_lists import ResultLists
from stream.service.saved_searches import SavedSearches
from stream.service.searchers import Searchers
from stream.service.sprites import Sprites
from stream.service.uploads.uploads import Uploads
from stream.sessions.background import BackgroundWork

NOBODY = Actor("anonymous", ActorKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Service:
    """What routes work with. `secret` keys the digests of queries; `pictures` and `sending`: places of pictures and of
    uploads on their way in; `trail`: the directory of the audit trail; `writes`: those that came with an
    `Idempotency-Key`; `job_store`: what is told of jobs that make variants of templates; `before`: what waits before
    the index; `background`: who processes records, if anybody does.
    """

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
    tags: AnswerTags
    saved: SavedSearches
    pictures: Places
    sending: Places
    trail: Path
    history: FreshnessHistory
    writes: WriteClaims
    job_store: JobStore
    before: PublishedBefore
    tenants: KnownTenants
    background: BackgroundWork | None = None
    uploads: Uploads | None = None
    publications: Publications | None = None

    def replaying(self) -> frozenset[str]:
        """Ids of dead letters that are being processed again, or wait for it."""
        return frozenset() if self.background is None else self.background.replaying()

    @contextmanager
    def access(
        self, request: Request, action: Action, activity: Activity, subject: AccessSubject
    ) -> Iterator[tuple[Caller, AuditedAccess]]:
        """The block is one access of a caller who may do `action` somewhere; where, the block has to keep to. Both the
        admission and a denial are on disk before anything is answered. Raises `Problem`, and `RepeatedAnswer` instead
        of running the block for a write that was done before.
        """
        try:
            caller = self.callers.of(request.headers)
        except Problem as problem:
            raise self.turned_away(request, activity, subject, problem) from None
        request_ids.note_judged(request.scope)
        refusal = self.limits.refusal(caller)
        if refusal is not None:
            # One event for a row of refusals: who floods the service must not flood the trail.
            if refusal.first:
                self._denied(request, activity, subject, caller.actor, "too_many_requests")
            raise refusal.problem()
        scopes = caller.access.scopes(action)
        if scopes == frozenset():
            self._denied(request, activity, subject, caller.actor, "forbidden")
            raise forbidden("The caller has no role that may do this: an administrator can give one.")
        with self.audited(request, activity, subject, caller.actor) as access:
            # By rights alone, and never by what is there: the answer is that of what never was.
            access.outside = scopes is not None and subject.tenant not in {None, *(tenant for tenant, _ in scopes)}
            kept = self.writes.claim(request.scope, caller.access.principal)
            if kept is None:
                yield caller, access
                was_done(request.scope)
        if kept is not None:
            raise RepeatedAnswer(kept)

    def asset_name(self, tenant: str, asset_id: str) -> str:
        """As the trail names an asset."""
        return asset_name(self.secret, tenant, asset_id)

    @contextmanager
    def audited(
        self, request: Request, activity: Activity, subject: AccessSubject, actor: Actor
    ) -> Iterator[AuditedAccess]:
        """The block is one access of `actor`, whose rights the caller has looked at; the answer carries its id."""
        with self.recorder.access(activity, subject, actor, origin_of(request)) as access:
            request_ids.note(request.scope, access.uid)
            yield access

    def forged(self, request: Request, problem: Problem) -> Problem:
        """What who sent another site's work is told, once it is in the trail."""
        return self.turned_away(request, Activity.FORGED, AccessSubject("request"), problem)

    def turned_away(self, request: Request, activity: Activity, subject: AccessSubject, problem: Problem) -> Problem:
        """What somebody of whom nothing is known is told, once it is in the trail: `problem`, or too many requests. Of
        a row of those the trail has the first.
        """
        request_ids.note_judged(request.scope)
        key_id, refusal = problem.key_id, self.limits.of_strangers(origin_of(request).ip)
        if refusal is not None:
            problem = refusal.problem()
        if refusal is None or refusal.first:
            # Whose key is used after its end is worth knowing; who uses it is not known.
            self._denied(request, activity, subject, replace(NOBODY, session=key_id), problem.code)
        return problem

    def _denied(self, request: Request, activity: Activity, subject: AccessSubject, actor: Actor, code: str) -> None:
        uid = self.recorder.denied(activity, subject, actor, origin_of(request), code)
        request_ids.note(request.scope, uid)


def taken_uploads(service: Service) -> Uploads:
    """Raises `Problem` (501, `no_uploads`) where there are none."""
    if service.uploads is None:
        raise Problem(501, "This service takes no uploads.", code="no_uploads")
    return service.uploads


def origin_of(request: Request) -> Origin:
    """From where a request comes, for the trail."""
    try:
        ip = ip_address(request.client.host if request.client else "")
    # A proxy hands on what its client says, which may be any text.
    except ValueError:
        return Origin()
    # Without the zone of an IPv6 address, which may be any text too.
    return Origin(ip=str(ip_address(ip.packed)))
