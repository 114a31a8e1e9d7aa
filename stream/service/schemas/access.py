"""What the API takes and says of teams, roles and keys."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stream.access.actions import AccessRole
from stream.access.records import HOLDER_FORMS, MEMBER_FORMS, ApiKey, Grant, Name, NewHolder, NewMember, Team
from stream.service.schemas import examples

MOST_DAYS = 3_650


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GrantIn(_In):
    """A role for somebody."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.GRANT_IN]})

    role: AccessRole
    holder: NewHolder = Field(description=f"{HOLDER_FORMS}.", examples=["team:cutters"])
    project: Name | None = Field(None, description="Without: all projects of the tenant.")
    days: int | None = Field(None, ge=1, le=MOST_DAYS, description="How long. Without: until it is taken.")


class TeamIn(_In):
    """Who is in a team, all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TEAM_IN]})

    members: list[NewMember] = Field(max_length=1_000, description=f"Each is {MEMBER_FORMS}.")


class KeyIn(_In):
    """A key for a program, which can do what the program may, less what is left out here."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.KEY_IN]})

    owner: Name = Field(description="Name of the program, as in `service:TENANT/NAME`.", examples=["newsroom"])
    project: Name | None = Field(None, description="Only in this project.")
    roles: list[AccessRole] | None = Field(None, min_length=1, max_length=5, description="Only what these may.")
    days: int = Field(90, ge=1, le=MOST_DAYS)


class KeyNarrowedIn(_In):
    """What a key loses; what is left out stays as it is. A key never becomes more: then make a new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.KEY_NARROWED_IN]})

    project: Name | None = Field(None, description="Only in this project from now on.")
    roles: list[AccessRole] | None = Field(None, min_length=1, max_length=5, description="Only what these may.")
    days: int | None = Field(
        None, ge=1, le=MOST_DAYS, description="It ends so many days from now, which has to be sooner."
    )


class GrantOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.GRANT]})

    tenant: str
    project: str | None = Field(description="None: all projects of the tenant.")
    role: AccessRole
    holder: str
    until_ms: int | None
    given_by: str
    given_at_ms: int

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls.model_validate(grant.model_dump())


class TeamOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.TEAM]})

    tenant: str
    name: str
    members: list[str]

    @classmethod
    def of(cls, group: Team) -> Self:
        return cls.model_validate(group.model_dump())


class KeyOut(BaseModel):
    """A key without its secret, which is kept nowhere."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.KEY]})

    key_id: str
    tenant: str
    owner: str
    project: str | None
    roles: list[AccessRole] | None
    until_ms: int
    made_by: str
    made_at_ms: int

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls.model_validate(key.model_dump())


class NewKeyOut(KeyOut):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_KEY]})

    key: str = Field(description="The secret. It is shown only now.")


class AccessOut(BaseModel):
    """What the caller administers of a tenant. Teams are seen by who administers all of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ACCESS]})

    grants: list[GrantOut]
    teams: list[TeamOut]
    keys: list[KeyOut]
