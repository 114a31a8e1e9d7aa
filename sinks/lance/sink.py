"""The index sink: annotations and asset events into LanceDB, and what follows from them for producers and sinks."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from sinks.assets.asset_status import outcomes_of
from sinks.assets.fold import Fold, fold
from sinks.assets.ledger_entries import LedgerEntry, known_failures, worst_failures
from sinks.assets.lifecycle import (
    AssetState,
    Settled,
    deleted,
    deletion_code,
    ended,
    ended_before,
    failed,
    planned,
    settle,
)
from sinks.assets.sink_batch import AssetEvent, Lengths, SinkBatch, progress
from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.compaction_policy import Cadence, CadencePolicy
from sinks.durability.durable_store import LOCAL_DISK, Disk
from sinks.lance.known_assets import KnownAsset
from sinks.lance.live_rows import newly_shown, shown_of
from sinks.lance.store import LanceIndex
from sinks.location import Location, Place
from sinks.store_errors import MIN_FREE_BYTES, guarded
from sinks.upkeep_thread import UpkeepThread
from sinks.writer import index_writer
from stream.clock import Clock, SystemClock
from stream.errors import StageError, Unavailable
from stream.events.aim import NO_AIM
from stream.events.annotations import AnnotationsHeader
from stream.events.asset import AssetDeleted, AssetFailed, AssetPlanned, ContentRetired
from stream.events.base import Event, Payload
from stream.events.ids import AssetVersion, asset_key, digest

_log = logging.getLogger(__name__)
_CADENCE = CadencePolicy(commits=24, growth=0.0, most_commits=24)


class LanceSink:
    """Single writer of `place`. A batch is durable when `process` returns: moments, then the ledger, then assets,
    so that a kill between two tables leaves less said than stored and redelivery completes it. `shards`: how many such
    places the store has.
    """

    def __init__(
        self,
        place: Place,
        clock: Clock | None = None,
        *,
        min_free_bytes: int = MIN_FREE_BYTES,
        cadence: CadencePolicy | None = None,
        disk: Disk = LOCAL_DISK,
        shards: int = 1,
    ) -> None:
        self._clock = clock or SystemClock()
        self._location = Location.of(place)
        self._min_free_bytes = min_free_bytes
        self._cadence = Cadence(cadence or _CADENCE, self._clock)
        self._tending = UpkeepThread("the index", self._tend)
        self._writer = index_writer(place, disk)
        self._endings: set[str] = set()
        self._unswept: dict[str, Retirement] = {}
        self._aim = NO_AIM
        self.store = LanceIndex(place, self._clock, self._writer.sync, self._writer.epoch, shards)

    def open(self) -> None:
        """Become the writer (see `sinks.writer`) and finish a sweep that was cut off."""
        self._writer.enter()
        with guarded(self._location, "the index", writer=True):
            self.store.open()
            self.store.upgrade()
            self.store.sweep(self.store.unswept())
            self._endings = self.store.endings()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """Yields `AssetChanged`, `SegmentProgressed` (stage `index`), `ContentRetired` and asked-for `AssetPublished`.

        Raises `Unavailable` while the store cannot be written.
        """
        batch = SinkBatch.of(events)
        # Records of a former roll-out may come after those of the latest.
        self._aim = max([self._aim, *batch.aims], key=lambda aim: aim.epoch_ms)
        if self._writer.lost:
            # What is known of the tables is from before the other writer.
            self._close_store()
            self.open()
        with self._writer.committing(self._close_store, self._min_free_bytes):
            return self._commit(batch)

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the operator's contract
        """A record no sink can read has no asset to speak of; the dead letter says it all."""
        return ()

    def close(self) -> None:
        self._tending.join()
        self.store.close()
        self._writer.leave()

    def maintain(self, *, purge: bool = False) -> list[Event]:
        """Sweep what is retired, end retentions, compact. `purge` also removes every byte of deleted rows and all old
        versions, for which it waits a little while they are read.
        """
        self._tending.join()
        with guarded(self._location, "the index", writer=True):
            outputs = self._expire(None)
            # Some at a time: one commit that ends a whole day's assets takes minutes.
            while more := self._expire(None):
                outputs += more
            self.store.sweep(self.store.unswept())
            self._unswept.clear()
            if purge:
                self.store.purge()
            else:
                self.store.optimize()
            self._cadence.done()
        self._writer.sync()
        return outputs

    def _close_store(self) -> None:
        """After upkeep has ended: tables may be taken back now."""
        self._tending.join()
        self.store.close()

    def _tend(self) -> None:
        with guarded(self._location, "the index", writer=True):
            self.store.tend()

    def _upkeep(self, told_with: str) -> list[Event]:
        """Beside a batch: that is durable and what ended is stored, so both are told even where tidying fails, which is
        put off until it is due again.
        """
        outputs = self._expire(told_with)
        try:
            with guarded(self._location, "the index", writer=True):
                self.store.sweep(self._unswept)
                self._unswept.clear()
        except Unavailable as error:
            _log.warning("index: a sweep is put off, %s (%s)", error.message, error.code)
            # The next use must not go on with a broken handle.
            self.store.close()
        self._tending.start()
        self._cadence.done()
        return outputs

    def _commit(self, batch: SinkBatch) -> list[Event]:
        """Moments, then the ledger, then assets, each only when what stands before it is stored."""
        known = self.store.known(batch.names)
        before = {key: item.state for key, item in known.items() if item.state is not None}
        stored = [entry for item in known.values() for entry in item.entries]
        states = dict(before)
        redelivered = _apply_asset_events(batch, states)
        folded = _folded(batch, stored, states)
        held = {item.cell: item for item in stored}
        failures = [LedgerEntry.failed(item, self._clock.now_ms()) for item in batch.failures]
        _add_redelivered_cells(redelivered, states, folded.known, known_failures(failures, held))
        done = [LedgerEntry.done(item, self._clock.now_ms()) for item in folded.replace]
        written = [*done, *worst_failures(failures, held)]
        held.update((item.cell, item) for item in written)
        settled = self._settled(states, held.values(), redelivered)
        shown = shown_of(item.state for item in settled.values())
        self.store.replace(folded.replace, shown)
        self.store.record(written, {item.cell for item in stored})
        # Before the asset rows: what rows say may be true too early, never false for too long.
        self.store.show(newly_shown(shown_of(before.values()), shown, _with_rows(stored)))
        rows = [(item.state, item.newest) for item in settled.values()]
        lying = self.store.save(rows, {key: known[key].lying for key in before})
        # After the asset rows, which hold the watermarks: a sweep that is cut off is found by these at the next start.
        left = self._swept(held.values(), {key: item.state.retirement for key, item in settled.items()})
        by_asset = _by_asset(left)
        self.store.remember(
            {
                key: KnownAsset(
                    settled[key].state if key in settled else None, tuple(by_asset.get(key, ())), lying.get(key)
                )
                for key in batch.names
            }
        )
        outputs = [event for key, item in settled.items() for event in _told(batch.events[key], key, item)]
        outputs += self._expired_with(batch)
        self._cadence.wrote(sum(item.rows.num_rows for item in folded.replace))
        if self._cadence.due() and batch.ids:
            outputs += self._upkeep(batch.ids[-1])
        return progress(batch, "index", folded.void, _lengths(states)) + outputs

    def _settled(
        self,
        states: Mapping[str, AssetState],
        ledger_entries: Iterable[LedgerEntry],
        redelivered: Mapping[str, set[AssetVersion]],
    ) -> dict[str, Settled]:
        by_asset = _by_asset(ledger_entries)
        return {
            key: settle(state, outcomes_of(by_asset.get(key, ())), redelivered.get(key, ()), self._aim)
            for key, state in states.items()
        }

    def _swept(self, ledger_entries: Iterable[LedgerEntry], retired: Mapping[str, Retirement]) -> Iterable[LedgerEntry]:
        """Delete the void rows of every asset whose ledger shows some; the entries that are left."""
        void: list[LedgerEntry] = []
        left: list[LedgerEntry] = []
        for item in ledger_entries:
            gone = retired.get(item.asset_key, NOTHING_RETIRED).voids(item.content_key, item.version)
            (void if gone else left).append(item)
        due = {item.asset_key for item in void}
        self.store.sweep({key: retired[key] for key in due}, [item.cell for item in void])
        return left

    def _expire(self, told_with: str | None) -> list[Event]:
        """Assets whose `retention_days` are over go the way of deleted ones, some at a time."""
        over = {key: ended(state, told_with) for key, state in self.store.ended(self._clock.now_ms()).items()}
        if over and told_with is not None:
            self._endings.add(told_with)
        # Stored before it is announced: no record causes it, so only this lets it be announced again (ADR 0013).
        self.store.save((item.state, item.newest) for item in over.values())
        self._unswept.update((key, item.state.retirement) for key, item in over.items())
        return self._endings_told(over)

    def _expired_with(self, batch: SinkBatch) -> list[Event]:
        """What `_expire` said with events that now come again."""
        known = self._endings.intersection(batch.ids)
        return self._endings_told({key: ended_before(state) for key, state in self.store.ended_by(known).items()})

    def _endings_told(self, endings: Mapping[str, Settled]) -> list[Event]:
        return [told for key, item in endings.items() for told in _told(self._event(item), key, item)]

    def _event(self, item: Settled) -> Event:
        """What the end of a retention is derived from: no event, but that time has passed."""
        return Event(
            data=item.retired[0],
            tenant=item.state.tenant,
            project=item.state.project,
            subject=item.state.asset_id,
            event_time_ms=self._clock.now_ms(),
        )


def _by_asset(ledger_entries: Iterable[LedgerEntry]) -> dict[str, list[LedgerEntry]]:
    found: dict[str, list[LedgerEntry]] = {}
    for item in ledger_entries:
        found.setdefault(item.asset_key, []).append(item)
    return found


def _apply_asset_events(batch: SinkBatch, states: dict[str, AssetState]) -> dict[str, set[AssetVersion]]:
    """Bring `states` up to date; returns the versions that were spoken of again without news."""
    redelivered: dict[str, set[AssetVersion]] = {}
    for key, asset_event in batch.asset_events:
        tenant, asset_id = batch.names[key]
        before = states.get(key) or AssetState(
            tenant=tenant, asset_id=asset_id, project=batch.events[key].project or "default"
        )
        states[key], version = _applied(before, asset_event)
        if states[key] == before and not isinstance(asset_event, ContentRetired):
            redelivered.setdefault(key, set()).add(version)
    return redelivered


def _add_redelivered_cells(
    redelivered: dict[str, set[AssetVersion]],
    states: Mapping[str, AssetState],
    known: Iterable[AnnotationsHeader],
    failures: Iterable[LedgerEntry],
) -> None:
    """Add the versions that rely on cells which came again: also a later one, whose status the cell had decided."""
    cells = [
        (asset_key(it.asset.tenant, it.asset.asset_id), it.content_key, it.segment, it.asset.version) for it in known
    ]
    cells += [(it.asset_key, it.content_key, it.segment, it.version) for it in failures]
    for key, content_key, segment, version in cells:
        attempts = states[key].attempts if key in states else ()
        redelivered.setdefault(key, set()).update(
            it.version for it in attempts if it.relies_on(content_key, segment, version)
        )


def _applied(state: AssetState, asset_event: AssetEvent) -> tuple[AssetState, AssetVersion]:
    match asset_event:
        case AssetPlanned():
            return planned(state, asset_event), asset_event.asset.version
        case AssetFailed():
            return failed(state, asset_event), asset_event.asset.version
        case AssetDeleted():
            assert asset_event.version is not None
            return deleted(state, asset_event.version, code=deletion_code(state)), asset_event.version
        case ContentRetired():
            return state.retired(Retirement.of(asset_event)), asset_event.up_to


def _folded(batch: SinkBatch, stored: Sequence[LedgerEntry], states: Mapping[str, AssetState]) -> Fold:
    orders = {item.cell: item.order for item in stored if item.space}
    return fold(batch.annotations, orders, {key: state.retirement for key, state in states.items()})


def _with_rows(ledger_entries: Iterable[LedgerEntry]) -> set[str]:
    """The contents of which there are moments."""
    return {item.content_key for item in ledger_entries if item.moment_count}


def _lengths(states: Mapping[str, AssetState]) -> Lengths:
    return {
        (key, item.version): (item.segment_count, item.duration_ns)
        for key, state in states.items()
        for item in state.attempts
        if item.content_key is not None
    }


def _told(event: Event, key: str, item: Settled) -> list[Event]:
    """The events a settled asset causes, with ids that are the same when they are caused again."""
    told: list[tuple[Payload, str]] = [
        (change, digest("changed", key, *change.asset.version, change.status.value)) for change in item.changed
    ]
    told += [(retired, digest("retired", key, *retired.up_to, retired.keep)) for retired in item.retired]
    told += [(published, digest("replan", key, *version)) for version, published in item.replans]
    return [event.derive(data, id=identity) for data, identity in told]
