"""The topics, each with its event types and size limit. Partition counts are a deployment's choice."""

from dataclasses import dataclass

from stream.broker.contract import TopicSpec
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
from stream.events.deployment import RolloutBegun, StoresClaimed
from stream.events.frames import Frames
from stream.events.notifications import BucketNotification
from stream.events.progress import PartProgressed


@dataclass(frozen=True, slots=True)
class Topic:
    """A named topic. An event type belongs to `payloads` of every topic that may carry it.

    `kept_ms` is how long a record stays on a broker with a log: after every group that reads the topic in the topology
    has acknowledged it, or, `by_age`, from the moment it came, read or not. The records of a `foreign` topic are no
    CloudEvents, but its one payload as others write it. `entry`: producers outside write it. `followed`: it may have no
    reader in the topology, as others follow it in no group. `failures`: what failed further up comes over it too.
    """

    name: str
    payloads: tuple[type[Payload], ...]
    max_message_bytes: int = 1024 * 1024
    kept_ms: int = 0
    foreign: bool = False
    by_age: bool = False
    entry: bool = False
    followed: bool = False
    failures: bool = False

    @property
    def tells_progress(self) -> bool:
        """Whether reports of progress go over it."""
        return not PROGRESS_PAYLOADS.isdisjoint(self.payloads)

    def spec(self, partitions: int) -> TopicSpec:
        """What a broker has to know of it."""
        return TopicSpec(self.name, partitions, self.max_message_bytes, self.kept_ms if self.by_age else None)


WEEK_MS = 7 * 86_400_000
PROGRESS_PAYLOADS = frozenset[type[Payload]]({SegmentProgressed, PartProgressed})

# Small, and the producers' own: for a week a lost index can be made again from them.
ASSETS = Topic("assets", (AssetPublished, AssetDeleted), kept_ms=WEEK_MS, entry=True)
NOTIFICATIONS = Topic("notifications", (BucketNotification,), foreign=True, entry=True)
SPANS = Topic("spans", (SpanPlanned,))
FRAMES = Topic("frames", (Frames,), max_message_bytes=8 * 1024 * 1024)
ANNOTATIONS = Topic(
    "annotations",
    (Annotations, AssetPlanned, AssetFailed, SegmentFailed, AssetDeleted),
    max_message_bytes=8 * 1024 * 1024,
    failures=True,
)
RETIREMENTS = Topic("retirements", (ContentRetired,))
# Read by whoever follows, in no group that the topology knows of.
PROGRESS = Topic(
    "progress", (SegmentProgressed, PartProgressed, AssetChanged), kept_ms=WEEK_MS, by_age=True, followed=True
)
# What became of an asset version, said by the control plane once a status is final; read by webhooks and producers.
COMPLETIONS = Topic("completions", (AssetChanged,), kept_ms=WEEK_MS, by_age=True)
DEAD_LETTERS = Topic("dead-letters", (DeadLetter,), max_message_bytes=9 * 1024 * 1024)

# Whose the stores are and which roll-out is on; read by every process before it works, in no group, and kept for ever.
DEPLOYMENTS = Topic("deployments", (StoresClaimed, RolloutBegun))

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (ASSETS, NOTIFICATIONS, SPANS, FRAMES, ANNOTATIONS, RETIREMENTS, PROGRESS, COMPLETIONS, DEAD_LETTERS)
}
