"""Roles, teams and keys of a tenant, each change as one audited access: what the API answers and the page shows."""

from dataclasses import dataclass
from secrets import token_hex

from fastapi import Request

from stream.access.actions import AccessRole, Action
from stream.access.api_keys import digest_of, new_key
from stream.access.delegation import manages, may_fill, may_hand_on, may_make, may_manage, visible
from stream.access.narrowing import Narrowing, narrowed
from stream.access.records import ApiKey, Grant, Team, service_account
from stream.audit.ocsf import AccessSubject, Activity, ActorKind
from stream.audit.rights import NO_RIGHTS, ChangedRights
from stream.service.caller import Caller
from stream.service.changed_keys import changed_key
from stream.service.problems import Problem, absent, forbidden
from stream.service.repeatable_writes import keep_no_answer
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
from stream.service.service import Service

_DAY_MS = 86_400_000
_MORE = "The caller may hand on no more than they may do themselves there."


@dataclass(frozen=True, slots=True)
class HeldRole:
    """Which role is meant: what a grant is found by."""

    role: AccessRole
    holder: str
    project: str | None = None


def administered(service: Service, request: Request, tenant: str) -> AccessOut:
    """The tenant's roles, teams and keys, as far as the caller administers them. Raises `Problem`."""
    subject = AccessSubject("access list", tenant)
    with service.access(request, Action.MANAGE, Activity.LISTED, subject) as (caller, access):
        require_manager(caller, tenant)
        records = visible(caller.access, service.callers.registers.register().records(tenant))
        access.count = len(records)
        return AccessOut(
            grants=[GrantOut.of(record) for record in records if isinstance(record, Grant)],
            teams=[TeamOut.of(record) for record in records if isinstance(record, Team)],
            keys=[KeyOut.of(record) for record in records if isinstance(record, ApiKey)],
        )


def give_role(service: Service, request: Request, tenant: str, given: GrantIn | None) -> GrantOut:
    """Who has the role already has it with the new end. `given` is None where nobody asks. Raises `Problem`."""
    rights = NO_RIGHTS if given is None else ChangedRights(given.holder, (given.role,), given.project)
    subject = AccessSubject("access give", tenant, rights=rights)
    with service.access(request, Action.MANAGE, Activity.ROLE_GIVEN, subject) as (caller, _):
        assert given is not None
        require_manager(caller, tenant)
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
        service.callers.registers.put(grant)
        return GrantOut.of(grant)


def take_role(service: Service, request: Request, tenant: str, held: HeldRole) -> None:
    """It is gone with the next request of who had it. Raises `Problem`."""
    subject = AccessSubject("access take", tenant, rights=ChangedRights(held.holder, (held.role,), held.project))
    with service.access(request, Action.MANAGE, Activity.ROLE_TAKEN, subject) as (caller, _):
        require_manager(caller, tenant)
        # The key of a grant leaves out who gave it and when.
        sought = Grant(
            tenant=tenant, project=held.project, role=held.role, holder=held.holder, given_by="none", given_at_ms=0
        )
        _require_theirs(may_hand_on(caller.access, sought))
        # The last administrator would be gone, and with the last role a service of one machine is open to it.
        if held.holder == caller.access.principal:
            raise forbidden("Nobody takes a role from themself: another administrator can.")
        if not service.callers.registers.take(sought.key):
            raise absent()


def fill_team(service: Service, request: Request, tenant: str, name: str, given: TeamIn | None) -> TeamOut:
    """Who is in it, all of them. One without members stays, and its roles reach nobody. Raises `Problem`."""
    members = () if given is None else tuple(dict.fromkeys(given.members))
    subject = AccessSubject("access team", tenant, rights=ChangedRights(team=name, members=members))
    with service.access(request, Action.MANAGE, Activity.TEAM_FILLED, subject) as (caller, access):
        access.count = len(members)
        require_manager(caller, tenant)
        group = Team(tenant=tenant, name=name, members=members)
        _require_theirs(may_fill(caller.access, group, service.callers.registers.register()))
        service.callers.registers.put(group)
        return TeamOut.of(group)


