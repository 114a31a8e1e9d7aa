"""One event of a trail as it is kept: OCSF's record integrity (profile of 1.9) ties it to the event before (pure)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream.audit.canonical import canonical

_SHA256 = {"algorithm": "SHA-256", "algorithm_id": 3}


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of a chain. `sequence`: from 0; -1 before the first. `fingerprint`: SHA-256 in hexadecimal."""

    sequence: int = -1
    uid: str = ""
    type_uid: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """`line`: the event as canonical JSON (RFC 8785), without an end of line."""

    line: bytes
    chain_uid: str
    head: Head
    before: Head
    """What it says of the event before it; its number is not among that."""


def sealed(event: Mapping[str, Any], chain_uid: str, before: Head) -> Entry:
    """The event with its number and what ties it to `before`. Its `metadata.uid` and `type_uid` have to be there.

    The fingerprint covers the canonical event without itself. The attributes lie in `unmapped`, as OCSF 1.8 knows none
    for them.
    """
    attestation: dict[str, Any] = {"chain_uid": chain_uid}
    if before.sequence >= 0:
        attestation["prev_event"] = {
            "uid": before.uid,
            "type_uid": before.type_uid,
            "fingerprint": _SHA256 | {"value": before.fingerprint},
        }
    metadata = {**event["metadata"], "sequence": before.sequence + 1}
    unmapped = {**event.get("unmapped", {}), "record_integrity": {"attestation_list": [attestation]}}
    whole: dict[str, Any] = {**event, "metadata": metadata, "unmapped": unmapped}
    # Computed before it is put in, as it cannot cover itself.
    fingerprint = _fingerprint(whole)
    attestation["fingerprint"] = _SHA256 | {"value": fingerprint}
    head = Head(before.sequence + 1, metadata["uid"], event["type_uid"], fingerprint)
    return Entry(canonical(whole), chain_uid, head, before)


def read(line: bytes) -> Entry:
    """An entry from its line. Raises `ValueError` with the reason: no event, not canonical, or another fingerprint than
    it says.
    """
    try:
        event = json.loads(line)
        metadata, (attestation,) = event["metadata"], event["unmapped"]["record_integrity"]["attestation_list"]
        said, before = attestation["fingerprint"]["value"], attestation.get("prev_event")
        head = Head(metadata["sequence"], metadata["uid"], event["type_uid"], said)
        named = Head(-1, before["uid"], before["type_uid"], before["fingerprint"]["value"]) if before else Head()
        chain_uid = attestation["chain_uid"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is no event of an audit trail") from error
    # JSON has many spellings of one event, and the tree is over bytes: only one spelling may count.
    if _canonical(event) != line:
        raise ValueError("it is not written as it was")
    del attestation["fingerprint"]
    if _fingerprint(event) != said:
        raise ValueError("its content is not what its fingerprint says")
    return Entry(line, chain_uid, head, named)


def _fingerprint(event: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(dict(event))).hexdigest()


def _canonical(event: Any) -> bytes:
    try:
        return canonical(event)
    except (ValueError, RecursionError) as error:
        raise ValueError("it has no canonical form") from error
