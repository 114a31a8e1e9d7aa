"""What one principal may do (pure). No rule means no.

Grants are united: each adds. A restriction, such as that of a key, is intersected with them: it only takes away. "May
I?", "what may I see?" and "why?" are answered from the same rules.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stream.access.actions import ROLES, AccessRole, Action
from stream.access.records import ApiKey, Grant
from stream.access.register import AccessRegister


@dataclass(frozen=True, slots=True)
class Restriction:
    """Less than the principal has. None restricts nothing."""

    tenant: str
    project: str | None = None
    roles: tuple[AccessRole, ...] | None = None
    source: str = "key"

    @classmethod
    def of(cls, key: ApiKey) -> "Restriction":
        return cls(key.tenant, key.project, key.roles, f"key {key.key_id}")


@dataclass(frozen=True, slots=True)
class AccessReason:
    """One rule that speaks for or against. `where`: a tenant and a project, or all of the tenant's."""

    allows: bool
    where: tuple[str, str | None]
    text: str


class Access:
    """What `principal` may do by `register` at `now_ms`; it does not follow what changes later. `groups`: holders of
    roles that the principal is among.

    `everything` is the administrator of a deployment of one machine that nobody has set up: all of every tenant.
    """

    def __init__(
        self,
        principal: str,
        register: AccessRegister,
        now_ms: int,
        restriction: Restriction | None = None,
        *,
        groups: Iterable[str] = (),
        everything: bool = False,
    ) -> None:
        self.principal = principal
        self.everything = everything
        self._restriction = restriction
        held = [found for holder in (principal, *groups) for found in register.grants_of(holder)]
        self._grants = [(grant, via) for grant, via in held if _runs(grant, now_ms)]
        # For `reasons` alone: a role that is over gives nothing, but explains a refusal.
        self._over = [(grant, via) for grant, via in held if not _runs(grant, now_ms)]

    def scopes(self, action: Action) -> frozenset[tuple[str, str | None]] | None:
        """Where it may be done: tenants with a project, or with None for all of the tenant's. None is everywhere, and
        an empty set is nowhere. No scope lies within another.
        """
        if self.everything:
            return None
        found = {
            scope for grant, _ in self._grants if action in ROLES[grant.role] and (scope := self._scope(grant, action))
        }
        # The store filters by these scopes: one within another would only lengthen the filter.
        whole = {tenant for tenant, project in found if project is None}
        return frozenset((tenant, project) for tenant, project in found if project is None or tenant not in whole)

    def tenants(self) -> frozenset[str]:
        """Of which anything may be done now; none where everything may be."""
        return frozenset(tenant for action in Action for tenant, _ in self.scopes(action) or ())

    def may(self, action: Action, tenant: str, project: str) -> bool:
        """Whether it may be done there."""
        scopes = self.scopes(action)
        return scopes is None or not scopes.isdisjoint({(tenant, project), (tenant, None)})

    def reasons(self, action: Action, tenant: str, project: str) -> list[AccessReason]:
        """Every rule that bears on the question; none is a reason by itself: nobody has given anything."""
        if self.everything:
            return [
                AccessReason(
                    True, (tenant, None), "the only administrator of this machine: nobody has been given a role"
                )
            ]
        return list(self._reasons(action, tenant, project))

    def _reasons(self, action: Action, tenant: str, project: str) -> Iterator[AccessReason]:
        for grants, runs in ((self._grants, True), (self._over, False)):
            for grant, via in grants:
                if grant.tenant != tenant or grant.project not in (None, project) or action not in ROLES[grant.role]:
                    continue
                through = f" through team {via}" if via else ""
                where = (grant.tenant, grant.project)
                if not runs:
                    yield AccessReason(False, where, f"was {grant.role}{through}, which is over")
                elif not self._admits(grant, action, tenant, project):
                    assert self._restriction is not None
                    yield AccessReason(
                        False, where, f"is {grant.role}{through}, but {self._restriction.source} has less"
                    )
                else:
                    yield AccessReason(True, where, f"is {grant.role}{through}, given by {grant.given_by}")

    def _admits(self, grant: Grant, action: Action, tenant: str, project: str) -> bool:
        scope = self._scope(grant, action)
        return scope in ((tenant, project), (tenant, None))

    def _scope(self, grant: Grant, action: Action) -> tuple[str, str | None] | None:
        """Where a grant of a role that may do it lets it be done, within the restriction."""
        held = self._restriction
        if held is None:
            return grant.tenant, grant.project
        if grant.tenant != held.tenant or not _roles_allow(held, action):
            return None
        if held.project is not None and grant.project not in (None, held.project):
            return None
        # The narrower of the two: no key can do more than its program.
        return grant.tenant, held.project or grant.project


def _runs(grant: Grant, now_ms: int) -> bool:
    return grant.until_ms is None or now_ms < grant.until_ms


def _roles_allow(restriction: Restriction, action: Action) -> bool:
    return restriction.roles is None or any(action in ROLES[role] for role in restriction.roles)
