"""The trail for its auditors: its newest events, and the newest checkpoint to keep elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request

from stream.access.actions import Action
from stream.audit.files import CHECKPOINTS, LatestEvents, latest_events, newest_note
from stream.audit.ocsf import AccessSubject, Activity
from stream.audit.wanted import WantedEvents
from stream.errors import Unavailable
from stream.service.caller import Caller
from stream.service.schemas.audit import AuditEventOut, AuditEventsOut, EventStatus
from stream.service.service import Service

FILES, FILES_ABOUT = 8, 64
"""Of a MiB each: so much is looked through for events that an auditor may see, and for those about one thing."""


@dataclass(frozen=True, slots=True)
class AskedEvents:
    """What an auditor asks for; None asks for nothing. [since_ms, until_ms)."""

    limit: int
    status: EventStatus | None = None
    actor: str | None = None
    about: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def read_trail(service: Service, request: Request, asked: AskedEvents) -> AuditEventsOut:
    """The newest events that the caller may see. Raises `Problem`, and `Unavailable` (`audit_unavailable`)."""
    subject = AccessSubject("audit events")
    with service.access(request, Action.READ_AUDIT, Activity.LISTED, subject) as (caller, access):
        seen = _visible(caller)
        matches = WantedEvents(
            service.secret, asked.about, who=asked.actor, since_ms=asked.since_ms, until_ms=asked.until_ms
        )

        def wanted(event: dict[str, Any]) -> bool:
            # Rights first: only those of the caller's tenants cost a digest.
            return asked.status in (None, event["status"]) and seen(event) and matches(event)

        found = _found(service.trail, wanted, asked)
        access.count = len(found.events)
        return AuditEventsOut(
            events=[AuditEventOut.of(event) for event in found.events],
            complete=found.complete,
            checkpoint=_checkpoint(service.trail),
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


def _found(trail: Path, wanted: Callable[[dict[str, Any]], bool], asked: AskedEvents) -> LatestEvents:
    files = FILES if asked.about is None else FILES_ABOUT
    try:
        return latest_events(trail, wanted, asked.limit, files=files, since_ms=asked.since_ms)
    except OSError as error:
        raise Unavailable(f"the audit trail cannot be read: {error.strerror}", code="audit_unavailable") from None


def _checkpoint(trail: Path) -> str | None:
    try:
        note = newest_note(trail / CHECKPOINTS)
    except OSError as error:
        raise Unavailable(f"the audit trail cannot be read: {error.strerror}", code="audit_unavailable") from None
    return note.decode() if note else None
