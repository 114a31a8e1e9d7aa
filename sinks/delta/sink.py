"""The Parquet sink: the same annotations as the index, as a Delta table, by the same fold."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from sinks.assets.fold import fold
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.sink_batch import SinkBatch, progress
from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.compaction_policy import Cadence, CadencePolicy
from sinks.delta.held import Void
from sinks.delta.store import DeltaStore
from sinks.durability.durable_store import LOCAL_DISK, Disk
from sinks.location import Location, Place
from sinks.store_errors import MIN_FREE_BYTES, guarded
from sinks.upkeep_thread import UpkeepThread
from sinks.writer import delta_writer
from stream.clock import Clock, SystemClock
from stream.errors import StageError
from stream.events.asset import AssetDeleted, ContentRetired
from stream.events.base import Event

_log = logging.getLogger(__name__)


class DeltaSink:
    """Single writer of `place`. Reads topics `annotations` and `retirements` in any interleaving; what is retired
    stays void however late it arrives. A batch is durable when `process` returns.
    """

    def __init__(
        self,
        place: Place,
        clock: Clock | None = None,
        *,
        min_free_bytes: int = MIN_FREE_BYTES,
        cadence: CadencePolicy | None = None,
        disk: Disk = LOCAL_DISK,
    ) -> None:
        self._clock = clock or SystemClock()
        self._location = Location.of(place)
        self._min_free_bytes = min_free_bytes
        self._cadence = Cadence(cadence or CadencePolicy(), self._clock)
        self._tending = UpkeepThread("the Delta table", self._tend)
        self._writer = delta_writer(place, disk)
        self.store = DeltaStore(place, self._writer.sync, self._writer.epoch)

    def open(self) -> None:
        """Become the writer (see `sinks.writer`), undo what a kill cut off and finish a sweep."""
        self._writer.enter()
        with guarded(self._location, "the Delta table", writer=True):
            self.store.open()
            self.store.upgrade()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """Yields `SegmentProgressed` (stage `parquet`). Raises `Unavailable` while the table cannot be written."""
        batch = SinkBatch.of(events)
        if self._writer.lost:
            # What is known of the tables is from before the other writer.
            self._close_store()
            self.open()
        with self._writer.committing(self._close_store, self._min_free_bytes):
            return self._commit(batch)

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the operator's contract
        """The index says what becomes of the asset; this sink adds nothing."""
        return ()

    def close(self) -> None:
        self._tending.join()
        try:
            with guarded(self._location, "the Delta table", writer=True):
                self.store.settle()
        except StageError as error:  # nothing is lost, and this one ends nevertheless
            _log.warning("the ledger follows the table with the next start: %s (%s)", error.message, error.code)
        self.store.close()
        self._writer.leave()

    def maintain(self, *, purge: bool = False) -> list[Event]:
        """Compact and vacuum. `purge` also removes every superseded file at once; who reads one has to begin anew."""
        self._tending.join()
        with guarded(self._location, "the Delta table", writer=True):
            if purge:
                self.store.purge()
            else:
                self.store.optimize()
            self._cadence.done()
        self._writer.sync()
        return []

    def _close_store(self) -> None:
        """After upkeep has ended: tables may be taken back now."""
        self._tending.join()
        self.store.close()

    def _tend(self) -> None:
        with guarded(self._location, "the Delta table", writer=True):
            self.store.tend()

    def _commit(self, batch: SinkBatch) -> list[Event]:
        self.store.prepare()
        told = [key for key, _ in batch.asset_events]
        held = self.store.held_by(batch.annotations, told)
        marks = self.store.marks(_oldest_ms(batch))
        retired = _raised(batch, marks)
        folded = fold(batch.annotations, {cell: known.order for cell, known in held.items()}, retired)
        void = Void.of({key: retired[key] for key in told if key in retired}, held)
        entries = [LedgerEntry.done(item, self._clock.now_ms()) for item in folded.replace]
        # Only what is new: a redelivery makes no commit.
        news = {key: mark for key, mark in retired.items() if mark != marks.get(key)}
        self.store.commit(folded.replace, held, void, entries, news)
        if folded.replace or batch.asset_events:
            self._cadence.wrote(sum(item.rows.num_rows for item in folded.replace))
        # Where a run is on still, it stays due.
        if self._cadence.due() and self._tending.start():
            self._cadence.done()
        return progress(batch, "parquet", folded.void)


def _oldest_ms(batch: SinkBatch) -> dict[str, int]:
    """By asset, when the oldest version was published of which the batch tells."""
    marks = ((key, mark) for key, event in batch.asset_events if (mark := _mark(event)) is not None)
    told = [*((key, mark.newest) for key, mark in marks), *((key, version) for key, version, _ in batch.sources)]
    oldest: dict[str, int] = {}
    for key, version in told:
        oldest[key] = min(version.append_ms, oldest.get(key, version.append_ms))
    return oldest


def _raised(batch: SinkBatch, marks: Mapping[str, Retirement]) -> dict[str, Retirement]:
    """The watermarks of the batch's assets, raised by what the batch says."""
    raised = dict(marks)
    for key, asset_event in batch.asset_events:
        if (mark := _mark(asset_event)) is not None:
            raised[key] = raised.get(key, NOTHING_RETIRED).joined(mark)
    return raised


def _mark(asset_event: object) -> Retirement | None:
    match asset_event:
        case AssetDeleted():
            return Retirement(deleted=asset_event.version)
        case ContentRetired():
            return Retirement.of(asset_event)
    return None
