"""The routes of version 1: each says which action it is, and answers within one audited access."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service import schemas
from stream.service.problems import absent
from stream.service.searching import answered, listed, scopes_of
from stream.service.service import Service

_YEAR_S = 365 * 86_400
Name = Annotated[str | None, Query(min_length=1, max_length=200)]


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
        return answered(service, request, asked)

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
            filters = Filters(scopes=scopes_of(caller, Action.SEARCH))
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
            action.value: [schemas.ScopeOut(tenant=tenant, project=name) for tenant, name in listed(scopes)]
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
