"""Events to records and back: CloudEvents 1.0, Kafka protocol binding. Binary mode out, binary and structured in."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from stream.broker.contract import Record
from stream.errors import BadEvent, unexpected
from stream.events.base import Event, Identified, Payload, Position, new_traceparent
from stream.events.dead_letter import REPLAY_HEADER, replay_of
from stream.events.ids import MAX_ID_BYTES, asset_key, chosen_name, is_name, is_tenant
from stream.topology.first_append import appended_header, first_append_ms
from stream.topology.lanes import lane_header
from stream.topology.ownership import Ownership, owner_of
from stream.topology.topics import Topic


class _RawData(JSONFormat):
    """In binary mode data stays bytes, as payload types own their encoding. Structured mode is JSON as usual."""

    def write_data(self, data: dict[str, Any] | str | bytes | None, datacontenttype: str | None) -> bytes:
        return data if isinstance(data, bytes) else super().write_data(data, datacontenttype)

    def read_data(self, body: bytes, datacontenttype: str | None) -> dict[str, Any] | str | bytes | None:  # noqa: ARG002
        return body


_FORMAT = _RawData()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPE = re.compile(r"rushes(\.[a-z]{1,20}(-[a-z]{1,20})?){2}\.v[0-9]{1,3}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record as a producer sends it."""

    key: bytes
    value: bytes
    headers: Mapping[str, bytes]


def is_type(kind: str) -> bool:
    """Whether a text has the form of our event types. Only such a text of a record may be shown."""
    return _TYPE.fullmatch(kind) is not None


def encode(event: Event, topic: Topic | None = None) -> Encoded:
    """One event as a binary-mode record, with the key that `topic` asks for, by default the payload's own."""
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
    replay = {REPLAY_HEADER: event.replay_of.encode()} if event.replay_of else {}
    own = {**replay, **appended_header(event.first_append_ms), **lane_header(event.data)}
    return Encoded(_key(event, topic), message.value, {**message.headers, **own})


def _key(event: Event, topic: Topic | None) -> bytes:
    if topic is not None and topic.by_asset:
        return asset_key(event.tenant, event.subject).encode()
    return event.data.partition_key()


class EventDecoder:
    """Turns the records of one topic into events of the payload types that the topic carries."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        known = tuple(topics)
        self._payloads: dict[str, dict[str, type[Payload]]] = {
            topic.name: {payload.type: payload for payload in topic.payloads} for topic in known
        }
        self._identified = {it for topic in known for it in topic.payloads if issubclass(it, Identified)}
        self._foreign = {topic.name: topic.payloads[0] for topic in known if topic.foreign}
        self._owners = {topic.name: topic.owner for topic in known if topic.owner is not None}

    def decode(self, record: Record) -> Event:
        """Raises only `BadEvent`: for a record that is no CloudEvent, has an unknown type or an invalid payload."""
        try:
            return self._event(record)
        except BadEvent:
            raise
        except Exception as error:  # noqa: BLE001 - hostile bytes may break a parser in unforeseen ways
            raise BadEvent(f"undecodable: {unexpected(error).message}", code="undecodable") from None

    def _event(self, record: Record) -> Event:
        if record.unreadable:
            raise BadEvent(
                "the name of a header is not UTF-8: rename it and send the record again", code="unreadable_headers"
            )
        if record.topic in self._foreign:
            return _from_others(record, self._foreign[record.topic])
        envelope = _envelope(record)
        attributes = envelope.get_attributes()
        kind = str(attributes.get("type", ""))
        payload = self._payloads[record.topic].get(kind)
        if payload is None:
            shown = repr(kind) if is_type(kind) else "(not shown)"
            raise BadEvent(f"unknown event type {shown} on topic {record.topic!r}", code="unknown_type")
        # Before the payload: a record that claims to be another's is refused as that, whatever else is wrong with it.
        tenant, project, region = _owner(attributes, self._owners.get(record.topic))
        data = payload.from_bytes(_data_bytes(envelope))
        return Event(
            data=data,
            tenant=tenant,
            project=project,
            region=region,
            subject=self._subject(data, attributes),
            event_time_ms=_event_time_ms(attributes, record),
            id=_attribute(attributes, "id", MAX_ID_BYTES),
            source=chosen_name(_attribute(attributes, "source", MAX_ID_BYTES)),
            traceparent=_traceparent(attributes),
            position=Position(record.topic, record.partition, record.offset, record.append_time_ms),
            replay_of=replay_of(record.headers),
            first_append_ms=first_append_ms(record, owned=record.topic in self._owners),
        )

    def _subject(self, data: Payload, attributes: Mapping[str, Any]) -> str:
        """The subject that the payload names; for other payloads, the `subject` attribute."""
        if type(data) in self._identified:
            return cast("Identified", data).identity()
        return _attribute(attributes, "subject", MAX_ID_BYTES)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the envelope of an invalid event still says: owner, type and data."""

    type: str
    tenant: str
    project: str
    data: bytes


