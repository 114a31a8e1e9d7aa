"""Topics and events as a reference page, from the AsyncAPI document and the payload types themselves."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deploy.documents.examples import Schema, example
from deploy.documents.markdown import code, fenced, table
from stream.deployment.asyncapi import document
from stream.deployment.payloads import payload_schemas
from stream.events.base import Payload
from stream.pipelines.reference import whole_topology
from stream.topology.topics import DEPLOYMENTS, Topic
from stream.topology.topology import Topology

FOREIGN = {
    "BucketNotification": {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "eventTime": "2025-11-24T20:35:00.000Z",
                "s3": {
                    "bucket": {"name": "footage"},
                    "object": {"key": "acme/interview+7.mp4", "size": 104_857_600, "sequencer": "0055AED6DCD90281E5"},
                },
            }
        ]
    }
}
"""What stores write, by payload: their schema is theirs."""


def topics() -> str:
    """Who writes and reads each topic, and how long it keeps its records."""
    topology = whole_topology()
    channels = document(topology, version="", partitions=1)["channels"]
    rows = [
        (f"[`{it.name}`](#{_anchor(it.name)})", channels[it.name]["description"], _kept(it)) for it in topology.topics
    ]
    return table(("topic", "written and read by", "a record is kept"), rows)


def events() -> str:
    """Each event under its topic: what it says, its fields, and an example that decodes."""
    topology = whole_topology()
    messages = document(topology, version="", partitions=1)["components"]["messages"]
    schemas = payload_schemas([it for topic in _topics(topology) for it in topic.payloads])
    first = {it.type: topic for topic in reversed(_topics(topology)) for it in topic.payloads}
    return "\n".join(_topic(topic, messages, schemas, first) for topic in _topics(topology))


def example_json(payload: type[Payload], schemas: Mapping[str, Schema]) -> str | None:
    """The example of a payload of JSON; None for Arrow."""
    if payload.content_type != "application/json":
        return None
    value = FOREIGN.get(payload.__name__) or example(payload.__name__, schemas)
    return json.dumps(value, indent=2, ensure_ascii=False)


def _topics(topology: Topology) -> tuple[Topic, ...]:
    return (*topology.topics, DEPLOYMENTS)


def _kept(topic: Topic) -> str:
    days = topic.kept_ms / 86_400_000
    if topic.by_age:
        return f"{days:g} days"
    after = "until every stage that reads it has acknowledged it"
    return f"{after}, and {days:g} days more" if days else after


def _topic(topic: Topic, messages: Mapping[str, Any], schemas: Mapping[str, Schema], first: Mapping[str, Topic]) -> str:
    """`first` is where an event is described; other topics that carry it too only name it."""
    size = f"A record has at most {topic.max_message_bytes // 1024**2} MiB.\n"
    also = [it.type for it in topic.payloads if first[it.type] is not topic]
    named = [f"It also carries {', '.join(f'[`{it}`](#{_anchor(it)})' for it in also)}.\n"] if also else []
    shown = [_event(it, messages.get(it.type), schemas) for it in topic.payloads if it.type not in also]
    return "\n".join([f"## {topic.name}\n", size, *named, *shown])


def _anchor(heading: str) -> str:
    """As Markdown's table of contents makes it."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def _event(payload: type[Payload], message: Mapping[str, Any] | None, schemas: Mapping[str, Schema]) -> str:
    told = [" ".join(part.split()) for part in (inspect.getdoc(payload) or "").split("\n\n")]
    key = message["bindings"]["kafka"]["key"]["description"] if message else "the same for all"
    head = [
        f"### {payload.type}\n",
        *(f"{text}\n" for text in told),
        f"Content type `{payload.content_type}`. Key: {key}.\n",
    ]
    schema = schemas[payload.__name__]
    if "x-arrow-columns" in schema:
        return "\n".join([*head, *_arrow(schema, schemas)])
    made = example_json(payload, schemas)
    assert made is not None
    fields = [table(("field", "type", "may be missing"), _fields(schema, schemas))] if "properties" in schema else []
    return "\n".join([*head, *fields, fenced(made, "json")])


def _arrow(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[str]:
    rows = [(code(it["name"]), code(it["type"]), "yes" if it["nullable"] else "") for it in schema["x-arrow-columns"]]
    yield table(("column", "Arrow type", "may be null"), rows)
    if header := schema.get("x-arrow-metadata"):
        name = header["header"]["$ref"].rpartition("/")[2]
        yield "The schema's metadata holds `header`, as JSON:\n"
        yield fenced(json.dumps(example(name, schemas), indent=2, ensure_ascii=False), "json")


def _fields(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, inner in schema["properties"].items():
        yield code(name), _type(inner, schemas), "" if name in required else "yes"


def _type(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _type(schemas[name], schemas) if "properties" not in schemas[name] else code(name)
    if "anyOf" in schema:
        return " or ".join(_type(it, schemas) for it in schema["anyOf"] if it.get("type") != "null")
    if "enum" in schema:
        return ", ".join(code(str(it)) for it in schema["enum"])
    if "const" in schema:
        return code(str(schema["const"]))
    return _plain(schema, schemas)


def _plain(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    kind = str(schema.get("type", "any"))
    if kind == "array":
        items = schema.get("items", {})
        inner = [_type(it, schemas) for it in items] if isinstance(items, list) else [_type(items, schemas)]
        return f"array of {', '.join(dict.fromkeys(inner))}"
    if "maxLength" in schema:
        return f"{kind}, at most {schema['maxLength']} characters"
    if "minimum" in schema and "maximum" in schema and abs(schema["maximum"]) < 2**53:
        return f"{kind}, {schema['minimum']} to {schema['maximum']}"
    return kind
