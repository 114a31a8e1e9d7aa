"""The topology as an AsyncAPI 3.0 document: the messages of each topic, and who sends and receives them."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from stream.broker.kafka.topic_config import topic_config
from stream.broker.names import Names
from stream.deployment.payloads import REFERENCE, Schema, payload_schemas
from stream.events.asset import (
    AssetChanged,
    AssetDeleted,
    AssetPublished,
    SegmentProgressed,
    SpanPlanned,
)
from stream.events.base import Payload
from stream.events.dead_letter import MAX_REPLAYS, REPLAY_HEADER, DeadLetter
from stream.events.frames import Frames
from stream.events.ids import MAX_ID_BYTES
from stream.events.jobs import (
    JobContinued,
    JobControlled,
    JobEnded,
    JobSubmitted,
    TaskAsked,
    TaskContinued,
    TaskEnded,
    TenantBudgeted,
    UrgentTaskAsked,
)
from stream.events.notifications import BucketNotification
from stream.topology.first_append import APPENDED_HEADER
from stream.topology.stage import Stage
from stream.topology.topics import DEAD_LETTERS, Topic
from stream.topology.topology import Topology

VERSION = "3.0.0"
_BINDING = "0.5.0"
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES}
_NAME: Schema = {"type": "string", "maxLength": 200}
_ATTRIBUTES: Mapping[str, Schema] = {
    "specversion": {"type": "string", "const": "1.0"},
    "id": {**_TEXT, "description": "The same for an event that is sent again."},
    "source": _TEXT,
    "type": _TEXT,
    "subject": {"type": "string", "description": "The asset id, or the job's name."},
    "time": {"type": "string", "format": "date-time", "description": "When it happened, by the producer's clock."},
    "tenant": {**_NAME, "default": "default", "description": "Whose asset or job it is."},
    "project": {**_NAME, "default": "default"},
    "region": {**_NAME, "default": "local"},
    "eventtime": {
        "type": "string",
        "pattern": "^[0-9]{1,15}$",
        "description": "Milliseconds since 1970: the earlier of the producer's and the broker's time, inherited.",
    },
    "traceparent": {
        "type": "string",
        "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        "description": "W3C trace context.",
    },
}
_REQUIRED = ("specversion", "id", "source", "type")
_CONTENT = "content key: tenant, asset, content and decode settings as one digest"
_ASSET = "asset key: tenant and asset id as one digest"
_KEYS: Mapping[type, str] = {
    AssetPublished: "asset id; where there is none, the uri without secrets",
    AssetDeleted: "asset id",
    BucketNotification: "the store's own",
    SpanPlanned: f"{_CONTENT}, then / and the first segment",
    Frames: "segment id",
    SegmentProgressed: "asset id",
    AssetChanged: "asset id",
    DeadLetter: "letter id",
    JobSubmitted: "job name",
    JobControlled: "job name",
    TenantBudgeted: "the word budget",
    JobContinued: "job name",
    JobEnded: "job name",
    TaskAsked: "key of the work",
    UrgentTaskAsked: "key of the work",
    TaskContinued: "job name",
    TaskEnded: "job name",
}


def document(topology: Topology, *, version: str, partitions: int, names: Names | None = None) -> dict[str, Any]:
    """The whole document as plain values. `version` is the version of the software, `partitions` the number for every
    topic, `names` the topic and group names of the deployment.
    """
    # The default deployment has plain names (ADR 0034).
    names = names or Names()
    payloads = [payload for topic in topology.topics for payload in topic.payloads]
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "rushes",
            "version": version,
            "description": "Event-streaming video understanding: footage in, searchable moments out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": dict(_servers()),
        "channels": {topic.name: _channel(topic, topology, partitions, names) for topic in topology.topics},
        "operations": dict(operation for stage in topology.stages for operation in _operations(stage, names)),
        "components": {
            "messages": {
                _component(name, topic, topology): message
                for topic in topology.topics
                for name, message in _messages(topic, topology)
            },
            "schemas": {"CloudEvent": _cloud_event(), "Headers": _headers(), **payload_schemas(payloads)},
            "securitySchemes": {"user": {"type": "scramSha512"}},
        },
    }


def _servers() -> Iterator[tuple[str, dict[str, Any]]]:
    brokers = {"servers": {"description": "host:port of a broker.", "default": "127.0.0.1:9092"}}
    yield "plain", {"host": "{servers}", "protocol": "kafka", "variables": brokers}
    security = [{"$ref": "#/components/securitySchemes/user"}]
    yield "secured", {"host": "{servers}", "protocol": "kafka-secure", "variables": brokers, "security": security}


def _channel(topic: Topic, topology: Topology, partitions: int, names: Names) -> dict[str, Any]:
    readers = [stage.name for stage in topology.readers(topic.name)]
    writers = [stage.name for stage in topology.stages if topic.name in stage.targets]
    # Any stage can fail on a record, so dead letters have no list of writers.
    writers += ["any stage"] if topic is DEAD_LETTERS else []
    writers += ["producers"] if topic in topology.entries else []
    config = topic_config(topic.spec(partitions))
    return {
        "address": names.of(topic.name),
        "description": f"Written by {', '.join(writers)}; read by {', '.join(readers) or 'whoever follows'}.",
        "messages": {
            name: {"$ref": f"#/components/messages/{_component(name, topic, topology)}"}
            for name, _ in _messages(topic, topology)
        },
        "bindings": {
            "kafka": {
                "topic": names.of(topic.name),
                "partitions": partitions,
                "topicConfiguration": {
                    **config,
                    # AsyncAPI wants a list and numbers. Kafka itself takes only text.
                    "cleanup.policy": config["cleanup.policy"].split(","),
                    **{name: int(config[name]) for name in ("retention.ms", "retention.bytes", "max.message.bytes")},
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _messages(topic: Topic, topology: Topology) -> Iterator[tuple[str, dict[str, Any]]]:
    """The messages of a topic. Producers outside may also send one JSON document (CloudEvents structured mode)."""
    for payload in topic.payloads:
        yield payload.type, _message(payload, topic)
        if topic in topology.entries and not topic.foreign:
            yield f"{payload.type}.structured", _structured(payload, topic)


def _component(name: str, topic: Topic, topology: Topology) -> str:
    """The name of a topic's message among all: an event that topics key differently is a message of each."""
    keyed = {other.by_asset for other in topology.topics if name in {payload.type for payload in other.payloads}}
    return f"{name}.{topic.name}" if topic.by_asset and len(keyed) > 1 else name


