"""The topics, each with its event types and size limit. Partition counts are a deployment's choice."""

from dataclasses import dataclass

from stream.broker.contract import TopicSpec
from stream.events.access import AccessRecorded, AccessTaken, PepperNamed
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
from stream.events.jobs import (
    JobContinued,
    JobControlled,
    JobEnded,
    JobSubmitted,
    TaskAsked,
    TaskContinued,
    TaskEnded,
    TenantBudgeted,
    UrgentTaskAsked,
)
from stream.events.notifications import BucketNotification
from stream.events.progress import PartProgressed
from stream.events.tenants import TenantRegistered, TenantRemoved
from stream.topology.ownership import Ownership


@dataclass(frozen=True, slots=True)
class Topic:
    """A named topic. An event type belongs to `payloads` of every topic that may carry it.

    `kept_ms` is how long a record stays on a broker with a log: after every group that reads the topic in the topology
    has acknowledged it, or, with `by_age`, from its append time, read or not. The records of a `foreign` topic are no
    CloudEvents, but its one payload as others write it. `entry`: outside producers write it. `followed`: it may have no
    reader in the topology, as others follow it outside any group. `failures`: it also carries failures of earlier
    stages. `by_asset`: records have the key of their asset (`asset_key`) instead of their payload's own, so that one
    partition holds all of an asset, and whole shards of a store. `in_any_order`: see `TopicSpec`. `owner`: whose all
    its records are, whatever they say.
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
    by_asset: bool = False
    in_any_order: bool = False
    owner: Ownership | None = None

    @property
    def carries_progress(self) -> bool:
        """Whether the topic carries progress reports."""
        return not PROGRESS_PAYLOADS.isdisjoint(self.payloads)

    def spec(self, partitions: int) -> TopicSpec:
        """What a broker must know of the topic."""
        kept_ms = self.kept_ms if self.by_age else None
        return TopicSpec(self.name, partitions, self.max_message_bytes, kept_ms, self.in_any_order)


WEEK_MS = 7 * 86_400_000
PROGRESS_PAYLOADS: frozenset[type[Payload]] = frozenset((SegmentProgressed, PartProgressed))

# Small, and owned by producers: for a week a lost index can be rebuilt from them (ADR 0017).
ASSETS = Topic("assets", (AssetPublished, AssetDeleted), kept_ms=WEEK_MS, entry=True)
# Object stores write JSON of their own, which is no CloudEvent (ADR 0022).
NOTIFICATIONS = Topic("notifications", (BucketNotification,), foreign=True, entry=True)
SPANS = Topic("spans", (SpanPlanned,), in_any_order=True)
FRAMES = Topic("frames", (Frames,), max_message_bytes=8 * 1024 * 1024)
ANNOTATIONS = Topic(
    "annotations",
    (Annotations, AssetPlanned, AssetFailed, SegmentFailed, AssetDeleted),
    max_message_bytes=8 * 1024 * 1024,
    failures=True,
    by_asset=True,
)
RETIREMENTS = Topic("retirements", (ContentRetired,), by_asset=True)
# Followers read it outside any group that the topology knows, so no acknowledgement can trim it.
PROGRESS = Topic(
    "progress", (SegmentProgressed, PartProgressed, AssetChanged), kept_ms=WEEK_MS, by_age=True, followed=True
)
# The final status of each asset version, sent by the control plane; webhooks and producers read it.
COMPLETIONS = Topic("completions", (AssetChanged,), kept_ms=WEEK_MS, by_age=True)
# Larger than the others: a letter holds the whole record that failed.
DEAD_LETTERS = Topic("dead-letters", (DeadLetter,), max_message_bytes=9 * 1024 * 1024)

# Commands about jobs. The register of the coordinator has what they led to.
JOBS = Topic("jobs", (JobSubmitted, JobControlled, TenantBudgeted), kept_ms=WEEK_MS, entry=True)
# A task's settings may hold a whole page of text and its layout.
TASKS = Topic("tasks", (TaskAsked,), max_message_bytes=8 * 1024 * 1024, in_any_order=True)
# Of jobs that somebody waits for; workers read it first (ADR 0068).
URGENT_TASKS = Topic("urgent-tasks", (UrgentTaskAsked,), max_message_bytes=8 * 1024 * 1024, in_any_order=True)
OUTCOMES = Topic("outcomes", (TaskEnded, TaskContinued, JobContinued), max_message_bytes=8 * 1024 * 1024)
# What became of jobs. Webhooks read it, whoever waits for jobs, and the coordinator, to know that its word has left.
ENDINGS = Topic("job-endings", (JobEnded,), kept_ms=WEEK_MS, by_age=True, followed=True)

# The owner of the stores and the present roll-out. Every process reads it before it works, in no group; kept for ever.
DEPLOYMENTS = Topic("deployments", (StoresClaimed, RolloutBegun))
# The register of tenants with a topic of their own. Followed in no group; kept for ever, as it is history too.
TENANTS = Topic("tenants", (TenantRegistered, TenantRemoved))
# Who may do what. Followed in no group; kept for ever, as it is history too.
ACCESS = Topic("access", (AccessRecorded, AccessTaken, PepperNamed))

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (ASSETS, NOTIFICATIONS, SPANS, FRAMES, ANNOTATIONS, RETIREMENTS, PROGRESS, COMPLETIONS, DEAD_LETTERS)
}

JOB_TOPICS: dict[str, Topic] = {
    topic.name: topic for topic in (JOBS, URGENT_TASKS, TASKS, OUTCOMES, ENDINGS, ASSETS, DEAD_LETTERS)
}
"""What the job engine reads and writes."""
