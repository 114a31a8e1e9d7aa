"""Envelopes of manifests: DSSE (v1) around an in-toto statement, signed with Ed25519 or with nothing.

Read strictly: what is read is byte for byte what would be written, so a changed byte is found wherever it is.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stream.errors import BadRequest
from stream.jobs.keys import canonical

PAYLOAD = "application/vnd.in-toto+json"
ENVELOPE = "application/vnd.dsse.envelope+json"


def key_id(key: Ed25519PublicKey) -> str:
    """Which key signed: a digest of its 32 bytes."""
    return f"sha256:{hashlib.sha256(key.public_bytes_raw()).hexdigest()}"


def sealed(statement: Mapping[str, Any], key: Ed25519PrivateKey | None) -> bytes:
    """An envelope as canonical JSON. Without a key it has no signature."""
    payload = canonical(dict(statement))
    signatures = [] if key is None else [(key_id(key.public_key()), key.sign(_pae(payload)))]
    return _written(payload, signatures)


def statement_in(envelope: bytes, key: Ed25519PublicKey | None = None) -> dict[str, Any]:
    """The statement of an envelope; with `key`, only if that signed it. Raises `BadRequest` (`manifest_invalid`)."""
    try:
        outer = json.loads(envelope)
        payload = base64.b64decode(outer["payload"], validate=True)
        signatures = [(each["keyid"], base64.b64decode(each["sig"], validate=True)) for each in outer["signatures"]]
        statement = json.loads(payload)
        same = _written(payload, signatures) == envelope
    except (ValueError, KeyError, TypeError, RecursionError):
        raise invalid("it is no manifest of a variant") from None
    if not same or not isinstance(statement, dict):
        raise invalid("it is not written as a manifest is: some of its bytes were changed")
    if key is not None:
        _require(key, payload, signatures)
    return statement


def invalid(why: str) -> BadRequest:
    return BadRequest(f"the manifest cannot be used: {why}", code="manifest_invalid")


def _require(key: Ed25519PublicKey, payload: bytes, signatures: list[tuple[str, bytes]]) -> None:
    if not signatures:
        raise invalid("it is not signed, as the deployment that made it had no key for manifests")
    ours = [signature for name, signature in signatures if name == key_id(key)]
    if not ours:
        raise invalid(f"this key did not sign it; it names the key {signatures[0][0][:23]}…")
    try:
        key.verify(ours[0], _pae(payload))
    except InvalidSignature:
        raise invalid("this key did not sign it, or it was changed since") from None


def _written(payload: bytes, signatures: list[tuple[str, bytes]]) -> bytes:
    return canonical(
        {
            "payloadType": PAYLOAD,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": name, "sig": base64.b64encode(sig).decode()} for name, sig in signatures],
        }
    )


def _pae(payload: bytes) -> bytes:
    """Pre-authentication encoding of DSSE v1."""
    kind = PAYLOAD.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