def _message(payload: type[Payload], topic: Topic) -> dict[str, Any]:
    made = {
        **_described(payload, topic),
        "contentType": payload.content_type,
        "payload": {"$ref": REFERENCE.format(model=payload.__name__)},
    }
    # Foreign messages have no CloudEvents headers: their form is the store's.
    if topic.foreign:
        return made
    own = {"properties": {"ce_type": {"const": payload.type}, "content-type": {"const": payload.content_type}}}
    return {**made, "headers": {"allOf": [{"$ref": REFERENCE.format(model="Headers")}, own]}}


def _structured(payload: type[Payload], topic: Topic) -> dict[str, Any]:
    data = {"type": {"const": payload.type}, "data": {"$ref": REFERENCE.format(model=payload.__name__)}}
    own = {"required": ["data"], "properties": data}
    return {
        **_described(payload, topic),
        "contentType": "application/cloudevents+json",
        "payload": {"allOf": [{"$ref": REFERENCE.format(model="CloudEvent")}, own]},
    }


def _described(payload: type[Payload], topic: Topic) -> dict[str, Any]:
    # The first paragraph only: further ones are for readers of the code.
    words = " ".join((inspect.getdoc(payload) or "").split("\n\n")[0].split())
    told = _ASSET if topic.by_asset else _KEYS.get(payload, "subject id")
    key = {"type": "string", "description": told}
    return {
        "name": payload.type,
        "title": payload.__name__,
        "summary": words,
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }


def _operations(stage: Stage, names: Names) -> Iterator[tuple[str, dict[str, Any]]]:
    group = {"type": "string", "const": names.of(stage.name)}
    for topic in stage.sources:
        binding = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
        yield f"{stage.name}-receive-{topic}", {**_operation("receive", topic), "bindings": binding}
    # Every stage may write dead letters, whether or not it names them as a target.
    for topic in dict.fromkeys((*stage.targets, DEAD_LETTERS.name)):
        yield f"{stage.name}-send-{topic}", _operation("send", topic)


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _cloud_event() -> Schema:
    return {
        "description": "CloudEvents 1.0, structured mode.",
        "type": "object",
        "required": list(_REQUIRED),
        "properties": {**_ATTRIBUTES, "datacontenttype": {"type": "string"}},
    }


def _headers() -> Schema:
    """The headers that a producer should send. The engine also accepts a record with only `ce_type`."""
    replay = {
        "type": "string",
        "pattern": "^[0-9A-Za-z]{1,64}$",
        "description": f"Not for producers: the dead letter it was replayed from. After {MAX_REPLAYS} one is parked.",
    }
    return {
        "description": "CloudEvents 1.0, Kafka binding, binary mode.",
        "type": "object",
        "required": [f"ce_{name}" for name in _REQUIRED],
        "properties": {
            **{f"ce_{name}": schema for name, schema in _ATTRIBUTES.items()},
            "content-type": {"type": "string"},
            REPLAY_HEADER: replay,
            APPENDED_HEADER: {
                "type": "string",
                "pattern": "^[0-9]{12,15}$",
                "description": "Not for producers: when a tenant's topic took it, in ms, as the gate says.",
            },
        },
    }
