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


@dataclass(frozen=True, slots=True)
class Topic:
    """A named topic. An event type belongs to `payloads` of every topic that may carry it."""

    name: str
    payloads: tuple[type[Payload], ...]
    max_message_bytes: int = 1024 * 1024


ASSETS = Topic("assets", (AssetPublished, AssetDeleted))
SPANS = Topic("spans", (SpanPlanned,))
FRAMES = Topic("frames", (Frames,), max_message_bytes=8 * 1024 * 1024)
ANNOTATIONS = Topic(
    "annotations",
    (Annotations, AssetPlanned, AssetFailed, SegmentFailed, AssetDeleted),
    max_message_bytes=8 * 1024 * 1024,
)
RETIREMENTS = Topic("retirements", (ContentRetired,))
PROGRESS = Topic("progress", (SegmentProgressed, AssetChanged))
COMPLETIONS = Topic("completions", (AssetChanged,))
"""What became of an asset version, said by the control plane once a final status is reached. Nothing of ours but the
webhook reads it.
"""
DEAD_LETTERS = Topic("dead-letters", (DeadLetter,), max_message_bytes=9 * 1024 * 1024)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (ASSETS, SPANS, FRAMES, ANNOTATIONS, RETIREMENTS, PROGRESS, COMPLETIONS, DEAD_LETTERS)
}
