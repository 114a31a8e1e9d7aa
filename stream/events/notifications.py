"""Bucket notifications as object stores send them: Amazon S3, MinIO, and S3 through EventBridge. No CloudEvents."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Self
from urllib.parse import unquote_plus

from stream.errors import BadEvent
from stream.events.ids import digest

OBJECT_SCHEME = "s3"
"""Of every object's uri; who reads them must allow it."""
Happened = Literal["created", "removed"]
_HAPPENED: tuple[tuple[str, Happened], ...] = (
    ("ObjectCreated:", "created"),
    ("ObjectRemoved:", "removed"),
    ("LifecycleExpiration:", "removed"),
)
_EVENT_BRIDGE: Mapping[str, Happened] = {"Object Created": "created", "Object Deleted": "removed"}


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object came or went. `key` is decoded. `sequencer` orders changes of one key (see `follows`)."""

    happened: Happened
    bucket: str
    key: str
    size_bytes: int | None = None
    etag: str | None = None
    sequencer: str = ""
    time_ms: int | None = None

    @property
    def uri(self) -> str:
        return f"{OBJECT_SCHEME}://{self.bucket}/{self.key}"

    def follows(self, sequencer: str) -> bool:
        """Whether this change is later than another of the same key: hexadecimal numbers, the shorter one padded with
        zeros on the right ("Event message structure", Amazon S3 User Guide). Without a sequencer there is no telling.
        """
        width = max(len(self.sequencer), len(sequencer))
        unordered = not self.sequencer or not sequencer
        return unordered or self.sequencer.upper().ljust(width, "0") > sequencer.upper().ljust(width, "0")


@dataclass(frozen=True, slots=True)
class BucketNotification:
    """The changes that one record tells of; none for test events and for what concerns no content (tags, access)."""

    type: ClassVar[str] = "rushes.bucket.notified.v1"
    content_type: ClassVar[str] = "application/json"

    changes: tuple[ObjectChange, ...]
    raw: bytes

    def partition_key(self) -> bytes:
        return (self.changes[0].uri if self.changes else digest(self.raw)).encode()

    def to_bytes(self) -> bytes:
        return self.raw

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        try:
            document = json.loads(value)
            return cls(tuple(_changes(document)), value)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise BadEvent(
                f"not a notification of S3, MinIO or EventBridge ({type(error).__name__})", code="invalid_payload"
            ) from None


def _changes(document: Mapping[str, Any]) -> Iterator[ObjectChange]:
    if document.get("Event") == "s3:TestEvent":
        return
    if "detail-type" in document:
        yield from _bridged(document)
        return
    for record in document["Records"]:
        name = str(record["eventName"]).removeprefix("s3:")
        for prefix, happened in _HAPPENED:
            if name.startswith(prefix):
                yield _change(
                    happened,
                    str(record["s3"]["bucket"]["name"]),
                    unquote_plus(str(record["s3"]["object"]["key"]), errors="strict"),
                    {**record["s3"]["object"], "time": record.get("eventTime")},
                )


def _bridged(document: Mapping[str, Any]) -> Iterator[ObjectChange]:
    """EventBridge does not encode keys."""
    happened = _EVENT_BRIDGE.get(str(document["detail-type"]))
    if happened is not None:
        detail = document["detail"]
        facts = {**detail["object"], "time": document.get("time")}
        yield _change(happened, str(detail["bucket"]["name"]), str(facts["key"]), facts)


def _change(happened: Happened, bucket: str, key: str, facts: Mapping[str, Any]) -> ObjectChange:
    if not bucket or not key:
        raise ValueError("no bucket or no key")
    size, etag, time = facts.get("size"), facts.get("eTag") or facts.get("etag"), facts.get("time")
    return ObjectChange(
        happened,
        bucket,
        key,
        size_bytes=size if isinstance(size, int) and size >= 0 else None,
        etag=str(etag) if etag else None,
        sequencer=str(facts.get("sequencer") or ""),
        time_ms=round(datetime.fromisoformat(time).timestamp() * 1000) if isinstance(time, str) else None,
    )
