"""What ties an answer to the audit trail: the ids of its request's accesses, which stand in the answer's headers."""

from starlette.types import Scope

HEADER = b"x-request-id"
"""One id for each access, as a page may be made of several: `metadata.correlation_uid` of their events."""
_STATE, _KEY = "state", "audited"


def begin(scope: Scope) -> None:
    """Outermost: what lies further in may copy `scope`, and has to share the list."""
    if scope["type"] == "http":
        scope.setdefault(_STATE, {})[_KEY] = []


def note(scope: Scope, uid: str) -> None:
    """An access of this request is in the trail."""
    scope[_STATE][_KEY].append(uid)


def headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Of an answer that begins now."""
    uids = scope.get(_STATE, {}).get(_KEY)
    return [(HEADER, ", ".join(uids).encode("ascii"))] if uids else []
