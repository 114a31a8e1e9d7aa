"""What the register of access is made of: one record for each name, of which the newest counts (pure).

Records are the values of a compacted topic, or the lines of a file. A record without a value takes its name back.
"""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from stream.access.actions import AccessRole
from stream.errors import BadRequest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
Name: TypeAlias = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
# No control characters: names are shown in lists and lie in the audit trail.
PrincipalId: TypeAlias = Annotated[
    str, StringConstraints(min_length=4, max_length=512, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
_PERSON = r"oidc(-group)?:[^#\s\x00-\x1f\x7f-\x9f]+#[^\x00-\x1f\x7f-\x9f]+"
_PROGRAM, _TEAM = f"service:{NAME.pattern}/{NAME.pattern}", f"team:{NAME.pattern}"
MEMBER_FORMS = (
    "service:TENANT/NAME for a program, oidc:ISSUER#SUBJECT for a person, oidc-group:ISSUER#GROUP for a group of the"
    " provider"
)
HOLDER_FORMS = f"{MEMBER_FORMS}, team:NAME for a team of the tenant"
# Records themselves take any principal: one that is in a register already has to be read, and taken away.
NewMember: TypeAlias = Annotated[str, StringConstraints(max_length=512, pattern=f"^({_PROGRAM}|{_PERSON})$")]
"""Who can be put into a team: whom the service knows by what they send."""
NewHolder: TypeAlias = Annotated[str, StringConstraints(max_length=512, pattern=f"^({_PROGRAM}|{_TEAM}|{_PERSON})$")]
"""Who can be given a role."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Team(_Record):
    """People and service accounts of one tenant that are given roles together."""

    kind: Literal["team"] = "team"
    tenant: Name
    name: Name
    members: tuple[PrincipalId, ...] = ()

    @property
    def key(self) -> str:
        return f"team/{self.tenant}/{self.name}"


class Grant(_Record):
    """`holder` has `role` in `project` of `tenant`; in all its projects, those to come too, where that is None. The
    holder is a principal, or `team:NAME` of the tenant. `until_ms`: when it ends, by the clock of who decides.
    """

    kind: Literal["grant"] = "grant"
    tenant: Name
    project: Name | None = None
    role: AccessRole
    holder: PrincipalId
    until_ms: int | None = None
    given_by: PrincipalId
    given_at_ms: int

    @property
    def key(self) -> str:
        # `*` is no valid name: no project can be taken for all of them.
        return f"grant/{self.tenant}/{self.project or '*'}/{self.role}/{self.holder}"


class ApiKey(_Record):
    """A key of service account `owner`, which it can do less with than the account, never more: `roles` and `project`
    restrict it where they are given. `digest` is all that is kept of the secret.
    """

    kind: Literal["key"] = "key"
    key_id: Name
    tenant: Name
    owner: Name
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    roles: tuple[AccessRole, ...] | None = None
    project: Name | None = None
    until_ms: int
    made_by: PrincipalId
    made_at_ms: int

    @property
    def key(self) -> str:
        return f"key/{self.key_id}"

    @property
    def principal(self) -> str:
        return service_account(self.tenant, self.owner)


Record: TypeAlias = Annotated[Team | Grant | ApiKey, Field(discriminator="kind")]
_RECORD: TypeAdapter[Team | Grant | ApiKey] = TypeAdapter(Record)


def parsed(value: bytes) -> Team | Grant | ApiKey:
    """Raises `BadRequest` (`invalid_access_record`)."""
    try:
        return _RECORD.validate_json(value)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "its shape"
        raise BadRequest(f"no record of access: {where} is not valid", code="invalid_access_record") from None


def service_account(tenant: str, name: str) -> str:
    """The principal that a program is, for any of its keys."""
    return f"service:{tenant}/{name}"


def team(name: str) -> str:
    """The holder that a team of the tenant is."""
    return f"team:{name}"
