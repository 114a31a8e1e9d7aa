"""The routes of version 1: each says which action it is, and answers within one audited access."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from sinks.query.filters import Filters, Scope
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import AuditedAccess, Recorder, query_digest
from stream.events.grid import SECOND_NS
from stream.search.request import MomentRef, SearchRequest, Words
from stream.service import schemas
from stream.service.caller import Caller, Callers
from stream.service.problems import Problem, absent, forbidden
from stream.service.searchers import Searchers

_YEAR_S = 365 * 86_400
NOBODY = Actor("anonymous", ActorKind.UNKNOWN)
Name = Annotated[str | None, Query(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Service:
    """What routes work with. `secret` keys the digests of queries."""

    searchers: Searchers
    callers: Callers
    recorder: Recorder
    secret: bytes

    @contextmanager
    def access(
        self, request: Request, action: Action, activity: Activity, subject: AccessSubject
    ) -> Iterator[tuple[Caller, AuditedAccess]]:
        """The block is one access of a caller who may do `action` somewhere; where, the block has to keep to. Both the
        admission and a denial are on disk before anything is answered. Raises `Problem`.
        """
        origin = Origin(ip=request.client.host if request.client else None)
        try:
            caller = self.callers.of(request.headers)
        except Problem as problem:
            self.recorder.denied(activity, subject, NOBODY, origin, problem.code)
            raise
        if caller.access.scopes(action) == frozenset():
            self.recorder.denied(activity, subject, caller.actor, origin, "forbidden")
            raise forbidden("The caller has no role that may do this: an administrator can give one.")
        with self.recorder.access(activity, subject, caller.actor, origin) as access:
            yield caller, access


def router(service: Service) -> APIRouter:
    """All routes over `service`."""
    routes = APIRouter(prefix="/v1", responses={code: {"model": schemas.ProblemOut} for code in (401, 403, 503)})
    _add_search(routes, service)
    _add_assets(routes, service)
    _add_access(routes, service)
    return routes


def _add_search(routes: APIRouter, service: Service) -> None:
    @routes.get("/search", responses={400: {"model": schemas.ProblemOut}})
    def search(request: Request, asked: Annotated[schemas.SearchIn, Query()]) -> schemas.AnswerOut:
        """Moments that show or mention what is asked for, best first, of what the caller may see."""
        words, like = asked.q, asked.like
        if (words is None or not words.strip()) == (like is None):
            raise Problem(400, "Say what to look for: `q` in words, or `like` a moment.", code="blank_query")
        query = MomentRef(like) if like is not None else Words(words or "")
        # The trail holds a keyed digest only: words of a query are not kept.
        digest = query_digest(service.secret, asked.tenant, words if like is None and words else f"like {like}")
        subject = AccessSubject("search", asked.tenant, query=digest)
        with service.access(request, Action.SEARCH, Activity.SEARCHED, subject) as (caller, access):
            filters = Filters(
                tenant=asked.tenant,
                project=asked.project,
                labels=_labels(asked.label),
                kind=asked.kind,
                start_ns=_ns(asked.since),
                end_ns=_ns(asked.until),
                # The store itself leaves rows out: dropping them afterwards leaks by counts and time (ADR 0046).
                scopes=_scopes(caller, Action.SEARCH),
            )
            with service.searchers.one() as application:
                answer = application.answer(SearchRequest(query, filters, asked.space, asked.limit, asked.group))
            access.count = len(answer.hits)
            return schemas.AnswerOut.of(answer)

    @routes.get(
        "/moments/{moment_id}/thumbnail",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 404: {"model": schemas.ProblemOut}},
    )
    def thumbnail(request: Request, moment_id: str, space: Annotated[str, Query(max_length=200)]) -> Response:
        """The picture of a moment. It never changes: its address names what is in it."""
        # Cut, as the length of an event is limited and that of a path is not.
        subject = AccessSubject("thumbnail", resources=(moment_id[:200],))
        with service.access(request, Action.SEARCH, Activity.PREVIEWED, subject) as (caller, _):
            filters = Filters(scopes=_scopes(caller, Action.SEARCH))
            with service.searchers.one() as application:
                found = application.thumbnail(space, moment_id, filters)
            if found is None:
                # An id of somebody else gets the answer of an id that never was.
                raise absent()
            # Not for caches that others share: they know nothing of rights.
            lasting = {"cache-control": f"private, max-age={_YEAR_S}, immutable", "vary": "Authorization"}
            return Response(found, media_type="image/jpeg", headers=lasting)


def _add_assets(routes: APIRouter, service: Service) -> None:
    @routes.get("/assets")
    def assets(
        request: Request, tenant: Annotated[str, Query(min_length=1, max_length=200)], project: Name = None
    ) -> schemas.AssetsOut:
        """The status of a tenant's assets, of the projects that the caller may see."""
        subject = AccessSubject("assets", tenant)
        with service.access(request, Action.SEARCH, Activity.LISTED, subject) as (caller, access):
            with service.searchers.one() as application:
                views = application.assets(tenant)
            seen = [
                view
                for view in views
                if caller.access.may(Action.SEARCH, tenant, view.project) and project in (None, view.project)
            ]
            access.count = len(seen)
            return schemas.AssetsOut(assets=[schemas.AssetOut.of(view) for view in seen])


def _add_access(routes: APIRouter, service: Service) -> None:
    @routes.get("/me")
    def me(request: Request) -> schemas.MeOut:
        """Who the caller is, and where they may do what."""
        access = service.callers.of(request.headers).access
        actions = {
            action.value: [schemas.ScopeOut(tenant=tenant, project=name) for tenant, name in _listed(scopes)]
            for action in Action
            if (scopes := access.scopes(action)) is not None
        }
        return schemas.MeOut(principal=access.principal, everywhere=access.everything, actions=actions)

    @routes.get("/me/decision")
    def decision(
        request: Request,
        action: Action,
        tenant: Annotated[str, Query(min_length=1, max_length=200)],
        project: Annotated[str, Query(min_length=1, max_length=200)],
    ) -> schemas.DecisionOut:
        """Why the caller may do something in a project, or may not. It tells nothing of whether the project exists."""
        access = service.callers.of(request.headers).access
        reasons = [
            schemas.ReasonOut(allows=item.allows, tenant=item.where[0], project=item.where[1], text=item.text)
            for item in access.reasons(action, tenant, project)
        ]
        return schemas.DecisionOut(allowed=access.may(action, tenant, project), reasons=reasons)


def _scopes(caller: Caller, action: Action) -> tuple[Scope, ...] | None:
    scopes = caller.access.scopes(action)
    return None if scopes is None else tuple(Scope(tenant, project) for tenant, project in _listed(scopes))


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND_NS)


def _listed(scopes: Iterable[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    return sorted(scopes, key=lambda scope: (scope[0], scope[1] or ""))


def _labels(given: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key or len(text) > 200:
            raise Problem(400, f"A label is `k=v` of at most 200 characters, not {text[:50]!r}.", code="bad_label")
        found[key] = value
    return found
