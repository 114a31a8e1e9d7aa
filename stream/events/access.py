"""What the register of access says on a cluster: a record under its name, of which the newest counts."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from stream.events.asset import Json

RecordName = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class AccessRecorded(Json):
    """A team, a role or a key, in place of what had its name (`stream.access.records`). With `instead_of` only in place
    of that record: where another one has the name by now, or none, the event changes nothing.
    """

    type: ClassVar[str] = "rushes.access.recorded.v1"
    name: RecordName
    record: dict[str, Any]
    instead_of: dict[str, Any] | None = None

    def partition_key(self) -> bytes:
        return self.name.encode()


class AccessTaken(Json):
    """There is nothing under this name any more."""

    type: ClassVar[str] = "rushes.access.taken.v1"
    name: RecordName

    def partition_key(self) -> bytes:
        return self.name.encode()


class PepperNamed(Json):
    """With which secret keys are digested. The first such event stands: keys that another one digests nobody finds."""

    type: ClassVar[str] = "rushes.access.pepper.v1"
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")

    def partition_key(self) -> bytes:
        return b"pepper"
