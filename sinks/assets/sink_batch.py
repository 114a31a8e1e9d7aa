"""A batch of the topics that sinks read, taken apart (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream.errors import BadEvent
from stream.events.aim import Aim
from stream.events.annotations import Annotations, AnnotationsHeader
from stream.events.asset import (
    AssetDeleted,
    AssetFailed,
    AssetPlanned,
    AssetRef,
    ContentRetired,
    Outcome,
    SegmentFailed,
    SegmentProgressed,
)
from stream.events.base import Event
from stream.events.grid import SEGMENT_NS
from stream.events.ids import AssetVersion, asset_key, digest
from stream.events.progress import segment_report

AssetEvent = AssetPlanned | AssetFailed | AssetDeleted | ContentRetired
"""What is said about a whole asset."""


def asset_of(event: Event) -> tuple[str, str]:
    """(tenant, asset id) of whom the payload tells. Raises `BadEvent` for payloads that no sink reads."""
    data = event.data
    match data:
        case Annotations():
            return data.header.asset.tenant, data.header.asset.asset_id
        case SegmentFailed() | AssetPlanned() | AssetFailed():
            return data.asset.tenant, data.asset.asset_id
        case AssetDeleted():
            return event.tenant, data.asset_id
        case ContentRetired():
            return data.tenant, data.asset_id
    raise BadEvent(f"no sink reads {event.type!r}", code="unknown_type")


@dataclass(slots=True)
class SinkBatch:
    """`events`: the last event of each asset, which derived events inherit from. `names`: (tenant, asset id) by key.
    `ids`: of all events.
    """

    ids: list[str] = field(default_factory=list)
    annotations: list[Annotations] = field(default_factory=list)
    failures: list[SegmentFailed] = field(default_factory=list)
    asset_events: list[tuple[str, AssetEvent]] = field(default_factory=list)
    events: dict[str, Event] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    sources: dict[tuple[str, AssetVersion, int], Event] = field(default_factory=dict)

    @property
    def aims(self) -> list[Aim]:
        """What the batch was planned for and made by."""
        headers = [item.header for item in self.annotations]
        made = [Aim(space=header.space.key, epoch_ms=header.epoch_ms) for header in headers]
        return [
            *made,
            *(asset_event.aim for _, asset_event in self.asset_events if isinstance(asset_event, AssetPlanned)),
        ]

    @classmethod
    def of(cls, events: Sequence[Event]) -> "SinkBatch":
        """Raises `BadEvent` for a deletion without a version (plan sets it) and for payloads no sink reads."""
        batch = cls()
        for event in events:
            batch._take(event)
        return batch

    def _take(self, event: Event) -> None:
        data = event.data
        names = asset_of(event)
        key = asset_key(*names)
        self.ids.append(event.id)
        match data:
            case Annotations():
                self.annotations.append(data)
                self.sources[key, data.header.asset.version, data.header.segment] = event
            case SegmentFailed():
                self.failures.append(data)
                self.sources[key, data.asset.version, data.segment] = event
            case AssetDeleted() if data.version is None:
                raise BadEvent("a deletion reached a sink without its version", code="invalid_payload")
            case AssetPlanned() | AssetFailed() | AssetDeleted() | ContentRetired():
                self.asset_events.append((key, data))
        self.events[key] = event
        self.names[key] = names


Lengths = Mapping[tuple[str, AssetVersion], tuple[int, int]]
"""(segments, duration in ns) of asset versions, by asset key and version."""


def progress(
    batch: SinkBatch, stage: str, void: Sequence[AnnotationsHeader], lengths: Lengths | None = None
) -> list[Event]:
    """One `SegmentProgressed` per asset version and segment of the batch, void rows as superseded.

    A failure tells no length: where `lengths` has none either, a whole cell is assumed.
    """
    # By version as well: one batch may hold void and valid rows of the same cell.
    voided = {(header.segment_id, header.asset.version) for header in void}
    reports: dict[tuple[str, AssetVersion, int], SegmentProgressed] = {}
    for failure in batch.failures:
        key = _cell_key(failure.asset, failure.segment)
        count, duration_ns = (lengths or {}).get(key[:2], (failure.segment + 1, (failure.segment + 1) * SEGMENT_NS))
        # The failure itself proves that there are so many cells.
        count = max(count, failure.segment + 1)
        outcome = Outcome(failure.outcome)
        reports[key] = segment_report(failure.asset, stage, failure.segment, count, duration_ns, outcome=outcome)
    # After the failures, so that rows of the same cell replace its failure.
    for item in batch.annotations:
        header = item.header
        gone = (header.segment_id, header.asset.version) in voided
        reports[_cell_key(header.asset, header.segment)] = segment_report(
            header.asset,
            stage,
            header.segment,
            header.segment_count,
            header.end_ns,
            outcome=Outcome.SUPERSEDED if gone else Outcome.DONE,
        )
    # The outcome is part of the id: a cell that failed and later succeeded has two different events.
    return [
        batch.sources[key].derive(
            report, id=digest("progress", stage, key[0], *key[1], report.segment, report.outcome.value)
        )
        for key, report in reports.items()
    ]


def _cell_key(asset: AssetRef, segment: int) -> tuple[str, AssetVersion, int]:
    return asset_key(asset.tenant, asset.asset_id), asset.version, segment
