"""What somebody changes of the rights of others, as OCSF's classes of identity and access have it (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

USER_ACCESS, GROUPS, ENTITIES = 3005, 3006, 3004
_KINDS = {"service": 4, "oidc": 1}
_OTHER = 99
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ChangedRights:
    """`holder`: who gets or loses `roles`, in `project` alone where there is one, or whose key it is. `team`: the name
    of one whose `members` are said. `key_id`: of a key that is made, narrowed or revoked.
    """

    holder: str | None = None
    roles: tuple[str, ...] = ()
    project: str | None = None
    team: str | None = None
    members: tuple[str, ...] = ()
    key_id: str | None = None

    def as_ocsf(self, class_uid: int) -> dict[str, Any]:
        """Attributes of an event of one of the three classes; nothing of another."""
        match class_uid:
            case 3005:
                project = {"resources": [{"uid": self.project, "type": "project"}]} if self.project else {}
                return {"privileges": list(self.roles), "user": _user(self.holder or _UNKNOWN), **project}
            case 3006:
                uid = f"team:{self.team}" if self.team else _UNKNOWN
                return {"group": {"uid": uid, "name": self.team or _UNKNOWN}}
            case 3004:
                owner = {"user": _user(self.holder)} if self.holder else {}
                return {"entity": {"uid": self.key_id or _UNKNOWN, "type": "key", **owner}}
            case _:
                return {}

    def unmapped(self, class_uid: int) -> dict[str, Any]:
        """What its class has no attribute for."""
        match class_uid:
            case 3006:
                return {"members": list(self.members)} if self.members else {}
            case 3004:
                restricted = {"privileges": list(self.roles), "project": self.project}
                return {key: value for key, value in restricted.items() if value}
            case _:
                return {}


NO_RIGHTS = ChangedRights()


def holders_in(event: Mapping[str, Any]) -> Iterable[str]:
    """Roles, people, programs, teams and keys that an event of the three classes names."""
    if event["class_uid"] not in {USER_ACCESS, GROUPS, ENTITIES}:
        return
    entity, unmapped = event.get("entity", {}), event.get("unmapped", {})
    yield from event.get("privileges", unmapped.get("privileges", ()))
    for at, key in ((event.get("user", {}), "uid"), (event.get("group", {}), "uid"), (entity, "uid")):
        if at.get(key, _UNKNOWN) != _UNKNOWN:
            yield at[key]
    if "user" in entity:
        yield entity["user"]["uid"]
    yield from (each for each in (unmapped.get("project"), *unmapped.get("members", ())) if each)


def _user(principal: str) -> dict[str, Any]:
    kind = _KINDS.get(principal.partition(":")[0], _OTHER)
    # Teams, and groups of a provider: OCSF's list has no kind for them.
    return {"uid": principal, "type_id": kind} | ({"type": "Group"} if kind == _OTHER else {})
