"""The `dead-letters` payload: a whole record that could not be processed, and why. Arrow, as values are binary."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import pyarrow as pa

from stream.errors import BadEvent
from stream.events.arrow import from_ipc, to_ipc

REPLAY_HEADER = "rushes_replay_of"
"""The id of the dead letter that a record was replayed from. It travels with the record and everything derived from it,
so that a new dead letter continues the count in the store of dead letters (ADR 0036). It is a reference and no number,
as anybody may write headers: a forged one only gives a count of the store to the forger's own records. A Kafka header
and no CloudEvents attribute, as a replayed record may be no CloudEvent.
"""
# Anybody may write headers: only what can be an id is looked up.
_LETTER_ID = re.compile(rb"[0-9A-Za-z]{1,64}")
MAX_REPLAYS = 3
"""A record that fails after this many replays is parked: it is replayed only by its id or on request (ADR 0024)."""

DEAD_LETTER_SCHEMA = pa.schema(
    [
        pa.field("letter_id", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("append_time_ms", pa.int64(), nullable=False),
        pa.field("failed_at_ms", pa.int64(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("asset_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("key", pa.binary(), nullable=False),
        pa.field("value", pa.binary(), nullable=False),
        pa.field("headers", pa.map_(pa.string(), pa.binary()), nullable=False),
    ]
)


def replay_of(headers: Mapping[str, bytes]) -> str:
    """The value of `REPLAY_HEADER`; empty if it cannot be the id of a dead letter."""
    raw = headers.get(REPLAY_HEADER, b"")
    return raw.decode() if _LETTER_ID.fullmatch(raw) else ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`topic`, `key`, `value` and `headers` are what a replay sends: the failed record, or an event that leads to it
    again.

    `message` says what was wrong and what to do; it never holds content of media, prompts or payloads.
    """

    type: ClassVar[str] = "rushes.record.dead-lettered.v1"
    content_type: ClassVar[str] = "application/vnd.apache.arrow.stream"

    letter_id: str
    stage: str
    topic: str
    partition: int
    offset: int
    append_time_ms: int
    failed_at_ms: int
    attempts: int
    code: str
    message: str
    tenant: str
    asset_id: str
    event_type: str
    key: bytes
    value: bytes
    headers: dict[str, bytes]

    def partition_key(self) -> bytes:
        return self.letter_id.encode()

    def to_bytes(self) -> bytes:
        row = asdict(self) | {"headers": list(self.headers.items())}
        return to_ipc(pa.RecordBatch.from_pylist([row], schema=DEAD_LETTER_SCHEMA), {})

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        rows, _ = from_ipc(value, DEAD_LETTER_SCHEMA, cls.__name__)
        if rows.num_rows != 1:
            raise BadEvent("invalid DeadLetter payload: not one row", code="invalid_payload")
        row = rows.to_pylist()[0]
        return cls(**(row | {"headers": dict(row["headers"])}))
