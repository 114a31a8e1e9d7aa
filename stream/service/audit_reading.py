"""The trail for its auditors: its newest events, and the newest checkpoint to keep elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request

from stream.access.actions import Action
from stream.audit.files import CHECKPOINTS, latest_events, newest_note
from stream.audit.ocsf import AccessSubject, Activity
from stream.errors import Unavailable
from stream.service.caller import Caller
from stream.service.schemas.audit import AuditEventOut, AuditEventsOut, EventStatus
from stream.service.service import Service

FILES = 8
"""Of a MiB each: so much is looked through for events that an auditor may see."""


def read_trail(
    service: Service, request: Request, *, status: EventStatus | None, actor: str | None, limit: int
) -> AuditEventsOut:
    """The newest events that the caller may see. Raises `Problem`, and `Unavailable` (`audit_unavailable`)."""
    subject = AccessSubject("audit events")
    with service.access(request, Action.READ_AUDIT, Activity.LISTED, subject) as (caller, access):
        seen = _visible(caller)

        def wanted(event: dict[str, Any]) -> bool:
            named = actor is None or event["actor"]["user"]["uid"] == actor
            return named and status in (None, event["status"]) and seen(event)

        found = _found(service.trail, wanted, limit)
        access.count = len(found)
        return AuditEventsOut(
            events=[AuditEventOut.of(event) for event in found], checkpoint=_checkpoint(service.trail)
        )


def _visible(caller: Caller) -> Callable[[dict[str, Any]], bool]:
    """Events of the tenants that the caller audits as a whole, as events do not say their project. What has no tenant
    is shown to auditors of its program's tenant, and to who may see everything.
    """
    scopes = caller.access.scopes(Action.READ_AUDIT)
    if scopes is None:
        return lambda _: True
    tenants = {tenant for tenant, project in scopes if project is None}
    programs = tuple(f"service:{tenant}/" for tenant in tenants)

    def seen(event: dict[str, Any]) -> bool:
        tenant = event["metadata"].get("tenant_uid")
        if tenant is not None:
            return tenant in tenants
        return bool(programs) and event["actor"]["user"]["uid"].startswith(programs)

    return seen


def _found(trail: Path, wanted: Callable[[dict[str, Any]], bool], limit: int) -> list[dict[str, Any]]:
    try:
        return latest_events(trail, wanted, limit, FILES)
    except OSError as error:
        raise Unavailable(f"the audit trail cannot be read: {error.strerror}", code="audit_unavailable") from None


def _checkpoint(trail: Path) -> str | None:
    try:
        note = newest_note(trail / CHECKPOINTS)
    except OSError as error:
        raise Unavailable(f"the audit trail cannot be read: {error.strerror}", code="audit_unavailable") from None
    return note.decode() if note else None
