"""What can be done in a project, and which role may do it (pure)."""

from collections.abc import Mapping
from enum import StrEnum


class Action(StrEnum):
    """One kind of access. Its meaning for people is in `MEANINGS`."""

    SEARCH = "search"
    PLAY = "play"
    EXPORT = "export"
    PUBLISH = "publish"
    DELETE = "delete"
    REPLAY = "replay"
    READ_AUDIT = "read_audit"
    MANAGE = "manage"


MEANINGS: Mapping[Action, str] = {
    Action.SEARCH: "find moments, see their thumbnails, tags and captions, and the status of assets",
    Action.PLAY: "play and download original footage",
    Action.EXPORT: "take selections out: lists, edit lists, pictures",
    Action.PUBLISH: "publish footage and change its labels",
    Action.DELETE: "delete footage for good",
    Action.REPLAY: "see dead letters and process them again",
    Action.READ_AUDIT: "read and verify the audit trail",
    Action.MANAGE: "give and take roles, make and revoke keys",
}


class AccessRole(StrEnum):
    """What somebody is in a project, or in all of a tenant's."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


_VIEWER = frozenset({Action.SEARCH, Action.PLAY})
_EDITOR = _VIEWER | {Action.EXPORT, Action.PUBLISH}
_OPERATOR = frozenset({Action.SEARCH, Action.PUBLISH, Action.REPLAY, Action.DELETE})

ROLES: Mapping[AccessRole, frozenset[Action]] = {
    AccessRole.VIEWER: _VIEWER,
    AccessRole.EDITOR: _EDITOR,
    AccessRole.OPERATOR: _OPERATOR,
    # Who checks the others does not see footage: an auditor needs another role for that.
    AccessRole.AUDITOR: frozenset({Action.READ_AUDIT}),
    AccessRole.ADMIN: frozenset(Action) - {Action.READ_AUDIT},
}
"""An administrator does not read the trail of what administrators do, unless somebody makes them an auditor too."""
