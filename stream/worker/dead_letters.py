"""What is written when a record cannot be processed: its dead letter, and what an operator says of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from stream.broker.contract import Record
from stream.errors import BadEvent, StageError
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.events.ids import CONTROL, default_asset_id, digest, is_name, is_tenant
from stream.topology.codec import Encoded, encode, is_type
from stream.topology.topics import Topic

MAX_MESSAGE_CHARS = 2000


@runtime_checkable
class Replayable(Protocol):
    """An operator whose records must not be replayed as they are (frames): it names the event that leads to them."""

    def replayable(self, event: Event) -> Event:
        """The event that a dead letter of `event` keeps instead."""


@runtime_checkable
class Salvaging(Protocol):
    """An operator that knows what the rest of the topology must learn of a record that is no event."""

    def unreadable(self, record: Record, error: StageError) -> Iterable[Event]:
        """May say nothing. `failed` is for records that are events."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose record it is, as far as it says so. Always a valid tenant, project and asset id."""

    tenant: str
    project: str
    asset_id: str


def identity(record: Record, event: Event | None) -> Identity:
    """From the event, else from the record's headers or key, else from its position."""
    place = f"unreadable:{record.topic}-{record.partition}-{record.offset}"
    if event is not None:
        return Identity(event.tenant, event.project, event.subject or _id(record.key) or place)
    headers = record.headers
    return Identity(
        tenant if is_tenant(tenant := _text(headers.get("ce_tenant"))) else "default",
        project if is_name(project := _text(headers.get("ce_project")) or "default", 200) else "default",
        _id(headers.get("ce_subject")) or _id(record.key) or place,
    )


def dead_letter(
    record: Record,
    event: Event | None,
    error: StageError,
    *,
    stage: str,
    attempts: int,
    now_ms: int,
    replay: tuple[str, Encoded] | None = None,
) -> Event:
    """The letter as an event. `replay` is the topic and record to keep instead of the failed one.

    The id depends on the stage and the record's place alone, so a record that fails again writes the same letter.
    """
    who = identity(record, event)
    topic, kept = replay or (record.topic, Encoded(record.key, record.value, record.headers))
    letter = DeadLetter(
        letter_id=digest("dead-letter", stage, *_position(record)),
        stage=stage,
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        append_time_ms=record.append_time_ms,
        failed_at_ms=now_ms,
        attempts=attempts,
        code=error.code,
        message=error.message[:MAX_MESSAGE_CHARS],
        tenant=who.tenant,
        asset_id=who.asset_id,
        event_type=event.type if event is not None else _type(record),
        key=kept.key,
        value=kept.value,
        headers=dict(kept.headers),
    )
    return Event(
        data=letter,
        tenant=who.tenant,
        project=who.project,
        subject=who.asset_id,
        event_time_ms=event.event_time_ms if event is not None else record.append_time_ms,
        id=letter.letter_id,
    )


def replay_record(operator: object, event: Event, topics: Mapping[str, Topic]) -> tuple[str, Encoded] | None:
    """What to keep instead of `event`'s own record; None keeps it. Raises `BadEvent` if no topic carries it."""
    if not isinstance(operator, Replayable):
        return None
    instead = operator.replayable(event)
    for topic in topics.values():
        if any(payload.type == instead.type for payload in topic.payloads):
            return topic.name, encode(instead)
    raise BadEvent(f"no topic carries {instead.type}", code="unknown_type")


def _position(record: Record) -> tuple[object, ...]:
    return record.topic, record.partition, record.offset, record.append_time_ms


def _text(raw: bytes | None) -> str:
    return re.sub(f"[{CONTROL}]", "\N{REPLACEMENT CHARACTER}", (raw or b"").decode("utf-8", "replace"))


def _id(raw: bytes | None) -> str:
    """A name that may be shown: the secrets of a signed URL are no part of it, nor are those of a broken one."""
    text = _text(raw)
    return default_asset_id(text) if text else ""


def _type(record: Record) -> str:
    kind = _text(record.headers.get("ce_type"))
    return kind if is_type(kind) else ""
