"""What the API says of rights."""

from pydantic import BaseModel, Field


class ScopeOut(BaseModel):
    tenant: str
    project: str | None = Field(description="None: all projects of the tenant.")


class MeOut(BaseModel):
    """Who the service takes the caller for, and where they may do what. `everywhere` stands for all of it."""

    principal: str
    everywhere: bool
    actions: dict[str, list[ScopeOut]]


class ReasonOut(BaseModel):
    allows: bool
    tenant: str
    project: str | None
    text: str


class DecisionOut(BaseModel):
    """Whether the caller may do something in a project, with every rule that bears on it."""

    allowed: bool
    reasons: list[ReasonOut]
