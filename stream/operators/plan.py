"""The plan operator: asset events in, `AssetPlanned` and spans out. It inspects, it never decodes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from stream.broker.contract import Record
from stream.errors import StageError, Superseded
from stream.events.aim import NO_AIM, Aim
from stream.events.asset import (
    AssetDeleted,
    AssetFailed,
    AssetPlanned,
    AssetPublished,
    AssetRef,
    DecodeSettings,
    Media,
    Outcome,
    Profile,
    SegmentProgressed,
    SourceVersion,
    SpanPlanned,
)
from stream.events.base import Event, Payload
from stream.events.grid import segment_count
from stream.events.ids import AssetVersion, digest, segment_id
from stream.events.progress import ASSET, SubjectKey, segment_report
from stream.topology.codec import enveloped
from stream.worker.outstanding import PartName

# A forgotten asset costs a second decode at most, so the oldest ones go.
MAX_REMEMBERED_ASSETS = 10_000


class Inspected(Protocol):
    """What an inspector tells (`decoders.protocol.Inspection`)."""

    @property
    def source(self) -> SourceVersion: ...
    @property
    def content_digest(self) -> str: ...
    @property
    def media(self) -> Media: ...
    @property
    def keyframes_ns(self) -> tuple[int, ...]: ...


class Inspector(Protocol):
    def inspect(self, uri: str, tenant: str) -> Inspected:
        """Raises `BadMedia` for what the tenant may not name."""


class Ledger(Protocol):
    """What is durable, asked by segment id."""

    def outcomes(self, segment_ids: Sequence[str]) -> dict[str, Outcome]:
        """Settled segments only: done under the current models, or failed since their last plan."""


SpanPlanner = Callable[[Media, Sequence[int], Sequence[int], str], Sequence[range]]
"""(media, keyframes_ns, wanted cells, profile) -> spans of consecutive cells."""
Splitter = Callable[[Media, Sequence[int], str], int | None]
"""(media, keyframes_ns, profile) -> where two processes may share an asset of one cell."""


def asset_ref(event: Event) -> AssetRef:
    """The asset version of a producer's event, which is about the asset that its payload names."""
    return AssetRef(tenant=event.tenant, project=event.project, asset_id=event.subject, version=event.version)


