"""The topics, each with its event types and size limit. Partition counts are a deployment's choice."""

from dataclasses import dataclass

from stream.events.annotations import Annotations
from stream.events.asset import (
    AssetChanged,
    AssetDeleted,
    AssetFailed,
    AssetPlanned,
    AssetPublished,
    ContentRetired,
    SegmentFailed,
    SegmentProgressed,
    SpanPlanned,
)
from stream.events.base import Payload
from stream.events.dead_letter import DeadLetter
from stream.events.frames import Frames
from stream.events.notifications import BucketNotification


@dataclass(frozen=True, slots=True)
class Topic:
    """A named topic. An event type belongs to `payloads` of every topic that may carry it. The records of a `foreign`
    topic are no CloudEvents, but its one payload as others write it.
    """

    name: str
    payloads: tuple[type[Payload], ...]
    max_message_bytes: int = 1024 * 1024
    foreign: bool = False


ASSETS = Topic("assets", (AssetPublished, AssetDeleted))
NOTIFICATIONS = Topic("notifications", (BucketNotification,), foreign=True)
SPANS = Topic("spans", (SpanPlanned,))
FRAMES = Topic("frames", (Frames,), max_message_bytes=8 * 1024 * 1024)
ANNOTATIONS = Topic(
    "annotations",
    (Annotations, AssetPlanned, AssetFailed, SegmentFailed, AssetDeleted),
    max_message_bytes=8 * 1024 * 1024,
)
RETIREMENTS = Topic("retirements", (ContentRetired,))
PROGRESS = Topic("progress", (SegmentProgressed, AssetChanged))
DEAD_LETTERS = Topic("dead-letters", (DeadLetter,), max_message_bytes=9 * 1024 * 1024)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (ASSETS, NOTIFICATIONS, SPANS, FRAMES, ANNOTATIONS, RETIREMENTS, PROGRESS, DEAD_LETTERS)
}
