"""What the API says of rights."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stream.access.decision import AccessReason
from stream.service.schemas import examples


class ScopeOut(BaseModel):
    tenant: str
    project: str | None = Field(description="None: all projects of the tenant.")


class MeOut(BaseModel):
    """Who the service takes the caller for, and where they may do what. `everywhere` stands for all of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ME]})

    principal: str
    everywhere: bool
    actions: dict[str, list[ScopeOut]]


class ReasonOut(BaseModel):
    allows: bool
    tenant: str
    project: str | None
    text: str

    @classmethod
    def of(cls, reason: AccessReason) -> Self:
        return cls(allows=reason.allows, tenant=reason.where[0], project=reason.where[1], text=reason.text)


class DecisionOut(BaseModel):
    """Whether the caller may do something in a project, with every rule that bears on it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DECISION]})

    allowed: bool
    reasons: list[ReasonOut]
