"""What somebody may hand on to others: never more than they may do themselves (pure).

So an administrator makes no auditors, themself included, unless they are one too (`stream.access.actions`).
"""

from collections.abc import Iterable

from stream.access.actions import ROLES, Action
from stream.access.decision import Access, Restriction
from stream.access.records import ApiKey, Grant, Team, team
from stream.access.register import AccessRegister


def manages(access: Access, tenant: str) -> bool:
    """Whether they administer something of the tenant."""
    scopes = access.scopes(Action.MANAGE)
    return scopes is None or any(scope[0] == tenant for scope in scopes)


def may_manage(access: Access, tenant: str, project: str | None) -> bool:
    """Whether they administer the project, or with None all of the tenant's."""
    return _covers(access, Action.MANAGE, (tenant, project))


def may_hand_on(access: Access, grant: Grant) -> bool:
    """Whether they may give this role there, or take it away."""
    where = (grant.tenant, grant.project)
    return all(_covers(access, action, where) for action in ROLES[grant.role] | {Action.MANAGE})


def may_fill(access: Access, group: Team, register: AccessRegister) -> bool:
    """Whether they may say who is in the team: with its members they hand on its roles."""
    held = (grant for grant, _ in register.grants_of(team(group.name), group.tenant))
    return may_manage(access, group.tenant, None) and all(may_hand_on(access, grant) for grant in held)


def may_make(access: Access, key: ApiKey, register: AccessRegister, now_ms: int) -> bool:
    """Whether they may make this key: for what it can do now they need rights themselves."""
    program = Access(key.principal, register, now_ms, Restriction.of(key))
    return may_manage(access, key.tenant, key.project) and all(
        _covers(access, action, scope) for action in Action for scope in program.scopes(action) or ()
    )


def visible(access: Access, records: Iterable[Team | Grant | ApiKey]) -> list[Team | Grant | ApiKey]:
    """Those that are theirs to administer. Teams are of a tenant as a whole."""
    return [
        record
        for record in records
        if may_manage(access, record.tenant, None if isinstance(record, Team) else record.project)
    ]


def _covers(access: Access, action: Action, where: tuple[str, str | None]) -> bool:
    scopes = access.scopes(action)
    return scopes is None or where in scopes or (where[0], None) in scopes