def remove_team(service: Service, request: Request, tenant: str, name: str) -> None:
    """Roles that were given to it reach nobody, until there is a team of this name again. Raises `Problem`."""
    subject = AccessSubject("access team", tenant, rights=ChangedRights(team=name))
    with service.access(request, Action.MANAGE, Activity.TEAM_REMOVED, subject) as (caller, _):
        require_manager(caller, tenant)
        group = Team(tenant=tenant, name=name)
        _require_theirs(may_fill(caller.access, group, service.callers.registers.register()))
        if not service.callers.registers.take(group.key):
            raise absent()


def make_key(service: Service, request: Request, tenant: str, given: KeyIn | None) -> NewKeyOut:
    """With its secret, which is kept nowhere; a key itself makes no keys. Raises `Problem`."""
    rights = NO_RIGHTS
    if given is not None:
        rights = ChangedRights(service_account(tenant, given.owner), tuple(given.roles or ()), given.project)
    subject = AccessSubject("access key", tenant, rights=rights)
    with service.access(request, Action.MANAGE, Activity.KEY_MADE, subject) as (caller, access):
        assert given is not None
        require_manager(caller, tenant)
        # Or who got hold of one key for a moment could make others that outlive it.
        if not makes_keys(caller):
            raise forbidden("A key makes no keys: a person who administers the tenant can.")
        registers = service.callers.registers
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
        access.rights = changed_key(key)
        keep_no_answer(request.scope, f"The key {key.key_id} was made; its secret is shown once and not again.")
        return NewKeyOut(key=secret, **KeyOut.of(key).model_dump())


def revoke_key(service: Service, request: Request, tenant: str, key_id: str) -> None:
    """The key ends, and the sessions that began with it, at once. Raises `Problem`."""
    subject = AccessSubject("access revoke", tenant, rights=ChangedRights(key_id=key_id))
    with service.access(request, Action.MANAGE, Activity.KEY_REVOKED, subject) as (caller, access):
        require_manager(caller, tenant)
        found = _key(service, tenant, key_id)
        _require_theirs(may_manage(caller.access, tenant, found.project))
        access.rights = changed_key(found)
        service.callers.registers.take(found.key)


def narrow_key(service: Service, request: Request, tenant: str, key_id: str, given: KeyNarrowedIn | None) -> KeyOut:
    """It can do less with the next request, and so can the sessions that began with it. Raises `Problem`, and as
    `narrowed` does.
    """
    subject = AccessSubject("access narrow", tenant, rights=ChangedRights(key_id=key_id))
    with service.access(request, Action.MANAGE, Activity.KEY_NARROWED, subject) as (caller, access):
        assert given is not None
        require_manager(caller, tenant)
        found = _key(service, tenant, key_id)
        _require_theirs(may_manage(caller.access, tenant, found.project))
        until_ms = None if given.days is None else service.callers.now_ms() + given.days * _DAY_MS
        roles = None if given.roles is None else tuple(given.roles)
        key = narrowed(found, Narrowing(roles, given.project, until_ms))
        access.rights = changed_key(key)
        if not service.callers.registers.exchange(found, key):
            raise Problem(409, "Somebody has just changed the key: look at it, and try again.", code="key_changed")
        return KeyOut.of(key)


def _key(service: Service, tenant: str, key_id: str) -> ApiKey:
    found = service.callers.registers.register().get(f"key/{key_id}")
    # Ids of keys are of all tenants: another's is as absent as one that never was.
    if not isinstance(found, ApiKey) or found.tenant != tenant:
        raise absent()
    return found


def makes_keys(caller: Caller) -> bool:
    """Whether they are anybody but a program."""
    return caller.actor.kind is not ActorKind.SERVICE


def require_manager(caller: Caller, tenant: str) -> None:
    """A tenant of which the caller administers nothing looks like one that is not there. Raises `Problem`."""
    if not manages(caller.access, tenant):
        raise absent()


def _require_theirs(allowed: bool) -> None:
    if not allowed:
        raise forbidden(_MORE)