def enveloped(record: Record) -> Envelope | None:
    """The envelope of any record; None where it has none. Keys do not count: they are for routing, and any producer may
    use the key of another one's subject (ADR 0036).
    """
    if record.unreadable:
        return None
    try:
        envelope = _envelope(record)
        attributes = envelope.get_attributes()
        project = _attribute(attributes, "project", 200) or "default"
        tenant = owner_of(record.topic) or _tenant(attributes)
        return Envelope(str(attributes.get("type", "")), tenant, project, _data_bytes(envelope))
    except Exception:  # noqa: BLE001 - as in `EventDecoder.decode`
        return None


def _from_others(record: Record, payload: type[Payload]) -> Event:
    data = payload.from_bytes(record.value)
    return Event(
        data=data,
        # Object stores know nothing of tenants: rules name the owner later (ADR 0022).
        tenant="default",
        project="default",
        subject=data.partition_key()[:MAX_ID_BYTES].decode(errors="ignore"),
        event_time_ms=record.append_time_ms,
        id=f"{record.topic}-{record.partition}-{record.offset}",
        position=Position(record.topic, record.partition, record.offset, record.append_time_ms),
        replay_of=replay_of(record.headers),
    )


def _envelope(record: Record) -> BaseCloudEvent:
    """Also accepts records of clients that omit `ce_id`, `ce_source` or `ce_specversion` in binary mode, send null
    members in structured mode (CloudEvents JSON format 1.0, section 2.2), or add other headers.
    """
    headers = {name: raw for name, raw in record.headers.items() if name.lower().startswith(("ce_", "content-type"))}
    value = record.value
    if any(name.lower().startswith("ce_") for name in headers):
        # The library requires these attributes. Position and broker make the same id for every delivery.
        place = f"{record.topic}-{record.partition}-{record.offset}"
        headers = {"ce_specversion": b"1.0", "ce_id": place.encode(), "ce_source": b"kafka"} | {
            name.lower(): raw for name, raw in headers.items()
        }
    try:
        if not headers.keys() - {"content-type"} and b"null" in value:
            value = _without_nulls(value)
        return from_kafka(KafkaMessage(headers=headers, key=None, value=value), _FORMAT)
    except (
        BaseCloudEventException,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BadEvent(
            f"not a CloudEvent 1.0 record ({type(error).__name__}): send JSON with a ce_type header, or an envelope"
            " with specversion, id, type, source and data",
            code="not_a_cloudevent",
        ) from None


def _without_nulls(value: bytes) -> bytes:
    envelope = json.loads(value)
    if not isinstance(envelope, dict):
        return value
    # Only members of the envelope itself: a null inside `data` is the producer's.
    return json.dumps({name: member for name, member in envelope.items() if member is not None}).encode()


def _data_bytes(envelope: BaseCloudEvent) -> bytes:
    data = envelope.get_data()
    if isinstance(data, bytes):
        return data
    written = JSONFormat().write_data(data, "application/json")
    return written if isinstance(written, bytes) else str(written).encode()


def _attribute(attributes: Mapping[str, Any], key: str, max_bytes: int) -> str:
    """One attribute. Derived events repeat it and stores name folders after some, so it must be short and printable."""
    value = str(attributes.get(key) or "")
    if not is_name(value, max_bytes):
        raise BadEvent(
            f"attribute {key!r} is not a text of at most {max_bytes} bytes without control characters",
            code="invalid_attribute",
        )
    return value


def _owner(attributes: Mapping[str, Any], owner: Ownership | None) -> tuple[str, str, str]:
    """Tenant, project and region: what the record says, as far as the topic's owner lets it."""
    project, region = (_attribute(attributes, name, 200) for name in ("project", "region"))
    if owner is None:
        return _tenant(attributes), project or "default", region or "local"
    tenant = owner.require(_attribute(attributes, "tenant", 200))
    return tenant, owner.project(project) or "default", owner.region(region) or "local"


def _tenant(attributes: Mapping[str, Any]) -> str:
    value = _attribute(attributes, "tenant", 200) or "default"
    if not is_tenant(value):
        raise BadEvent("attribute 'tenant' is longer than 200 bytes when percent-encoded", code="invalid_attribute")
    return value


def _traceparent(attributes: Mapping[str, Any]) -> str:
    """W3C trace context; a new one where the attribute is missing or invalid."""
    value = str(attributes.get("traceparent") or "")
    return value if _TRACEPARENT.fullmatch(value) else new_traceparent()


def _event_time_ms(attributes: Mapping[str, Any], record: Record) -> int:
    """The earlier of the producer's and the broker's time; a derived event carries it in `eventtime`.

    A producer's clock before the year 2000 is wrong: the broker's time counts.
    """
    raw = attributes.get("eventtime")
    claimed: int | None = (
        int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 16 else None
    )
    if claimed is None and isinstance(time := attributes.get("time"), datetime):
        claimed = (time - _EPOCH if time.tzinfo else time - _EPOCH.replace(tzinfo=None)) // timedelta(milliseconds=1)
    if claimed is None or claimed < 946_684_800_000:
        return record.append_time_ms
    return min(claimed, record.append_time_ms) if record.append_time_ms else claimed
