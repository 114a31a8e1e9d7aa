"""One writer per store, from `open` to `close`. It commits durably."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sinks.durability.durable_store import LOCAL_DISK, Disk
from sinks.holds import DirectoryHold, Hold, LeaseHold
from sinks.layout import Layout, differing
from sinks.location import Location, Place
from sinks.store_errors import guarded

_DEAD_LETTERS = "dead_letters.lance"
_OF_OTHERS = ("assets.lance", "segments.lance")
"""Folders of tables that say of the others what these hold, and are written after them."""


class Writer:
    """The right to write one `store` under `place`. Held by a lock in a directory, by a lease on an object store."""

    def __init__(
        self,
        place: Place,
        store: str,
        file_name: str,
        *,
        owned: Callable[[str], bool],
        disk: Disk,
        alone: bool = True,
    ) -> None:
        self._location = Location.of(place)
        self._store = store
        self._alone = alone  # nobody else changes or tidies the tables
        self._hold: Hold
        if self._location.path is None:
            self._hold = LeaseHold(self._location, store, file_name)
        else:
            self._hold = DirectoryHold(
                self._location, store, file_name, owned=owned, written_last=_OF_OTHERS, disk=disk
            )

    @property
    def lost(self) -> bool:
        """Whether another process has become the writer since: then this one has to enter anew."""
        return self._hold.lost

    def epoch(self) -> int | None:
        """What the tables are fenced with (see `Hold.epoch`)."""
        return self._hold.epoch

    def enter(self) -> None:
        """Become the writer, and bring back what a power cut tore; again is harmless. Raises `Unavailable`
        (`store_locked`) while another one is at work, `store_unavailable` where nothing can be written; `Fatal`
        (`shards_differ`) at the root of a store that is divided into shards.
        """
        with guarded(self._location, self._store):
            self._hold.take(self._require_whole)

    def sync(self) -> None:
        """What was committed outlives a power cut when this returns: before files of older versions are deleted, too.
        Raises `Unavailable`.
        """
        with self._guarded():
            self._hold.sync()

    def sync_files(self) -> None:
        """As `sync` before a removal, by a process that is not the writer."""
        with self._guarded():
            self._hold.sync_files()

    @contextmanager
    def committing(self, close: Callable[[], None], min_free_bytes: int = 0) -> Iterator[None]:
        """One commit, durable where the block ends well; in words where it fails (see `guarded`). Whatever fails, the
        store is closed by `close`, so that the next commit opens it anew; nobody is at its tables after that.
        """
        try:
            with self._guarded():
                self._hold.before_commit(close, min_free_bytes)
                yield
                self._hold.sync()
        except Exception:
            close()
            self._hold.after_failure()
            raise

    def leave(self) -> None:
        """Idempotent."""
        with self._guarded():
            self._hold.release()

    def _require_whole(self) -> None:
        # With the lock, as the store may have been divided while this one waited for it.
        if self._alone and (found := Layout.of(self._location)).divided:
            raise differing(found, 1)

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._location, self._store, writer=self._alone)


def index_writer(place: Place, disk: Disk = LOCAL_DISK) -> Writer:
    return Writer(place, "the index", "index", owned=lambda name: name != _DEAD_LETTERS, disk=disk)


def delta_writer(place: Place, disk: Disk = LOCAL_DISK) -> Writer:
    return Writer(place, "the Delta table", "delta", owned=lambda _name: True, disk=disk)


def dead_letter_writer(place: Place, disk: Disk = LOCAL_DISK) -> Writer:
    return Writer(
        place, "the dead-letter store", "letters", owned=lambda name: name == _DEAD_LETTERS, disk=disk, alone=False
    )


def epoch_of(writer: Writer | None) -> Callable[[], int | None]:
    """What fences the tables of a writer; of nobody, nothing."""
    return (lambda: None) if writer is None else writer.epoch


@contextmanager
def writing(*writers: Writer) -> Iterator[None]:
    """Be the writer of all these stores for the block. What it wrote is durable where it ends well."""
    entered: list[Writer] = []
    try:
        for writer in writers:
            writer.enter()
            entered.append(writer)
        yield
        for writer in writers:
            writer.sync()
    finally:
        for writer in entered:
            writer.leave()


def all_writers(index: Place, parquet: Place) -> list[Writer]:
    """Of every shard of both stores, and of dead letters. Raises `Fatal` (`shards_unreadable`)."""
    shards = [*map(index_writer, Layout.of(index).places), *map(delta_writer, Layout.of(parquet).places)]
    return [*shards, dead_letter_writer(index)]


def recover_stores(index: Place, parquet: Place) -> None:
    """Bring back what a power cut tore, before anybody reads. Nobody may be writing."""
    for writer in all_writers(index, parquet):
        writer.enter()
        writer.leave()
