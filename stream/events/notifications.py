"""Bucket notifications as object stores send them: Amazon S3, MinIO, and S3 through EventBridge. They are no
CloudEvents.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Self
from urllib.parse import unquote_plus

from stream.errors import BadEvent
from stream.events.ids import digest

OBJECT_SCHEME = "s3"
"""The scheme of every object's uri; whoever reads objects must allow it."""
Happened = Literal["created", "removed"]
_HAPPENED: tuple[tuple[str, Happened], ...] = (
    ("ObjectCreated:", "created"),
    ("ObjectRemoved:", "removed"),
    ("LifecycleExpiration:", "removed"),
)
# Others write this JSON, in any shape and depth: all of these can come of reading it as ours.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
_EVENT_BRIDGE: Mapping[str, Happened] = {"Object Created": "created", "Object Deleted": "removed"}


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object was created or removed. `key` is decoded. `sequencer` orders changes of one key (see `follows`).
    `place` is the position of the change in its notification, from 0.
    """

    happened: Happened
    bucket: str
    key: str
    size_bytes: int | None = None
    etag: str | None = None
    sequencer: str = ""
    time_ms: int | None = None
    place: int = 0

    @property
    def uri(self) -> str:
        return f"{OBJECT_SCHEME}://{self.bucket}/{self.key}"

    def follows(self, sequencer: str) -> bool:
        """Whether this change is later than another one of the same key. Sequencers are hexadecimal numbers; the
        shorter one is padded with zeros on the right ("Event message structure", Amazon S3 User Guide). True if a
        sequencer is missing.
        """
        width = max(len(self.sequencer), len(sequencer))
        unordered = not self.sequencer or not sequencer
        return unordered or self.sequencer.upper().ljust(width, "0") > sequencer.upper().ljust(width, "0")


@dataclass(frozen=True, slots=True)
class BucketNotification:
    """Changes of objects in one record of an object store. Test events, and changes of tags or access, give no changes.


    Each change stands alone (ADR 0036): `unreadable` lists the position and reason of those that name no object.
    """

    type: ClassVar[str] = "rushes.bucket.notified.v1"
    content_type: ClassVar[str] = "application/json"

    changes: tuple[ObjectChange, ...]
    raw: bytes
    unreadable: tuple[tuple[int, str], ...] = ()

    def partition_key(self) -> bytes:
        return (self.changes[0].uri if self.changes else digest(self.raw)).encode()

    def to_bytes(self) -> bytes:
        return self.raw

    def narrowed(self, places: Collection[int]) -> Self:
        """The same notification with only the changes at these positions."""
        document = json.loads(self.raw)
        if "Records" not in document:
            return self
        document["Records"] = [item for place, item in enumerate(document["Records"]) if place in places]
        return replace(
            self,
            changes=tuple(change for change in self.changes if change.place in places),
            raw=json.dumps(document).encode(),
            unreadable=tuple(item for item in self.unreadable if item[0] in places),
        )

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Raises `BadEvent` if no part of it can be read."""
        try:
            document = json.loads(value)
            found = dict(enumerate(_changes(document)))
        except _MALFORMED as error:
            raise _no_notification(error) from None
        changes = tuple(replace(item, place=at) for at, item in found.items() if isinstance(item, ObjectChange))
        unreadable = {at: item for at, item in found.items() if isinstance(item, Exception)}
        if unreadable and not changes:
            raise _no_notification(next(iter(unreadable.values())))
        return cls(changes, value, tuple((at, type(error).__name__) for at, error in unreadable.items()))


def _no_notification(error: Exception) -> BadEvent:
    return BadEvent(f"not a notification of S3, MinIO or EventBridge ({type(error).__name__})", code="invalid_payload")


def _changes(document: Mapping[str, Any]) -> Iterator[ObjectChange | Exception | None]:
    """What each position reports: a change, an error, or None for an event that changes no content."""
    # S3 sends it when notifications are set up; it has no records.
    if document.get("Event") == "s3:TestEvent":
        return
    if "detail-type" in document:
        yield from _bridged(document)
        return
    for record in document["Records"]:
        try:
            yield _change_in(record)
        except _MALFORMED as error:
            # Not raised: each change stands alone (ADR 0036).
            yield error


def _change_in(record: Mapping[str, Any]) -> ObjectChange | None:
    # MinIO writes the prefix, S3 does not.
    name = str(record["eventName"]).removeprefix("s3:")
    for prefix, happened in _HAPPENED:
        if name.startswith(prefix):
            return _change(
                happened,
                str(record["s3"]["bucket"]["name"]),
                # Keys are encoded as in forms. One that does not decode names no object.
                unquote_plus(str(record["s3"]["object"]["key"]), errors="strict"),
                {**record["s3"]["object"], "time": record.get("eventTime")},
            )
    return None


def _bridged(document: Mapping[str, Any]) -> Iterator[ObjectChange]:
    """EventBridge does not encode keys, so they are used as they are."""
    happened = _EVENT_BRIDGE.get(str(document["detail-type"]))
    if happened is not None:
        detail = document["detail"]
        facts = {**detail["object"], "time": document.get("time")}
        yield _change(happened, str(detail["bucket"]["name"]), str(facts["key"]), facts)


def _change(happened: Happened, bucket: str, key: str, facts: Mapping[str, Any]) -> ObjectChange:
    if not bucket or not key:
        raise ValueError("no bucket or no key")
    f"{bucket}{key}".encode()  # raises for a lone surrogate, which JSON may hold and no store can
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
