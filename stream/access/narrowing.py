"""How a key becomes less: it ends sooner, or its roles or its project are fewer (pure).

Never more: who holds an administrator's browser for a minute could make a strong key of a weak one that they have, and
who copied a key once would gain by what is done to it later. For more there is a new key.
"""

from dataclasses import dataclass

from stream.access.actions import ROLES, AccessRole, Action
from stream.access.records import ApiKey
from stream.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Narrowing:
    """None leaves it as it is. `roles`: only what these may."""

    roles: tuple[AccessRole, ...] | None = None
    project: str | None = None
    until_ms: int | None = None


def narrowed(key: ApiKey, wanted: Narrowing) -> ApiKey:
    """Raises `BadRequest` (`key_would_widen`, `key_not_narrowed`)."""
    if wanted == Narrowing():
        raise BadRequest("say what the key is to lose: roles, a project, or days", code="key_not_narrowed")
    if wanted.roles is not None and key.roles is not None and not _may(wanted.roles) <= _may(key.roles):
        raise _widens(f"its roles are {', '.join(key.roles)}, and it can only lose some")
    if wanted.project is not None and key.project not in {None, wanted.project}:
        raise _widens(f"it is for project {key.project} alone, and for no other")
    if wanted.until_ms is not None and wanted.until_ms > key.until_ms:
        raise _widens("it ends before that")
    return key.model_copy(
        update={
            "roles": key.roles if wanted.roles is None else wanted.roles,
            "project": key.project if wanted.project is None else wanted.project,
            "until_ms": key.until_ms if wanted.until_ms is None else wanted.until_ms,
        }
    )


def _may(roles: tuple[AccessRole, ...]) -> frozenset[Action]:
    return frozenset(action for role in roles for action in ROLES[role])


def _widens(why: str) -> BadRequest:
    return BadRequest(f"a key can only become less: {why}; make a new key", code="key_would_widen")
