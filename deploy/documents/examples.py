"""An example of an event's payload, from its schema: values by the name of the field, so that a new event needs none
of its own.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
DIGEST = "5f2b6c0e9a7d4b1c8e3f60a2d4c6b8e0"
VALUES: Mapping[str, Any] = {
    "adopted": False,
    "aim": None,
    "algorithm": 4,
    "asset": None,
    "asset_id": "interview-7",
    "audio_streams": 1,
    "average_rate": 25.0,
    "code": "no_frames",
    "codec": "h264",
    "container": "mov,mp4,m4a,3gp,3g2,mj2",
    "content_digest": DIGEST,
    "content_key": "91d1f0c3a5e84c7fb2f6d80e1a3c5b79",
    "cpu_us": 1_930_000,
    "cuts_ns": [23_040_000_000],
    "digest": "a313d0b3bebfa9a71914b375bfdf918a",
    "display_height": 1080,
    "display_width": 1920,
    "duration_ns": 60_000_000_000,
    "end_ns": 30_000_000_000,
    "end_segment": 6,
    "epoch_ms": 1_764_014_100_000,
    "first_segment": 0,
    "height": 1080,
    "keep": "91d1f0c3a5e84c7fb2f6d80e1a3c5b79",
    "labels": {"show": "evening-news"},
    "message": "no picture could be decoded: the file may be damaged",
    "missing_ns": [[50_000_000_000, 60_000_000_000]],
    "pix_fmt": "yuv420p",
    "place": "/var/lib/rushes/state",
    "priority": "interactive",
    "profile": "full",
    "project": "news",
    "read_bytes": 4_210_688,
    "reason": "1 of 6 cells failed in decode",
    "retention_days": 90,
    "runs": [[0, 0, 60_000_000_000, 59_960_000_000, 0]],
    "segment": 2,
    "segment_count": 6,
    "segments_done": 5,
    "settings": None,
    "shot_method": "transnetv2",
    "size_bytes": 104_857_600,
    "space": None,
    "stage": "decode",
    "stage_digests": {"decode": DIGEST},
    "start_ns": 20_000_000_000,
    "status": "partial",
    "stores": DIGEST,
    "tag": '"9b2cf535f27731c974343645a3985328"',
    "tenant": "acme",
    "time_base_den": 12_800,
    "time_base_num": 1,
    "understand": DIGEST,
    "up_to": [1_764_014_100_000, 41],
    "uri": "s3://footage/acme/interview-7.mp4",
    "version": [1_764_014_100_000, 42],
    "video_ns": 10_000_000_000,
    "width": 1920,
}
"""None: the field is shown with an example of its own type."""
ONLY_IN: Mapping[str, Mapping[str, Any]] = {
    "Space": {"name": "conse", "dimensions": 384, "image_dimensions": 1280, "spec": "conse"},
    "Aim": {"space": "conse_30ada6062e1d"},
    "ModelStamp": {"role": "shots", "name": "transnetv2", "version": "1.0.5"},
    "FramesHeader": {"width": 456, "height": 256},
    "SegmentFailed": {"outcome": "failed"},
    "Subject": {"kind": "job", "id": "upscale-31"},
    "PartProgressed": {"stage": "upscale", "part": 2, "parts": 6, "quantity": 250, "unit": "frames"},
}
"""Where a name means something else in one type."""
OMITTED: Mapping[str, frozenset[str]] = {"AssetDeleted": frozenset({"version"})}
"""What plan sets when it forwards a producer's event."""


def example(name: str, schemas: Mapping[str, Schema]) -> Any:
    """A value of the type called `name`. Fields that may be missing are there where `VALUES` has their name."""
    schema = schemas[name]
    required = set(schema.get("required", ()))
    special = ONLY_IN.get(name, {})
    fields = {**VALUES, **special}
    return {
        field: _known(fields[field], inner, schemas) if field in fields else _value(inner, schemas)
        for field, inner in schema["properties"].items()
        if field not in OMITTED.get(name, ()) and (field in required or field in fields)
    }


def _known(value: Any, schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    return _value(schema, schemas) if value is None else value


def _value(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """Anything that the schema allows."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return example(name, schemas) if "properties" in schemas[name] else _value(schemas[name], schemas)
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], schemas)
    if "allOf" in schema:
        return _value(schema["allOf"][0], schemas)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[-1])
    if schema.get("type") == "array":
        items = schema.get("items", [])
        return [_value(it, schemas) for it in items] if isinstance(items, list) else [_value(items, schemas)]
    return {"integer": 0, "number": 0.0, "boolean": False, "object": {}}.get(schema.get("type", ""), "text")
