"""What the API says of the audit trail."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from stream.audit.wanted import named_in
from stream.service.schemas import examples

EventStatus = Literal["Admitted", "Success", "Failure", "Denied"]


class AuditEventOut(BaseModel):
    """One event of the trail. An access that was let in has two: `Admitted` before anything was read, and what came of
    it, with the same `correlation`.
    """

    sequence: int = Field(description="Its number in the trail, from 0.")
    time_ms: int
    what: str = Field(examples=["search: searched"])
    actor: str = Field(examples=["service:acme/newsroom"])
    session: str | None = Field(description="Of a sign-in, or the id of a key.")
    origin: str | None = Field(description="From which address or host.")
    status: str = Field(examples=["Success"])
    status_code: str | None = Field(description="Of an error.")
    count: int | None = Field(description="How much was given out.")
    duration_ms: int | None
    tenant: str | None
    about: list[str] = Field(
        description="Ids of assets, moments, holders of roles; a digest stands for words, and for an id with a slash."
    )
    correlation: str

    @classmethod
    def of(cls, event: dict[str, Any]) -> Self:
        metadata, actor, origin = event["metadata"], event["actor"], event["src_endpoint"]
        return cls(
            sequence=metadata["sequence"],
            time_ms=event["time"],
            what=event["message"],
            actor=actor["user"]["uid"],
            session=actor.get("session", {}).get("uid"),
            origin=origin.get("ip") or origin.get("hostname"),
            status=event["status"],
            status_code=event.get("status_code"),
            count=event.get("count"),
            duration_ms=event.get("duration"),
            tenant=metadata.get("tenant_uid"),
            about=list(named_in(event)),
            correlation=metadata["correlation_uid"],
        )


class AuditEventsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.AUDIT_EVENTS]})

    events: list[AuditEventOut] = Field(description="The newest first.")
    complete: bool = Field(description="Whether there are no more such events in the trail.")
    checkpoint: str | None = Field(description="The newest signed one: size and root of the tree. Keep it elsewhere.")