class PlanOperator:
    """Plans the cells that are neither durable nor outstanding, so the same content again costs no decode.

    What it planned is remembered per asset for its newest content only, and forgotten on a deletion: forgetting costs a
    second decode at most, remembering too much would leave an asset without its cells. So it counts while the broker
    shows that it may still come (ADR 0035), for other publications only (one that comes again, as its outputs were not
    delivered, plans again what it had planned), and not where the index, which knows what other planning processes and
    sweeps did, asks for a replan.

    `warm` waits for the inspector, before there is a record that would wait for it. `aim` is what the ledger judges by.
    Without `dense` no cell is decoded for the dense view, as nobody looks at it.
    """

    def __init__(
        self,
        inspector: Inspector,
        ledger: Ledger,
        span_planner: SpanPlanner,
        warm: Callable[[], None] = lambda: None,
        *,
        aim: Aim = NO_AIM,
        split: Splitter = lambda *_: None,
        dense: bool = True,
    ) -> None:
        self._aim = aim
        self._dense = dense
        self._inspector = inspector
        self._warm = warm
        self._ledger = ledger
        self._span_planner = span_planner
        self._split = split
        # By asset: its content, and which publication planned each cell.
        self._outstanding: dict[tuple[str, str], tuple[str, dict[int, AssetVersion]]] = {}
        self._coming: Callable[[Collection[PartName]], set[PartName]] = set

    def ask(self, coming: Callable[[Collection[PartName]], set[PartName]]) -> None:
        """Who knows which planned cells may still come; without one all of them may."""
        self._coming = coming

    def open(self) -> None:
        self._warm()

    def close(self) -> None:
        pass

    def process(self, events: Sequence[Event[AssetPublished | AssetDeleted]]) -> Iterable[Event]:
        for event in events:
            ref = asset_ref(event)
            data = event.data
            if isinstance(data, AssetDeleted):
                # Also where nothing was planned: a later publication must plan everything again.
                self._outstanding.pop((ref.tenant, ref.asset_id), None)
                yield _emit(event, ref, data.model_copy(update={"version": ref.version}), "deleted")
            else:
                yield from self._plan(event, ref, data)

    def failed(self, event: Event[AssetPublished | AssetDeleted], error: StageError) -> Iterable[Event]:
        if isinstance(event.data, AssetPublished):
            ref = asset_ref(event)
            failure = AssetFailed(
                asset=ref,
                uri=event.data.uri,
                stage="plan",
                code=error.code,
                message=error.message[:2000],
                labels=event.data.labels,
            )
            yield _emit(event, ref, failure, "failed")

    def unreadable(self, record: Record, error: StageError) -> Iterable[Event]:
        return unreadable_asset(record, error, stage="plan")

    def _plan(self, event: Event, ref: AssetRef, data: AssetPublished) -> Iterable[Event]:
        found = self._inspector.inspect(data.uri, event.tenant)
        # The size is the publisher's word about a finished file. Another one means that it is still being written.
        if data.size_bytes is not None and data.size_bytes != found.source.size_bytes:
            raise Superseded(
                f"the event says {data.size_bytes} bytes, the source has {found.source.size_bytes};"
                " publish the asset again when it is complete",
                code="source_changed",
            )
        planned = AssetPlanned(
            asset=ref,
            uri=data.uri,
            content_digest=found.content_digest,
            settings=self._settings(data.profile, found),
            media=found.media,
            segment_count=segment_count(found.media.duration_ns),
            labels=data.labels,
            priority=data.priority,
            retention_days=data.retention_days,
            aim=self._aim,
            source=found.source,
            published_ms=event.first_append_ms or None,
        )
        # The index asks for a replan because it knows better than this memory what is lost.
        if data.replan:
            self._outstanding.pop((ref.tenant, ref.asset_id), None)
        wanted = self._wanted(planned)
        done = sorted(set(range(planned.segment_count)) - set(wanted))
        planned = planned.model_copy(update={"assumed_done": tuple(done)})
        # The plan before its spans: the index should know the asset when its first cell comes.
        yield _emit(event, ref, planned, "planned")
        yield from self._spans(event, planned, found, wanted)
        # Last: what could not be sent must not count as outstanding.
        self._remember(planned, wanted)

    def _settings(self, profile: Profile, found: Inspected) -> DecodeSettings:
        # Profile `fast` never has a dense view: its cells are the same either way.
        dense = self._dense or profile == "fast"
        # Without one most of a clip is not decoded at all.
        split_ns = self._split(found.media, found.keyframes_ns, profile) if dense else None
        return DecodeSettings(profile=profile, dense=dense, split_ns=split_ns)

    def _wanted(self, planned: AssetPlanned) -> list[int]:
        key = planned.content_key
        ids = {segment: segment_id(key, segment) for segment in range(planned.segment_count)}
        outcomes = self._ledger.outcomes(list(ids.values()))
        unsettled = {segment: by for segment, by in self._waiting(planned).items() if ids.get(segment) not in outcomes}
        waiting = self._still(planned.asset, unsettled)
        if len(waiting) < len(unsettled):  # the others are lost, or have become durable since the ledger was asked
            outcomes = self._ledger.outcomes(list(ids.values()))
            waiting = {segment: by for segment, by in waiting.items() if ids.get(segment) not in outcomes}
        self._outstanding[planned.asset.tenant, planned.asset.asset_id] = (key, waiting)
        done = {segment for segment, name in ids.items() if outcomes.get(name) is Outcome.DONE}
        return [segment for segment in ids if segment not in done | waiting.keys()]

    def _still(self, ref: AssetRef, waiting: dict[int, AssetVersion]) -> dict[int, AssetVersion]:
        """Without what is lost."""
        names = {
            segment: PartName(SubjectKey(ASSET, ref.tenant, ref.asset_id, by), segment)
            for segment, by in waiting.items()
        }
        coming = self._coming(names.values()) if names else set()
        return {segment: by for segment, by in waiting.items() if names[segment] in coming}

    def _waiting(self, planned: AssetPlanned) -> dict[int, AssetVersion]:
        """The cells of the same content that other publications planned."""
        ref = planned.asset
        key, outstanding = self._outstanding.get((ref.tenant, ref.asset_id), ("", {}))
        if key != planned.content_key:
            return {}
        return {segment: by for segment, by in outstanding.items() if by != ref.version}

    def _remember(self, planned: AssetPlanned, wanted: list[int]) -> None:
        owner = (planned.asset.tenant, planned.asset.asset_id)
        # Popped and set again, so that the dict stays ordered by the last publication.
        key, waiting = self._outstanding.pop(owner, (planned.content_key, {}))
        if waiting or wanted:
            self._outstanding[owner] = (key, waiting | dict.fromkeys(wanted, planned.asset.version))
        while len(self._outstanding) > MAX_REMEMBERED_ASSETS:
            self._outstanding.pop(next(iter(self._outstanding)))

    def _spans(self, event: Event, planned: AssetPlanned, found: Inspected, wanted: list[int]) -> Iterable[Event]:
        ref = planned.asset
        for cells in self._span_planner(found.media, found.keyframes_ns, wanted, planned.settings.profile):
            span = SpanPlanned(
                asset=ref,
                uri=planned.uri,
                source=found.source,
                content_digest=found.content_digest,
                settings=planned.settings,
                media=found.media,
                first_segment=cells.start,
                end_segment=cells.stop,
                segment_count=planned.segment_count,
                labels=planned.labels,
                priority=planned.priority,
                aim=planned.aim,
            )
            yield _emit(event, ref, span, f"span/{cells.start}")
            # One report for each cell: `progress` is how others learn what waits for decode (ADR 0019).
            for segment in cells:
                count, length_ns = planned.segment_count, found.media.duration_ns
                report = segment_report(ref, "plan", segment, count, length_ns, priority=planned.priority)
                yield progressed(event, report.model_copy(update={"published_ms": planned.published_ms}))


