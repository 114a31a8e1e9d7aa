"""What ties an answer to the audit trail: the ids of its request's accesses, which stand in the answer's headers."""

from starlette.types import Scope

HEADER = b"x-request-id"
"""One id for each access, as a page may be made of several: `metadata.correlation_uid` of their events."""
_STATE, _KEY, _JUDGED = "state", "audited", "judged"


def begin(scope: Scope) -> None:
    """Outermost: what lies further in may copy `scope`, and has to share the list."""
    if scope["type"] == "http":
        scope.setdefault(_STATE, {})[_KEY] = []


def note(scope: Scope, uid: str) -> None:
    """An access of this request is in the trail."""
    scope[_STATE][_KEY].append(uid)


def note_judged(scope: Scope) -> None:
    """Who asks was turned away, whether or not that is one more event of the trail."""
    scope[_STATE][_JUDGED] = True


def is_audited(scope: Scope) -> bool:
    """Whether an access of this request has looked at who asks."""
    state = scope.get(_STATE, {})
    return bool(state.get(_KEY)) or _JUDGED in state


def headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Of an answer that begins now."""
    uids = scope.get(_STATE, {}).get(_KEY)
    return [(HEADER, ", ".join(uids).encode("ascii"))] if uids else []
