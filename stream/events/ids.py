"""Deterministic identities. Equal inputs give equal ids on every machine, so effects can be replaced, not doubled."""

import hashlib
from typing import NamedTuple


class AssetVersion(NamedTuple):
    """(append time in ms, offset) of the asset's event in the asset-keyed topic: ordered, never reused."""

    append_ms: int
    offset: int


class Order(NamedTuple):
    """What decides between two writes of one segment: asset version, then pipeline epoch, then revision."""

    version: AssetVersion
    epoch_ms: int = 0
    revision: int = 0


def digest(*parts: object) -> str:
    """32 hex characters of BLAKE2b over length-prefixed parts, so no two part lists collide by joining."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        hasher.update(len(raw).to_bytes(8, "big"))
        hasher.update(raw)
    return hasher.hexdigest()


def content_key(tenant: str, asset_id: str, content_digest: str, settings_digest: str) -> str:
    """Identity of one content of one asset under one set of decode settings; never shared between tenants."""
    return digest("content", tenant, asset_id, content_digest, settings_digest)


def segment_id(key: str, segment: int) -> str:
    """Identity of cell `segment` of the content `key` (see `content_key`)."""
    return digest("segment", key, segment)


def moment_id(segment: str, start_ns: int) -> str:
    """Identity of the moment that starts at `start_ns` of asset time inside the segment with id `segment`."""
    return digest("moment", segment, start_ns)
