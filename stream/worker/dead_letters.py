"""How a dead letter is made of a record that cannot be processed, and what an operator may add to it."""

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
from stream.topology.ownership import owner_of
from stream.topology.topics import Topic

MAX_MESSAGE_CHARS = 2000  # the column is for people; an error of a library may quote a whole payload


@runtime_checkable
class Replayable(Protocol):
    """An operator whose records must not be replayed as they are (frames). It names the event to replay instead."""

    def replayable(self, event: Event) -> Event:
        """The event that a dead letter keeps instead of `event`."""


@runtime_checkable
class Salvaging(Protocol):
    """An operator that reports to the topology about records that cannot be decoded."""

    def unreadable(self, record: Record, error: StageError) -> Iterable[Event]:
        """The events to send; may be none. For records that can be decoded, `failed` is called instead."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a record, as far as the record names it. Tenant, project and asset id are always valid."""

    tenant: str
    project: str
    asset_id: str


def identity(record: Record, event: Event | None) -> Identity:
    """From the event, else from the record's headers or key, else from its position. The record of a tenant's topic is
    that tenant's.
    """
    place = f"unreadable:{record.topic}-{record.partition}-{record.offset}"
    if event is not None:
        return Identity(event.tenant, event.project, event.subject or _id(record.key) or place)
    headers = record.headers
    return Identity(
        # A refused claim must not put a letter, with the record in it, before the tenant that was named.
        owner_of(record.topic) or (tenant if is_tenant(tenant := _text(headers.get("ce_tenant"))) else "default"),
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
    """The dead letter as an event. `replay` is the topic and record to keep instead of the failed one.

    Its id depends on the stage and the record's position alone. So a record that fails again writes the same dead
    letter.
    """
    who = identity(record, event)
    topic, kept = replay or (record.topic, Encoded(record.key, record.value, record.headers))
    payload = DeadLetter(
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
        data=payload,
        tenant=who.tenant,
        project=who.project,
        subject=who.asset_id,
        event_time_ms=event.event_time_ms if event is not None else record.append_time_ms,
        id=payload.letter_id,
    )


def replay_record(operator: object, event: Event, topics: Mapping[str, Topic]) -> tuple[str, Encoded] | None:
    """The topic and record to keep instead of `event`'s own record; None keeps it. Raises `BadEvent` if no topic
    carries it.
    """
    if not isinstance(operator, Replayable):
        return None
    instead = operator.replayable(event)
    for topic in topics.values():
        if any(payload.type == instead.type for payload in topic.payloads):
            return topic.name, encode(instead, topic)
    raise BadEvent(f"no topic carries {instead.type}", code="unknown_type")


def _position(record: Record) -> tuple[object, ...]:
    # The append time is part of it: a topic that is created again begins at offset 0 once more.
    return record.topic, record.partition, record.offset, record.append_time_ms


def _text(raw: bytes | None) -> str:
    # A dead letter is shown in terminals, so control characters of a hostile header must not reach them.
    return re.sub(f"[{CONTROL}]", "\N{REPLACEMENT CHARACTER}", (raw or b"").decode("utf-8", "replace"))


def _id(raw: bytes | None) -> str:
    """A name that is safe to show. It has no secrets of a signed URL, even of one that cannot be parsed."""
    text = _text(raw)
    return default_asset_id(text) if text else ""


def _type(record: Record) -> str:
    kind = _text(record.headers.get("ce_type"))
    return kind if is_type(kind) else ""
