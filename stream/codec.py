"""Events to records and back: CloudEvents 1.0, Kafka protocol binding. Binary mode out, binary and structured in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from stream.errors import BadEvent
from stream.events.base import Event, Payload, Position, new_traceparent
from stream.records import Record
from stream.topics import Topic


class _RawData(JSONFormat):
    """Binary-mode data stays bytes: payload types own their encoding. Structured mode is JSON as usual."""

    def write_data(self, data: dict[str, Any] | str | bytes | None, datacontenttype: str | None) -> bytes:
        return data if isinstance(data, bytes) else super().write_data(data, datacontenttype)

    def read_data(self, body: bytes, datacontenttype: str | None) -> dict[str, Any] | str | bytes | None:  # noqa: ARG002
        return body


_FORMAT = _RawData()


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a producer sends."""

    key: bytes
    value: bytes
    headers: Mapping[str, bytes]


def encode(event: Event) -> Encoded:
    """One event as a binary-mode record."""
    attributes: dict[str, Any] = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": datetime.fromtimestamp(event.event_time_ms / 1000, UTC),
        "datacontenttype": event.data.content_type,
        "tenant": event.tenant,
        "project": event.project,
        "region": event.region,
        "eventtime": str(event.event_time_ms),
        "traceparent": event.traceparent,
    }
    message = to_binary(CloudEvent(attributes, event.data.to_bytes()), _FORMAT)
    return Encoded(event.data.partition_key(), message.value, message.headers)


class Decoder:
    """Turns the records of one topic into events of the payload types that the topic carries."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._payloads: dict[str, dict[str, type[Payload]]] = {
            topic.name: {payload.type: payload for payload in topic.payloads} for topic in topics
        }

    def decode(self, record: Record) -> Event:
        """Raises `BadEvent` for what is no CloudEvent, has an unknown type or an invalid payload."""
        envelope = _envelope(record)
        attributes = envelope.get_attributes()
        kind = str(attributes.get("type", ""))
        payload = self._payloads[record.topic].get(kind)
        if payload is None:
            raise BadEvent(f"unknown event type {kind[:200]!r} on topic {record.topic!r}", code="unknown_type")
        data = payload.from_bytes(_data_bytes(envelope))
        return Event(
            data=data,
            tenant=_name(attributes, "tenant"),
            project=_name(attributes, "project"),
            region=str(attributes.get("region") or "local"),
            subject=str(attributes.get("subject") or ""),
            event_time_ms=_event_time_ms(attributes, record),
            id=str(attributes["id"]),
            source=str(attributes["source"]),
            traceparent=str(attributes.get("traceparent") or new_traceparent()),
            position=Position(record.topic, record.partition, record.offset, record.append_time_ms),
        )


def _envelope(record: Record) -> BaseCloudEvent:
    message = KafkaMessage(headers=dict(record.headers), key=None, value=record.value)
    try:
        return from_kafka(message, _FORMAT)
    except (
        BaseCloudEventException,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BadEvent(f"not a CloudEvent 1.0 record ({type(error).__name__})", code="not_a_cloudevent") from None


def _data_bytes(envelope: BaseCloudEvent) -> bytes:
    data = envelope.get_data()
    if isinstance(data, bytes):
        return data
    written = JSONFormat().write_data(data, "application/json")
    return written if isinstance(written, bytes) else str(written).encode()


def _name(attributes: Mapping[str, Any], key: str) -> str:
    value = str(attributes.get(key) or "default")
    if len(value) > 200 or any(ord(char) < 32 for char in value):
        raise BadEvent(f"attribute {key!r} is not a name of at most 200 printable characters", code="invalid_attribute")
    return value


def _event_time_ms(attributes: Mapping[str, Any], record: Record) -> int:
    """The earlier of the producer's and the broker's time; a derived event carries it in `eventtime`.

    A producer's clock before the year 2000 is no clock: the broker's time counts.
    """
    raw = attributes.get("eventtime")
    claimed: int | None = (
        int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 16 else None
    )
    if claimed is None and isinstance(time := attributes.get("time"), datetime):
        claimed = round(time.timestamp() * 1000)
    if claimed is None or claimed < 946_684_800_000:
        return record.append_time_ms
    return min(claimed, record.append_time_ms) if record.append_time_ms else claimed
