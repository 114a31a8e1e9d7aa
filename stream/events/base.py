"""The envelope: CloudEvents 1.0 attributes plus one typed payload."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, runtime_checkable

from typing_extensions import TypeVar

from stream.events.ids import AssetVersion


class Payload(Protocol):
    """What an event carries. `type` is `rushes.<noun>.<verb>.v1`; `content_type` says how `to_bytes` encodes it."""

    type: ClassVar[str]
    content_type: ClassVar[str]

    def to_bytes(self) -> bytes: ...

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Raises `BadEvent` when the bytes are not a valid payload of this type."""

    def partition_key(self) -> bytes:
        """The key of its records, except on topics that give one themselves (`Topic.by_asset`)."""


P_co = TypeVar("P_co", bound=Payload, covariant=True, default=Payload)
Q = TypeVar("Q", bound=Payload)


@runtime_checkable
class Identified(Protocol):
    """A payload that names its own subject. The producer's `subject` attribute is ignored, as it may name something
    else.
    """

    def identity(self) -> str: ...


class Position(NamedTuple):
    """Where an event was read: the broker's append time and offset make the asset version."""

    topic: str
    partition: int
    offset: int
    append_time_ms: int


def new_traceparent() -> str:
    """A fresh W3C trace context (version 00, sampled)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@dataclass(frozen=True, slots=True)
class Event(Generic[P_co]):
    """One CloudEvent. `event_time_ms` is the earlier of the producer's time and the broker's append time. Derived
    events inherit it through `derive`, so freshness is measured from publication. `subject` is the asset id.
    `replay_of` is the id of the dead letter whose replay led here, if any; derived events inherit it too.
    `first_append_ms`: when a broker first took it, where a gate passed it on since; 0 where it did not.
    """

    data: P_co
    tenant: str
    project: str
    subject: str
    event_time_ms: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    source: str = "rushes"
    region: str = "local"
    traceparent: str = field(default_factory=new_traceparent)
    position: Position | None = None
    replay_of: str = ""
    first_append_ms: int = 0

    @property
    def published_ms(self) -> int:
        """When it was published, by a broker's clock. Raises `ValueError` as `version` does."""
        return self.first_append_ms or self.version.append_ms

    @property
    def type(self) -> str:
        return self.data.type

    @property
    def version(self) -> AssetVersion:
        """The version of an event's subject. Raises `ValueError` for an event that was not read from a topic."""
        if self.position is None:
            raise ValueError("an event that was not read from a topic has no version")
        return AssetVersion(self.position.append_time_ms, self.position.offset)

    def derive(self, data: Q, *, id: str) -> "Event[Q]":  # noqa: A002 - the CloudEvents attribute name
        """An event caused by this one: same tenant, project, subject, event time and trace; `id` deterministic."""
        this: Event[Any] = self
        # It was not read from a topic, so it has no version of its own.
        return replace(this, data=data, id=id, position=None, first_append_ms=0)
