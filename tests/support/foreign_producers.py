"""Records of producers that know nothing of us: structured and binary mode, well formed and barely."""

import json

from stream.events.asset import AssetDeleted, AssetPublished

Sent = tuple[bytes | None, bytes, list[tuple[str, bytes]]]
"""Key, value and headers."""


def strangers() -> list[Sent]:
    kind = AssetPublished.type
    envelope = {"specversion": "1.0", "id": "1", "source": "mam", "type": kind, "tenant": "acme"}
    return [
        (b"s", json.dumps(envelope | {"data": {"uri": "/structured"}, "time": None}).encode(),
         [("content-type", b"application/cloudevents+json")]),
        (None, b'{"uri": "/binary", "priority": "batch"}',
         [("ce_specversion", b"1.0"), ("ce_id", b"7"), ("ce_type", kind.encode()), ("ce_source", b"nas"),
          ("ce_tenant", b"umbrella"), ("content-type", b"application/json; charset=utf-8"), ("b3", b"\xff")]),
        (b"k", b'{"uri": "/bare-minimum"}', [("ce_type", kind.encode())]),
        (b"k", b'{"uri": "/no-event"}', []),
        (b"gone", b'{"asset_id": "/structured"}', [("ce_type", AssetDeleted.type.encode()), ("ce_tenant", b"acme")]),
    ]  # fmt: skip
