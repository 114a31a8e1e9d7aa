"""Teams, roles and keys of a tenant, for its administrators."""

from secrets import token_hex
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from stream.access.actions import AccessRole, Action
from stream.access.api_keys import digest_of, new_key
from stream.access.decision import Access
from stream.access.delegation import manages, may_fill, may_hand_on, may_make, may_manage, visible
from stream.access.records import ApiKey, Grant, Name, PrincipalId, Team
from stream.audit.ocsf import AccessSubject, Activity, ActorKind
from stream.service.bodies import documented, json_body
from stream.service.caller import Caller
from stream.service.problems import absent, forbidden
from stream.service.schemas.access import AccessOut, GrantIn, GrantOut, KeyIn, KeyOut, NewKeyOut, TeamIn, TeamOut
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.rights import DecisionOut, ReasonOut
from stream.service.service import Service

_DAY_MS = 86_400_000
_MORE = "The caller may hand on no more than they may do themselves there."


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
        subject = AccessSubject("access list", tenant)
        with service.access(request, Action.MANAGE, Activity.LISTED, subject) as (caller, access):
            _require(caller, tenant)
            records = visible(caller.access, service.callers.registers.register().records(tenant))
            access.count = len(records)
            return AccessOut(
                grants=[GrantOut.of(record) for record in records if isinstance(record, Grant)],
                teams=[TeamOut.of(record) for record in records if isinstance(record, Team)],
                keys=[KeyOut.of(record) for record in records if isinstance(record, ApiKey)],
            )

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
            _require(caller, tenant)
            if not may_manage(caller.access, tenant, project):
                raise forbidden(f"The caller does not administer project {project}.")
            asked = Access(holder, service.callers.registers.register(), service.callers.now_ms())
            reasons = [ReasonOut.of(reason) for reason in asked.reasons(action, tenant, project)]
            return DecisionOut(allowed=asked.may(action, tenant, project), reasons=reasons)


def _add_grants(routes: APIRouter, service: Service) -> None:
    registers = service.callers.registers

    @routes.post("/grants", status_code=201, openapi_extra=documented(GrantIn))
    def give(
        request: Request, tenant: Name, given: Annotated[GrantIn | None, Depends(json_body(service, GrantIn))]
    ) -> GrantOut:
        """Give a role. Who has it already has it with the new end."""
        named = () if given is None else _named(given.role, given.holder, given.project)
        subject = AccessSubject("access give", tenant, named)
        with service.access(request, Action.MANAGE, Activity.RIGHTS_CHANGED, subject) as (caller, _):
            assert given is not None
            _require(caller, tenant)
            now_ms = service.callers.now_ms()
            grant = Grant(
                tenant=tenant,
                project=given.project,
                role=given.role,
                holder=given.holder,
                until_ms=None if given.days is None else now_ms + given.days * _DAY_MS,
                given_by=caller.access.principal,
                given_at_ms=now_ms,
            )
            _require_theirs(may_hand_on(caller.access, grant))
            registers.put(grant)
            return GrantOut.of(grant)

    @routes.delete("/grants", status_code=204)
    def take(
        request: Request,
        tenant: Name,
        role: AccessRole,
        holder: Annotated[PrincipalId, Query()],
        project: Annotated[Name | None, Query()] = None,
    ) -> Response:
        """Take a role away; it is gone with the next request of who had it."""
        subject = AccessSubject("access take", tenant, _named(role, holder, project))
        with service.access(request, Action.MANAGE, Activity.RIGHTS_CHANGED, subject) as (caller, _):
            _require(caller, tenant)
            # The key of a grant leaves out who gave it and when.
            sought = Grant(tenant=tenant, project=project, role=role, holder=holder, given_by="none", given_at_ms=0)
            _require_theirs(may_hand_on(caller.access, sought))
            # The last administrator would be gone, and with the last role a service of one machine is open to it.
            if holder == caller.access.principal:
                raise forbidden("Nobody takes a role from themself: another administrator can.")
            if not registers.take(sought.key):
                raise absent()
            return Response(status_code=204)


