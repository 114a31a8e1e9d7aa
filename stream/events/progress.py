"""Progress of any work: what a stage did with a part of a subject, and when the work of a subject is over.

Segments of assets are one use of it, with their own events on the wire. Code that folds progress calls `progress_of`
and `ended_by` and needs nothing else. This module also makes the report of a segment.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from stream.events.asset import (
    AssetChanged,
    AssetId,
    AssetRef,
    AssetStatus,
    Json,
    Measure,
    Name,
    Outcome,
    Priority,
    SegmentProgressed,
    Tenant,
)
from stream.events.base import Payload
from stream.events.grid import segment_range
from stream.events.ids import AssetVersion, Int64

ASSET = "asset"
"""The kind of a subject that is footage."""
MAX_STAGE_BYTES = 100
MAX_PARTS = 1_000_000


class Owner(NamedTuple):
    """A subject in any version."""

    kind: str
    tenant: str
    id: str


class SubjectKey(NamedTuple):
    """Identifies one version of one subject."""

    kind: str
    tenant: str
    id: str
    version: AssetVersion

    @property
    def owner(self) -> Owner:
        return Owner(self.kind, self.tenant, self.id)


class Subject(BaseModel):
    """The subject of work, such as an asset or a job. Its version is the append time and offset of its event."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: Name
    tenant: Tenant
    project: Name
    id: AssetId
    version: AssetVersion


class PartProgressed(Json):
    """A stage finished with a part of a subject. Small; for progress, usage and backlog, never for correctness. The
    stage that plans the parts also reports the subject's `priority`.

    `quantity` is the amount of work in the part, counted in `unit` (such as `frames`). `cpu_us` is the CPU time of the
    part, `device_us` the time it held an accelerator, `read_bytes` the bytes read from the source; 0 where a stage does
    not measure it.
    """

    type: ClassVar[str] = "rushes.part.progressed.v1"
    subject: Subject
    stage: Name
    part: Int64
    parts: Int64
    quantity: Int64
    unit: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
    outcome: Outcome = Outcome.DONE
    priority: Priority | None = None
    cpu_us: Measure = 0
    device_us: Measure = 0
    read_bytes: Measure = 0

    def partition_key(self) -> bytes:
        return self.subject.id.encode()


class PartReport(NamedTuple):
    """What a stage did with a part, from either kind of event: see `PartProgressed`."""

    subject: SubjectKey
    project: str
    stage: str
    part: int
    parts: int
    quantity: int
    unit: str
    outcome: Outcome
    priority: Priority | None
    cpu_us: int
    device_us: int
    read_bytes: int
    published_ms: int | None = None

    @property
    def possible(self) -> bool:
        """Whether a part with this number can exist."""
        # Whoever publishes chooses the numbers (ADR 0036): a fold must not grow by what they claim.
        return 0 <= self.part < self.parts <= MAX_PARTS


@dataclass(frozen=True, slots=True)
class SubjectEnded:
    """The work of a version of a subject, and of all earlier ones, is over. `deleted`: the subject was deleted."""

    subject: SubjectKey
    deleted: bool = False


def progress_of(payload: Payload) -> PartReport | None:
    """The report that an event holds; None for an event of another kind."""
    # Segments keep their own event on the wire, as others read that topic (ADR 0040).
    if isinstance(payload, SegmentProgressed):
        subject, project = subject_of(payload.asset), payload.asset.project
        part, parts, quantity, unit = payload.segment, payload.segment_count, payload.video_ns, "video_ns"
    elif isinstance(payload, PartProgressed):
        named = payload.subject
        subject, project = SubjectKey(named.kind, named.tenant, named.id, named.version), named.project
        part, parts, quantity, unit = payload.part, payload.parts, payload.quantity, payload.unit
    else:
        return None
    return PartReport(
        subject,
        project,
        payload.stage,
        part,
        parts,
        quantity,
        unit,
        payload.outcome,
        payload.priority,
        payload.cpu_us,
        payload.device_us,
        payload.read_bytes,
        payload.published_ms if isinstance(payload, SegmentProgressed) else None,
    )


def ended_by(payload: Payload) -> SubjectEnded | None:
    """The subject whose work ends with this event; None if none does."""
    if isinstance(payload, AssetChanged) and payload.status.final:
        return SubjectEnded(subject_of(payload.asset), deleted=payload.status is AssetStatus.DELETED)
    return None


def subject_of(asset: AssetRef) -> SubjectKey:
    return SubjectKey(ASSET, asset.tenant, asset.asset_id, asset.version)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one part in a stage; see `PartProgressed`."""

    cpu_us: int = 0
    device_us: int = 0
    read_bytes: int = 0


NOT_MEASURED = Cost()


def segment_report(
    asset: AssetRef,
    stage: str,
    segment: int,
    count: int,
    duration_ns: int,
    *,
    outcome: Outcome = Outcome.DONE,
    priority: Priority | None = None,
    cost: Cost = NOT_MEASURED,
) -> SegmentProgressed:
    """The report of a stage about one cell of an asset of `duration_ns`."""
    start_ns, end_ns = segment_range(segment, duration_ns)
    return SegmentProgressed(
        asset=asset,
        stage=stage,
        segment=segment,
        segment_count=count,
        video_ns=end_ns - start_ns,
        outcome=outcome,
        priority=priority,
        cpu_us=cost.cpu_us,
        device_us=cost.device_us,
        read_bytes=cost.read_bytes,
    )
