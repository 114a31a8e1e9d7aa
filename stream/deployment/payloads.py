"""JSON schemas of event payloads, made from their types: pydantic models, and Arrow payloads by columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from stream.events.annotations import Annotations, AnnotationsHeader, Space, moments_schema
from stream.events.base import Payload
from stream.events.dead_letter import DEAD_LETTER_SCHEMA, DeadLetter
from stream.events.frames import FRAMES_SCHEMA, Frames, FramesHeader
from stream.events.notifications import BucketNotification

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"
# Only the names of columns count here, so any space does.
_ANY_SPACE = Space(name="any", digest="", dimensions=1, image_dimensions=1, spec="any")
_ARROW: Mapping[type, tuple[pa.Schema, type[BaseModel] | None]] = {
    Frames: (FRAMES_SCHEMA, FramesHeader),
    Annotations: (moments_schema(_ANY_SPACE), AnnotationsHeader),
    DeadLetter: (DEAD_LETTER_SCHEMA, None),
}
_SIZES = {"vector": "header.space.dimensions", "image_vector": "header.space.image_dimensions"}
_STRING: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_CHANGE: Schema = {"type": "object", "required": ["eventName"], "properties": {"eventName": _STRING, "s3": _OBJECT}}
_FOREIGN: Mapping[type, Schema] = {
    BucketNotification: {
        "description": "As Amazon S3, MinIO (an envelope around the same) or S3 through EventBridge write it.",
        "type": "object",
        "anyOf": [
            {"required": ["Records"], "properties": {"Records": {"type": "array", "items": _CHANGE}}},
            {"required": ["detail-type", "detail"], "properties": {"detail-type": _STRING, "detail": _OBJECT}},
            {"required": ["Event"], "properties": {"Event": {"const": "s3:TestEvent"}}},
        ],
    }
}


def payload_schemas(payloads: Iterable[type[Payload]]) -> dict[str, Schema]:
    """Schemas by name: each payload under its class name, and the schemas that they refer to (JSON Schema draft 7).

    Raises `KeyError` for a payload that is neither a model nor declared here.
    """
    wanted = list(dict.fromkeys(payloads))
    headers = [header for it in wanted if it in _ARROW and (header := _ARROW[it][1]) is not None]
    models = [*(it for it in wanted if issubclass(it, BaseModel)), *headers]
    _, document = models_json_schema([(it, "validation") for it in models], ref_template=REFERENCE)
    found: dict[str, Schema] = {name: _draft_7(schema) for name, schema in document.get("$defs", {}).items()}
    if "JsonValue" in found:
        # An empty schema says the same, and looks like a mistake.
        found["JsonValue"] = {"description": "Any JSON value."}
    for payload in wanted:
        if payload.__name__ not in found:
            found[payload.__name__] = _FOREIGN[payload] if payload in _FOREIGN else _arrow(*_ARROW[payload])
    return found


def _arrow(columns: pa.Schema, header: type[BaseModel] | None) -> Schema:
    """The schema of an Arrow IPC stream with one batch. It is not JSON, so extension fields describe its columns."""
    described: Schema = {
        "type": "string",
        "format": "binary",
        "description": "An Arrow IPC stream with one record batch.",
        "x-arrow-columns": [_column(column) for column in columns],
    }
    if header is not None:
        described["x-arrow-metadata"] = {"header": {"$ref": REFERENCE.format(model=header.__name__)}}
    return described


def _column(column: pa.Field) -> Schema:
    """One column in Arrow's terms. A vector's length is the named header field; `when` names the field that must be set
    for the column to exist.
    """
    size = _SIZES.get(column.name)
    # `[1]` is the size that `_ANY_SPACE` gave the vector.
    kind = str(column.type) if size is None else str(column.type).replace("[1]", f"[{size}]")
    field: Schema = {"name": column.name, "type": kind, "nullable": column.nullable}
    return {**field, "when": size} if column.name == "image_vector" else field


def _draft_7(schema: Any) -> Any:
    """The schema with tuples in draft 7 form, which is AsyncAPI's default."""
    if isinstance(schema, list):
        return [_draft_7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    walked = {name: _draft_7(value) for name, value in schema.items()}
    # Draft 7 knows no `prefixItems`: a list under `items` means the same.
    if isinstance(places := walked.pop("prefixItems", None), list):
        walked |= {"items": places, "additionalItems": False}
    return walked