def _add_teams(routes: APIRouter, service: Service) -> None:
    registers = service.callers.registers

    @routes.put("/teams/{name}", openapi_extra=documented(TeamIn))
    def fill(
        request: Request, tenant: Name, name: Name, given: Annotated[TeamIn | None, Depends(json_body(service, TeamIn))]
    ) -> TeamOut:
        """Say who is in a team, all of them. One without members stays, and its roles reach nobody."""
        subject = AccessSubject("access team", tenant, (name,))
        with service.access(request, Action.MANAGE, Activity.RIGHTS_CHANGED, subject) as (caller, _):
            assert given is not None
            _require(caller, tenant)
            group = Team(tenant=tenant, name=name, members=tuple(dict.fromkeys(given.members)))
            _require_theirs(may_fill(caller.access, group, registers.register()))
            registers.put(group)
            return TeamOut.of(group)

    @routes.delete("/teams/{name}", status_code=204)
    def remove(request: Request, tenant: Name, name: Name) -> Response:
        """Remove a team. Roles that were given to it reach nobody, until there is a team of this name again."""
        subject = AccessSubject("access team", tenant, (name,))
        with service.access(request, Action.MANAGE, Activity.RIGHTS_CHANGED, subject) as (caller, _):
            _require(caller, tenant)
            group = Team(tenant=tenant, name=name)
            _require_theirs(may_fill(caller.access, group, registers.register()))
            if not registers.take(group.key):
                raise absent()
            return Response(status_code=204)


def _add_keys(routes: APIRouter, service: Service) -> None:
    registers = service.callers.registers

    @routes.post("/keys", status_code=201, openapi_extra=documented(KeyIn))
    def make(
        request: Request, tenant: Name, given: Annotated[KeyIn | None, Depends(json_body(service, KeyIn))]
    ) -> NewKeyOut:
        """Make a key for a program. The answer has its secret, once; a key itself makes no keys."""
        subject = AccessSubject("access key", tenant, () if given is None else _named(given.owner, given.project))
        with service.access(request, Action.MANAGE, Activity.RIGHTS_CHANGED, subject) as (caller, _):
            assert given is not None
            _require(caller, tenant)
            # Or who got hold of one key for a moment could make others that outlive it.
            if caller.actor.kind is ActorKind.SERVICE:
                raise forbidden("A key makes no keys: a person who administers the tenant can.")
            secret, now_ms = new_key(), service.callers.now_ms()
            key = ApiKey(
                # Not made from the secret, as lists and the audit trail show it.
                key_id=f"k{token_hex(6)}",
                tenant=tenant,
                owner=given.owner,
                digest=digest_of(secret, registers.pepper()),
                roles=None if given.roles is None else tuple(given.roles),
                project=given.project,
                until_ms=now_ms + given.days * _DAY_MS,
                made_by=caller.access.principal,
                made_at_ms=now_ms,
            )
            _require_theirs(may_make(caller.access, key, registers.register(), now_ms))
            registers.put(key)
            return NewKeyOut(key=secret, **KeyOut.of(key).model_dump())

    @routes.delete("/keys/{key_id}", status_code=204)
    def revoke(request: Request, tenant: Name, key_id: Name) -> Response:
        """End a key, and the sessions that began with it, at once."""
        subject = AccessSubject("access revoke", tenant, (key_id,))
        with service.access(request, Action.MANAGE, Activity.RIGHTS_CHANGED, subject) as (caller, _):
            _require(caller, tenant)
            found = registers.register().get(f"key/{key_id}")
            # Ids of keys are of all tenants: another's is as absent as one that never was.
            if not isinstance(found, ApiKey) or found.tenant != tenant:
                raise absent()
            _require_theirs(may_manage(caller.access, tenant, found.project))
            registers.take(found.key)
            return Response(status_code=204)


def _require(caller: Caller, tenant: str) -> None:
    """A tenant of which the caller administers nothing looks like one that is not there."""
    if not manages(caller.access, tenant):
        raise absent()


def _require_theirs(allowed: bool) -> None:
    if not allowed:
        raise forbidden(_MORE)


def _named(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value is not None)
