"""Life cycle of an asset (pure): which version is live, what is retired, and what its producer is told."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from sinks.assets.asset_status import SUPERSEDED, Attempt, Outcomes, Standing, retirement_by, settled, standing
from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from stream.events.aim import NO_AIM, Aim
from stream.events.asset import (
    UNKNOWN_ASSET,
    AssetChanged,
    AssetFailed,
    AssetPlanned,
    AssetPublished,
    AssetRef,
    AssetStatus,
    ContentRetired,
)
from stream.events.ids import AssetVersion, asset_key
from stream.events.timecode import SourceTimecode

MAX_ASKED = 20  # bounds what a process of the former roll-out can cause (ADR 0034)
_DELETION_REASONS = {
    "deleted": "deleted by its producer",
    "retention": "the asset's retention ended",
    UNKNOWN_ASSET: "deleted by its producer, but no such asset was known",
}


class AssetState(BaseModel):
    """All that the index keeps of an asset: attempts by version, watermark, live version. `ended_by`: the event with
    which the end of its retention was announced. A redelivery of that event announces it again.

    `asked`: how often a new plan was requested because of roll-out `asked_epoch_ms`.

    Built by `planned`, `failed` and `deleted` in any order, then `settle`d against the ledger.
    """

    model_config = ConfigDict(frozen=True)
    tenant: str
    asset_id: str
    project: str = "default"
    attempts: tuple[Attempt, ...] = ()
    retirement: Retirement = NOTHING_RETIRED
    live: AssetVersion | None = None
    deletion_announced: AssetVersion | None = None
    deletion_code: str = "deleted"
    ended_by: str | None = None
    asked_epoch_ms: int = 0
    asked: int = 0

    @property
    def key(self) -> str:
        return asset_key(self.tenant, self.asset_id)

    @property
    def deleted(self) -> bool:
        """Deleted and not published since."""
        return self.retirement.deleted is not None and not self.attempts

    def attempt(self, version: AssetVersion | None) -> Attempt | None:
        return next((item for item in self.attempts if item.version == version), None)

    def joined(self, attempt: Attempt) -> Self:
        held = self.attempt(attempt.version)
        merged = attempt if held is None else held.joined(attempt)
        others = [item for item in self.attempts if item.version != attempt.version]
        attempts = tuple(sorted([*others, merged], key=lambda item: item.version))
        return self.model_copy(update={"attempts": attempts, "project": attempts[-1].project})

    def retired(self, retirement: Retirement) -> Self:
        return self.model_copy(update={"retirement": self.retirement.joined(retirement)})


def planned(state: AssetState, event: AssetPlanned) -> AssetState:
    attempt = Attempt(
        version=event.asset.version,
        project=event.asset.project,
        uri=event.uri,
        labels=event.labels,
        content_key=event.content_key,
        segment_count=event.segment_count,
        duration_ns=event.media.duration_ns,
        source_timecode=str(SourceTimecode.of(event.media) or "") or None,
        file_offset_ns=event.media.file_offset_ns,
        assumed=tuple(sorted(set(event.assumed_done))),
        notes=event.media.notes,
        profile=event.settings.profile,
        priority=event.priority,
        retention_days=event.retention_days,
        space=event.aim.space,
        epoch_ms=event.aim.epoch_ms,
        source=event.source,
        published_ms=event.published_ms,
    )
    return state.joined(attempt)


def failed(state: AssetState, event: AssetFailed) -> AssetState:
    attempt = Attempt(
        version=event.asset.version,
        project=event.asset.project,
        uri=event.uri,
        labels=event.labels,
        code=event.code,
        reason=event.message,
    )
    return state.joined(attempt)


def deleted(state: AssetState, version: AssetVersion, *, code: str = "deleted") -> AssetState:
    return state.retired(Retirement(deleted=version)).model_copy(update={"deletion_code": code})


def deletion_code(state: AssetState) -> str:
    """The code of a deletion by a producer. An asset that was never published stays unknown after its tombstone."""
    never = UNKNOWN_ASSET if state.retirement.deleted is None else state.deletion_code
    return UNKNOWN_ASSET if not state.attempts and never == UNKNOWN_ASSET else "deleted"


@dataclass(frozen=True, slots=True)
class Settled:
    """The state after a batch, and the events that follow from it. `newest` is the status of the newest attempt."""

    state: AssetState
    newest: Standing
    changed: tuple[AssetChanged, ...] = ()
    retired: tuple[ContentRetired, ...] = ()
    replans: tuple[tuple[AssetVersion, AssetPublished], ...] = ()


def settle(
    state: AssetState, outcomes: Outcomes, redelivered: Collection[AssetVersion] = (), aim: Aim = NO_AIM
) -> Settled:
    """Judge every attempt, choose the live one, raise the watermark. `redelivered`: versions whose events were
    redelivered. The events about them may have been lost with the process that emitted them, so they are emitted
    again; a retirement repeats its consequences too. `aim`: that of the latest known roll-out.
    """
    before = state.retirement.deleted
    state = _without(state, lambda item: before is not None and item.version <= before)  # deleted: nothing counts
    standings = _standings(state, outcomes)
    live = _live(state.attempts, standings)
    retired = _retired_by_deletion(state, redelivered)
    if live is not None and standings[live.version].status is AssetStatus.READY:
        held = state.retirement
        state = state.retired(retirement_by(live, state.attempts, outcomes, held))
        if state.retirement != held or live.version in redelivered:
            retired += (_retire(state, live.version, live.content_key),)
        floor = live.version
        state = _without(state, lambda item: item.version < floor)  # void from here on
        standings = _standings(state, outcomes)  # later versions may have relied on cells that are void now
    state = _without_old_failures(state)
    without_cells = {item.version for item in state.attempts if _waits_for_lost_cells(state, item, outcomes, standings)}
    in_two = {version for version, found in standings.items() if found.scattered}
    lost = {it.version for it in state.attempts if it.version in without_cells | in_two and not it.has_whole_uri}
    if lost:
        state = _with_lost(state, lost)
        standings = _standings(state, outcomes)
    if retired and not {item.up_to for item in retired}.isdisjoint(redelivered):
        redelivered = {*redelivered, *without_cells}
    replans = _replans(state, without_cells, standings, redelivered)
    asked = {version for version, _ in replans}
    state, overtaken = _overtaken(state, standings, redelivered, aim)
    replans += tuple(item for item in overtaken if item[0] not in asked)
    changed = _changed(state, standings, redelivered)
    return Settled(
        state=_announced(state, standings, live, asked),
        newest=standings[state.attempts[-1].version] if state.attempts else Standing(AssetStatus.DELETED),
        changed=changed,
        retired=retired,
        replans=replans,
    )


def _standings(state: AssetState, outcomes: Outcomes) -> dict[AssetVersion, Standing]:
    return {item.version: standing(item, outcomes, state.retirement) for item in state.attempts}


def ended(state: AssetState, announced_with: str | None) -> Settled:
    """End the retention of an asset (see `expires_at_ms`): it becomes deleted."""
    assert state.live is not None
    over = deleted(state, state.live, code="retention")  # what is published later stays
    return settle(over.model_copy(update={"ended_by": announced_with}), {})


def ended_before(state: AssetState) -> Settled:
    """The events of `ended` again. Later publications stay as they are."""
    mark = state.retirement.deleted
    assert mark is not None
    gone = Standing(AssetStatus.DELETED)
    return Settled(state, gone, changed=(_deletion(state, mark),), retired=(_retire(state, mark, None),))


def _without(state: AssetState, dropped: Callable[[Attempt], bool]) -> AssetState:
    return state.model_copy(update={"attempts": tuple(item for item in state.attempts if not dropped(item))})


def _with_lost(state: AssetState, versions: Collection[AssetVersion]) -> AssetState:
    """Mark versions whose missing cells nobody can bring: their complete uri is not stored."""
    attempts = tuple(item.model_copy(update={"lost": item.lost or item.version in versions}) for item in state.attempts)
    return state.model_copy(update={"attempts": attempts})


def _without_old_failures(state: AssetState) -> AssetState:
    """Of the versions that could not be planned, keep only the newest."""
    unplanned = [item.version for item in state.attempts if item.content_key is None]
    return _without(state, lambda item: item.content_key is None and item.version < max(unplanned))


def _live(attempts: Collection[Attempt], standings: Mapping[AssetVersion, Standing]) -> Attempt | None:
    """The newest ready version. Before that the first that has not failed: it is searchable as it grows."""
    ready = [item for item in attempts if standings[item.version].status is AssetStatus.READY]
    usable = [item for item in attempts if standings[item.version].status is not AssetStatus.FAILED]
    return ready[-1] if ready else next(iter(usable), None)


def _retire(state: AssetState, up_to: AssetVersion, keep: str | None) -> ContentRetired:
    mark = state.retirement
    keep_after = mark.keep_after if (mark.up_to, mark.keep) == (up_to, keep) else None
    return ContentRetired(tenant=state.tenant, asset_id=state.asset_id, up_to=up_to, keep=keep, keep_after=keep_after)


def _retired_by_deletion(state: AssetState, redelivered: Collection[AssetVersion]) -> tuple[ContentRetired, ...]:
    mark = state.retirement.deleted
    if mark is None or (mark == state.deletion_announced and mark not in redelivered):
        return ()
    return (_retire(state, mark, None),)


def _changed(
    state: AssetState, standings: Mapping[AssetVersion, Standing], redelivered: Collection[AssetVersion]
) -> tuple[AssetChanged, ...]:
    changed = [
        _status(state, item, standings[item.version])
        for item in state.attempts
        if item.announced is not standings[item.version].status or item.version in redelivered
    ]
    mark = state.retirement.deleted
    if mark is not None and (mark != state.deletion_announced or mark in redelivered):
        changed.append(_deletion(state, mark))
    return tuple(changed)


def _deletion(state: AssetState, mark: AssetVersion) -> AssetChanged:
    ref = AssetRef(tenant=state.tenant, project=state.project, asset_id=state.asset_id, version=mark)
    reason = _DELETION_REASONS.get(state.deletion_code)
    return AssetChanged(asset=ref, uri="", status=AssetStatus.DELETED, code=state.deletion_code, reason=reason)


def _status(state: AssetState, attempt: Attempt, found: Standing) -> AssetChanged:
    asset = AssetRef(tenant=state.tenant, project=attempt.project, asset_id=state.asset_id, version=attempt.version)
    return AssetChanged(
        asset=asset,
        uri=attempt.uri,
        status=found.status,
        labels=attempt.labels,
        segment_count=attempt.segment_count,
        segments_done=found.done,
        duration_ns=attempt.duration_ns,
        missing_ns=found.missing_ns,
        damaged_ns=found.damaged_ns,
        notes=attempt.notes,
        code=found.code,
        reason=found.reason,
    )


def _announced(
    state: AssetState,
    standings: Mapping[AssetVersion, Standing],
    live: Attempt | None,
    replanned: Collection[AssetVersion],
) -> AssetState:
    attempts = tuple(
        item.model_copy(
            update={
                "announced": standings[item.version].status,
                "superseded": standings[item.version].superseded,
                "replanned": item.replanned or item.version in replanned,
            }
        )
        for item in state.attempts
    )
    mark = state.retirement.deleted
    return state.model_copy(
        update={"attempts": attempts, "live": live.version if live else None, "deletion_announced": mark}
    )


def _replans(
    state: AssetState,
    without_cells: Collection[AssetVersion],
    standings: Mapping[AssetVersion, Standing],
    redelivered: Collection[AssetVersion],
) -> tuple[tuple[AssetVersion, AssetPublished], ...]:
    """New publications: of contents that wait for cells which were retired after plan had read the ledger, and of the
    newest version when decode found another source than plan.
    """
    newest = {item.content_key: item for item in state.attempts}
    return tuple(
        (item.version, _published(state, item))
        for item in newest.values()
        if item.has_whole_uri
        and (
            (item.version in without_cells and _is_due(state, item, redelivered))
            or _follows_source(state, item, standings, redelivered)
        )
    )


def _overtaken(
    state: AssetState, standings: Mapping[AssetVersion, Standing], redelivered: Collection[AssetVersion], aim: Aim
) -> tuple[AssetState, tuple[tuple[AssetVersion, AssetPublished], ...]]:
    """Request a new plan of the newest version if a later roll-out with another space started meanwhile: its cells are
    scattered over two spaces, or all in the former one. A process of the former roll-out may plan it again in the same
    way until it ends, so the request is repeated, at most `MAX_ASKED` times.
    """
    newest = state.attempts[-1] if state.attempts else None
    if newest is None or not newest.space or not newest.has_whole_uri:
        return state, ()
    found = standings[newest.version]
    later = max(aim.epoch_ms, found.epoch_ms)
    behind = aim.epoch_ms > found.epoch_ms and aim.space not in ("", found.space)
    finishing = found.status is AssetStatus.READY and newest.announced is not AssetStatus.READY
    due = newest.version in redelivered if newest.overtaken else found.scattered or (behind and finishing)
    asked = state.asked if state.asked_epoch_ms == later else 0
    if not due or asked > MAX_ASKED:
        return state, ()
    marked = newest.model_copy(update={"overtaken": True})
    update = {"attempts": (*state.attempts[:-1], marked), "asked_epoch_ms": later, "asked": asked + 1}
    return state.model_copy(update=update), ((newest.version, _published(state, newest)),)


def _is_due(state: AssetState, newest: Attempt, redelivered: Collection[AssetVersion]) -> bool:
    """Whether to request a content: once, and again if the request may have been lost. A requested plan reads the
    stores after the retirement; if it fails nevertheless, a repetition would fail too.
    """
    asked = {item.version for item in state.attempts if item.content_key == newest.content_key and item.replanned}
    return not asked or not asked.isdisjoint(redelivered)


def _follows_source(
    state: AssetState, item: Attempt, standings: Mapping[AssetVersion, Standing], redelivered: Collection[AssetVersion]
) -> bool:
    """Whether the source of the newest version has changed and a new plan is useful. It is not if the version before
    ended in the same way: a file that is still being written changes again and again. A final version that loses one
    more cell was replayed by a person, so a new plan is allowed.
    """
    *before, newest = state.attempts
    if item is not newest or standings[item.version].code != SUPERSEDED:
        return False
    if item.replanned:
        return item.version in redelivered
    if item.announced is not None and item.announced.final:
        return standings[item.version].superseded > item.superseded
    return not (before and before[-1].replanned and standings[before[-1].version].code == SUPERSEDED)


def _waits_for_lost_cells(
    state: AssetState, attempt: Attempt, outcomes: Outcomes, standings: Mapping[AssetVersion, Standing]
) -> bool:
    """Whether some cell that plan assumed is neither stored nor expected from a version above the watermark."""
    content = attempt.content_key
    retirement = state.retirement
    marks = [retirement.deleted, retirement.up_to if retirement.keep != content else retirement.kept_above]
    floor = max((mark for mark in marks if mark is not None), default=None)
    if content is None or floor is None or standings[attempt.version].status is not AssetStatus.PLANNED:
        return False
    coming = [item for item in state.attempts if item.content_key == content and floor < item.version < attempt.version]
    cells = outcomes.get(content, {})
    return any(
        not settled(cells.get(segment), content, state.retirement) and all(segment in item.assumed for item in coming)
        for segment in attempt.assumed
    )


def _published(state: AssetState, attempt: Attempt) -> AssetPublished:
    return AssetPublished(
        uri=attempt.uri,
        asset_id=state.asset_id,
        profile=attempt.profile,
        labels=attempt.labels,
        priority=attempt.priority,
        retention_days=attempt.retention_days,
        replan=True,  # plan then asks the stores alone, not its memory (ADR 0003)
    )


def expires_at_ms(state: AssetState) -> int | None:
    """When the live version's retention ends, unless something newer was published."""
    live = state.attempt(state.live)
    if live is None or live.retention_days is None or live is not state.attempts[-1]:
        return None
    return live.version.append_ms + live.retention_days * 86_400_000
