"""Teams, roles and keys of a tenant, for its administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from stream.access.actions import AccessRole, Action
from stream.access.decision import Access
from stream.access.delegation import may_manage
from stream.access.records import Name, PrincipalId
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.administering import (
    HeldRole,
    administered,
    fill_team,
    give_role,
    make_key,
    narrow_key,
    remove_team,
    require_manager,
    revoke_key,
    take_role,
)
from stream.service.bodies import documented, json_body
from stream.service.problems import forbidden
from stream.service.schemas.access import (
    AccessOut,
    GrantIn,
    GrantOut,
    KeyIn,
    KeyNarrowedIn,
    KeyOut,
    NewKeyOut,
    TeamIn,
    TeamOut,
)
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.rights import DecisionOut, ReasonOut
from stream.service.service import Service


def add(routes: APIRouter, service: Service) -> None:
    nested = APIRouter(prefix="/access/{tenant}", responses={404: {"model": ProblemOut}})
    _add_reading(nested, service)
    _add_grants(nested, service)
    _add_teams(nested, service)
    _add_keys(nested, service)
    routes.include_router(nested)


def _add_reading(routes: APIRouter, service: Service) -> None:
    @routes.get("")
    def everything(request: Request, tenant: Name) -> AccessOut:
        """The tenant's roles, teams and keys, as far as the caller administers them."""
        return administered(service, request, tenant)

    @routes.get("/explain")
    def explain(
        request: Request,
        tenant: Name,
        holder: Annotated[PrincipalId, Query()],
        action: Action,
        project: Annotated[Name, Query()],
    ) -> DecisionOut:
        """Why somebody may do something in a project, or may not; without the groups of their identity provider."""
        subject = AccessSubject("access explain", tenant, (holder, action, project))
        with service.access(request, Action.MANAGE, Activity.VIEWED, subject) as (caller, _):
            require_manager(caller, tenant)
            if not may_manage(caller.access, tenant, project):
                raise forbidden(f"The caller does not administer project {project}.")
            asked = Access(holder, service.callers.registers.register(), service.callers.now_ms())
            reasons = [ReasonOut.of(reason) for reason in asked.reasons(action, tenant, project)]
            return DecisionOut(allowed=asked.may(action, tenant, project), reasons=reasons)


def _add_grants(routes: APIRouter, service: Service) -> None:
    @routes.post("/grants", status_code=201, openapi_extra=documented(GrantIn))
    def give(
        request: Request, tenant: Name, given: Annotated[GrantIn | None, Depends(json_body(service, GrantIn))]
    ) -> GrantOut:
        """Give a role. Who has it already has it with the new end."""
        return give_role(service, request, tenant, given)

    @routes.delete("/grants", status_code=204)
    def take(
        request: Request,
        tenant: Name,
        role: AccessRole,
        holder: Annotated[PrincipalId, Query()],
        project: Annotated[Name | None, Query()] = None,
    ) -> Response:
        """Take a role away; it is gone with the next request of who had it."""
        take_role(service, request, tenant, HeldRole(role, holder, project))
        return Response(status_code=204)


def _add_teams(routes: APIRouter, service: Service) -> None:
    @routes.put("/teams/{name}", openapi_extra=documented(TeamIn))
    def fill(
        request: Request, tenant: Name, name: Name, given: Annotated[TeamIn | None, Depends(json_body(service, TeamIn))]
    ) -> TeamOut:
        """Say who is in a team, all of them. One without members stays, and its roles reach nobody."""
        return fill_team(service, request, tenant, name, given)

    @routes.delete("/teams/{name}", status_code=204)
    def remove(request: Request, tenant: Name, name: Name) -> Response:
        """Remove a team. Roles that were given to it reach nobody, until there is a team of this name again."""
        remove_team(service, request, tenant, name)
        return Response(status_code=204)


def _add_keys(routes: APIRouter, service: Service) -> None:
    @routes.post("/keys", status_code=201, openapi_extra=documented(KeyIn))
    def make(
        request: Request, tenant: Name, given: Annotated[KeyIn | None, Depends(json_body(service, KeyIn))]
    ) -> NewKeyOut:
        """Make a key for a program. The answer has its secret, once; a key itself makes no keys."""
        return make_key(service, request, tenant, given)

    @routes.patch("/keys/{key_id}", responses={409: {"model": ProblemOut}}, openapi_extra=documented(KeyNarrowedIn))
    def narrow(
        request: Request,
        tenant: Name,
        key_id: Name,
        given: Annotated[KeyNarrowedIn | None, Depends(json_body(service, KeyNarrowedIn))],
    ) -> KeyOut:
        """Let a key end sooner, or do less: from its next request on, and for the sessions that began with it."""
        return narrow_key(service, request, tenant, key_id, given)

    @routes.delete("/keys/{key_id}", status_code=204)
    def revoke(request: Request, tenant: Name, key_id: Name) -> Response:
        """End a key, and the sessions that began with it, at once."""
        revoke_key(service, request, tenant, key_id)
        return Response(status_code=204)
