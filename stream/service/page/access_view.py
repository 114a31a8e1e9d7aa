"""Who has which role in a tenant, as the page shows it: one row for each person, program and team (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from stream.access.actions import MEANINGS, ROLES, AccessRole, Action
from stream.access.decision import Access
from stream.access.delegation import may_hand_on
from stream.access.records import Grant, service_account, team
from stream.service.schemas.access import AccessOut, GrantOut, KeyOut, TeamOut

EVERYWHERE = "all projects"
_KINDS = ("person", "group", "team", "program", "other")


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class HolderName:
    """A holder in words: what it is, its name, and what tells it from others of that name."""

    kind: str
    name: str
    beside: str = ""

    @classmethod
    def of(cls, holder: str) -> Self:
        scheme, _, rest = holder.partition(":")
        if scheme == "team":
            return cls("team", rest)
        if scheme == "service":
            tenant, _, name = rest.rpartition("/")
            return cls("program", name, f"of {tenant}")
        if scheme in {"oidc", "oidc-group"} and "#" in rest:
            issuer, _, subject = rest.rpartition("#")
            return cls("person" if scheme == "oidc" else "group", subject, issuer)
        return cls("other", holder)


@dataclass(frozen=True, slots=True)
class RoleLine:
    """A role that is held. `via`: the team through which, if through one: it is taken from the team."""

    grant: GrantOut
    ended: bool
    via: str | None = None

    @property
    def where(self) -> str:
        return self.grant.project or EVERYWHERE

    @property
    def until(self) -> str:
        if self.grant.until_ms is None:
            return ""
        return f"{'ended' if self.ended else 'until'} {day(self.grant.until_ms)}"


@dataclass(frozen=True, slots=True)
class HolderRow:
    """`keys`: how many of a program can be used."""

    holder: str
    roles: tuple[RoleLine, ...]
    keys: int
    members: tuple[HolderName, ...]

    @property
    def shown(self) -> HolderName:
        return HolderName.of(self.holder)


@dataclass(frozen=True, slots=True)
class KeyRow:
    key: KeyOut
    ended: bool

    @property
    def only(self) -> str:
        """What it is restricted to."""
        roles = ", ".join(self.key.roles or ())
        return " in ".join(filter(None, (roles, self.key.project)))

    @property
    def until(self) -> str:
        return f"{'ended ' if self.ended else ''}{day(self.key.until_ms)}"


@dataclass(frozen=True, slots=True)
class AccessView:
    rows: tuple[HolderRow, ...]
    keys: tuple[KeyRow, ...]
    teams: tuple[TeamOut, ...]

    @classmethod
    def of(cls, found: AccessOut, now_ms: int) -> Self:
        lines: dict[str, list[RoleLine]] = {}
        for grant in found.grants:
            lines.setdefault(grant.holder, []).append(_line(grant, now_ms))
        members = {team(group.name): group.members for group in found.teams}
        for group in found.teams:
            # A copy: a team may be named among members, where it means nobody.
            own = [it for it in lines.setdefault(team(group.name), []) if it.via is None]
            for member in group.members:
                lines.setdefault(member, []).extend(RoleLine(it.grant, it.ended, group.name) for it in own)
        keys = [KeyRow(key, now_ms >= key.until_ms) for key in found.keys]
        usable = [service_account(row.key.tenant, row.key.owner) for row in keys if not row.ended]
        # A program without a role, whose keys could get one.
        for row in keys:
            lines.setdefault(service_account(row.key.tenant, row.key.owner), [])
        rows = [
            HolderRow(holder, tuple(held), usable.count(holder), tuple(map(HolderName.of, members.get(holder, ()))))
            for holder, held in lines.items()
        ]
        ordered = sorted(keys, key=lambda row: (row.ended, row.key.owner, row.key.until_ms, row.key.key_id))
        return cls(tuple(sorted(rows, key=_place)), tuple(ordered), tuple(found.teams))

    @property
    def usable_keys(self) -> list[KeyRow]:
        return [row for row in self.keys if not row.ended]

    @property
    def projects(self) -> list[str]:
        named = [line.grant.project for row in self.rows for line in row.roles]
        return sorted({project for project in [*named, *(row.key.project for row in self.keys)] if project})


def handed_on(access: Access, tenant: str) -> tuple[list[AccessRole], list[str] | None]:
    """The roles that somebody may give in a tenant, and in which of its projects; None is in all of them."""
    scopes = access.scopes(Action.MANAGE)
    theirs = [(tenant, None)] if scopes is None else sorted(it for it in scopes if it[0] == tenant)
    everywhere = any(project is None for _, project in theirs)
    roles = [role for role in AccessRole if any(_gives(access, role, tenant, project) for _, project in theirs)]
    return roles, None if everywhere else [project for _, project in theirs if project is not None]


def meanings() -> Mapping[str, str]:
    """What each role may do."""
    return {role: "; ".join(MEANINGS[action] for action in Action if action in ROLES[role]) for role in AccessRole}


def _gives(access: Access, role: AccessRole, tenant: str, project: str | None) -> bool:
    # The rule looks at the role and its place alone.
    held = Grant(tenant=tenant, project=project, role=role, holder="any:one", given_by="none", given_at_ms=0)
    return may_hand_on(access, held)


def _line(grant: GrantOut, now_ms: int) -> RoleLine:
    return RoleLine(grant, grant.until_ms is not None and now_ms >= grant.until_ms)


def _place(row: HolderRow) -> tuple[int, str, str]:
    return _KINDS.index(row.shown.kind), row.shown.name, row.holder
