"""The audit trail, for its auditors."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from stream.service.audit_reading import AskedEvents, read_trail
from stream.service.routes.assets import Name
from stream.service.schemas.audit import AuditEventsOut, EventStatus
from stream.service.service import Service

_TimeMs = Annotated[int | None, Query(ge=0, lt=2**53)]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/audit/events")
    def audit_events(
        request: Request,
        status: EventStatus | None = None,
        actor: Name = None,
        about: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=2_000,
                description="An asset, a moment, the holder of a role, or the words of a search.",
            ),
        ] = None,
        since_ms: _TimeMs = None,
        until_ms: _TimeMs = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> AuditEventsOut:
        """The newest events of the tenants that the caller audits, and the newest checkpoint. `rushes audit verify`
        proves that nothing in the whole trail was changed.
        """
        return read_trail(service, request, AskedEvents(limit, status, actor, about, since_ms, until_ms))
