"""The manifest of a finished variant: an in-toto Statement (v1) with SLSA provenance (v1), in a signed DSSE envelope.

What reproduces the finals stands in `buildDefinition`, what differs from run to run in `runDetails`.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stream.errors import BadRequest
from stream.events.jobs import TaskAsked
from stream.events.objects import Digest
from stream.jobs.keys import canonical

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD = "urn:rushes:variant:v1"
PAYLOAD = "application/vnd.in-toto+json"
ENVELOPE = "application/vnd.dsse.envelope+json"
_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp"})


@dataclass(frozen=True, slots=True)
class Final:
    """A file that a variant gave, as its manifest names it."""

    stage: str
    name: str
    digest: Digest
    media_type: str

    @property
    def is_picture(self) -> bool:
        return self.media_type in _PICTURES


def statement_of(task: TaskAsked, *, release: str, made_ms: int) -> dict[str, Any]:
    """Of a delivery. `subject`: the finals; `resolvedDependencies`: assets and what each stage took."""
    settings: Mapping[str, Any] = task.settings
    stages = settings["stages"]
    taken = {digest for stage in stages for digest in stage["inputs"].values()}
    return {
        "_type": STATEMENT,
        "subject": [
            {
                "name": f"{final['stage']}/{final['name']}",
                "digest": _digest(final["digest"]),
                "mediaType": final["media_type"],
            }
            for final in settings["finals"]
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "job": task.job,
                    "variant": task.variant,
                    "name": settings["name"],
                    "row": settings["row"],
                    "description": settings["spec"],
                },
                "internalParameters": {"stages": stages},
                "resolvedDependencies": [{"digest": _digest(digest)} for digest in sorted(taken)],
            },
            "runDetails": {
                "builder": {"id": "urn:rushes", "version": {"rushes": release}},
                "metadata": {"invocationId": task.key, "finishedOnMs": made_ms},
                "cost": {"cpu_s": settings["cpu_s"]},
            },
        },
    }


def signed(statement: Mapping[str, Any], key: Ed25519PrivateKey, name: str) -> bytes:
    """A DSSE envelope (v1), as canonical JSON."""
    payload = canonical(dict(statement))
    signature = key.sign(_pae(payload))
    envelope = {
        "payloadType": PAYLOAD,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": name, "sig": base64.b64encode(signature).decode()}],
    }
    return canonical(envelope)


def opened(envelope: bytes, key: Ed25519PublicKey | None = None) -> dict[str, Any]:
    """The statement of an envelope; with `key`, only if that signed it. Raises `BadRequest` (`manifest_invalid`)."""
    try:
        outer = json.loads(envelope)
        payload = base64.b64decode(outer["payload"], validate=True)
        signatures = [base64.b64decode(item["sig"], validate=True) for item in outer["signatures"]]
        statement = json.loads(payload)
        right = outer["payloadType"] == PAYLOAD and statement["predicate"]["buildDefinition"]["buildType"] == BUILD
    except (ValueError, KeyError, TypeError):
        raise _invalid("it is no manifest of a variant") from None
    if not right:
        raise _invalid("it is no manifest of a variant")
    if key is not None and not any(_signs(key, signature, payload) for signature in signatures):
        raise _invalid("this key did not sign it, or it was changed since")
    return dict(statement)


def finals_of(statement: Mapping[str, Any]) -> tuple[Final, ...]:
    """The files of a statement that `opened` gave. Raises `BadRequest` (`manifest_invalid`)."""
    try:
        return tuple(_final(each) for each in statement["subject"])
    except (KeyError, TypeError, AttributeError):
        raise _invalid("it does not name its finals") from None


def _final(subject: Mapping[str, Any]) -> Final:
    stage, _, name = subject["name"].partition("/")
    # Manifests of older releases do not say the type.
    media_type = subject.get("mediaType", "application/octet-stream")
    return Final(stage, name, f"sha256:{subject['digest']['sha256']}", media_type)


def _signs(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, _pae(payload))
    except InvalidSignature:
        return False
    return True


def _pae(payload: bytes) -> bytes:
    """Pre-authentication encoding of DSSE v1."""
    kind = PAYLOAD.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _digest(text: str) -> dict[str, str]:
    algorithm, _, value = text.partition(":")
    return {algorithm: value}


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"the manifest cannot be used: {why}", code="manifest_invalid")
