"""The audit trail, for its auditors."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from stream.service.audit_reading import read_trail
from stream.service.routes.assets import Name
from stream.service.schemas.audit import AuditEventsOut, EventStatus
from stream.service.service import Service


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/audit/events")
    def audit_events(
        request: Request,
        status: EventStatus | None = None,
        actor: Name = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> AuditEventsOut:
        """The newest events of the tenants that the caller audits, and the newest checkpoint. `rushes audit verify`
        proves that nothing in the whole trail was changed.
        """
        return read_trail(service, request, status=status, actor=actor, limit=limit)
