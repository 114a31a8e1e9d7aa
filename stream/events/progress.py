"""Progress of any work: what a stage did of a part of a subject, and that the work of a subject is over.

Segments of assets are one use of it, and keep their own events on the wire. Whatever folds progress asks `progress_of`
and `ended_by` and knows nothing else. Also here: how a report of a segment is made.
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
"""The kind of subject that footage is."""
MAX_STAGE_BYTES = 100
MAX_PARTS = 1_000_000


class Owner(NamedTuple):
    """A subject, in whatever version."""

    kind: str
    tenant: str
    id: str


class SubjectKey(NamedTuple):
    """What tells one version of one subject from all others."""

    kind: str
    tenant: str
    id: str
    version: AssetVersion

    @property
    def owner(self) -> Owner:
        return Owner(self.kind, self.tenant, self.id)


class Subject(BaseModel):
    """What work is about, such as an asset or a job, in which version: append time and offset of its event."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: Name
    tenant: Tenant
    project: Name
    id: AssetId
    version: AssetVersion


class PartProgressed(Json):
    """A stage finished with a part of a subject. Small, for progress, usage and backlog; never read for correctness.
    The stage that plans the parts tells the subject's `priority` too.

    `quantity` is how much work the part is, counted in `unit` (such as `frames`). `cpu_us` is the CPU time it took,
    `device_us` how long it held an accelerator, `read_bytes` what was read of the source; 0 where a stage does not
    measure it.
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
    """What a stage did of a part, however it was told: see `PartProgressed`."""

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

    @property
    def possible(self) -> bool:
        """Whether there is such a part."""
        return 0 <= self.part < self.parts <= MAX_PARTS


@dataclass(frozen=True, slots=True)
class SubjectEnded:
    """The work of a version of a subject, and of all versions before it, is over. `deleted`: nobody wants it."""

    subject: SubjectKey
    deleted: bool = False


def progress_of(payload: Payload) -> PartReport | None:
    """What an event says of a part; None for one that is about something else."""
    if isinstance(payload, SegmentProgressed):
        subject, project = subject_of(payload.asset), payload.asset.project
        part, parts, quantity, unit = payload.segment, payload.segment_count, payload.video_ns, "video_ns"
    elif isinstance(payload, PartProgressed):
        told = payload.subject
        subject, project = SubjectKey(told.kind, told.tenant, told.id, told.version), told.project
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
    )


def ended_by(payload: Payload) -> SubjectEnded | None:
    """Whose work is over with this event."""
    if isinstance(payload, AssetChanged) and payload.status.final:
        return SubjectEnded(subject_of(payload.asset), deleted=payload.status is AssetStatus.DELETED)
    return None


def subject_of(asset: AssetRef) -> SubjectKey:
    return SubjectKey(ASSET, asset.tenant, asset.asset_id, asset.version)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one part took of a stage; see `PartProgressed`."""

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
    """What a stage says of a cell of an asset of that length."""
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