def unreadable_asset(record: Record, error: StageError, *, stage: str) -> Iterator[Event]:
    """What the rest of the topology learns of a record that is no event: the asset that it publishes, if it names one.
    Where it does not there is a letter and no asset.
    """
    # Only the envelope decides. Key and subject are for routing and count for nothing (ADR 0036).
    said = enveloped(record)
    asset_id = AssetPublished.named_in(said.data) if said is not None and said.type == AssetPublished.type else None
    if said is None or asset_id is None:
        return
    version = AssetVersion(record.append_time_ms, record.offset)
    failure = AssetFailed(
        asset=AssetRef(tenant=said.tenant, project=said.project, asset_id=asset_id, version=version),
        stage=stage,
        code=error.code,
        message=error.message[:2000],
    )
    yield Event(
        data=failure,
        tenant=said.tenant,
        project=said.project,
        subject=asset_id,
        event_time_ms=record.append_time_ms,
        # The record's place, because a record that is no event may have no id.
        id=digest("asset-failed", record.topic, record.partition, record.offset, record.append_time_ms),
    )


def progressed(event: Event, report: SegmentProgressed) -> Event:
    """The small event that says a stage is through with a cell."""
    return _emit(event, report.asset, report, f"progress/{report.stage}/{report.segment}")


def _emit(event: Event, ref: AssetRef, data: Payload, what: str) -> Event:
    # Made of the version, so that a publication that is processed again sends the same events.
    return event.derive(data, id=digest(ref.tenant, ref.asset_id, *ref.version, what))
