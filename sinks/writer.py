"""One writer per store, enforced by a lock file beside the tables, from `open` to `close`. It commits durably."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from filelock import FileLock, Timeout

from sinks.durability.durable_store import LOCAL_DISK, Disk, DurableStore
from sinks.layout import Layout, differing
from sinks.location import Location, Place
from sinks.store_errors import guarded, require_space
from stream.errors import Unavailable
from stream.files import make_folder

LOCK_SUFFIX = ".lock"
_DEAD_LETTERS = "dead_letters.lance"
_OF_OTHERS = ("assets.lance", "segments.lance")
"""Folders of tables that say of the others what these hold, and are written after them."""


class Writer:
    """The right to write one `store` under `place`. The system takes it back when the process ends, however."""

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
        folder = self._location.directory
        self._store = store
        self._disk = disk
        self._alone = alone  # nobody else changes or tidies the tables
        self._lock = FileLock(folder / f"{file_name}{LOCK_SUFFIX}", thread_local=False)
        self._durable = DurableStore(folder, f"{file_name}.synced", owned=owned, written_last=_OF_OTHERS, disk=disk)

    def enter(self) -> None:
        """Make the directory, become its writer and bring back what a power cut tore; again is harmless. Raises
        `Unavailable` (`store_locked`) while another one is at work, `store_unavailable` where nothing can be written;
        `Fatal` (`shards_differ`) at the root of a store that is divided into shards.
        """
        if self._lock.is_locked:
            return
        with guarded(self._location, self._store):
            make_folder(self._location.directory, self._disk.sync)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise Unavailable(
                    f"{self._store} at {self._location} has another writer; this one starts when that has ended",
                    code="store_locked",
                ) from None
            try:
                self._require_whole()
                self._durable.recover()
            except BaseException:
                self._lock.release()  # or the next attempt would take the store for recovered
                raise

    def sync(self) -> None:
        """What was committed outlives a power cut when this returns: before files of older versions are deleted, too.
        Raises `Unavailable`.
        """
        with self._guarded():
            self._durable.sync()

    def sync_files(self) -> None:
        """As `sync` before a removal, by a process that is not the writer."""
        with self._guarded():
            self._durable.sync_files()
        self._durable.close()

    @contextmanager
    def committing(self, close: Callable[[], None], min_free_bytes: int = 0) -> Iterator[None]:
        """One commit, durable where the block ends well; in words where it fails (see `guarded`). Whatever fails, the
        store is closed by `close`, so that the next commit opens it anew; nobody is at its tables after that.
        """
        try:
            with self._guarded():
                require_space(self._location, min_free_bytes)
                if self._durable.failed:  # of an earlier commit, or of upkeep between two
                    close()
                    self._durable.recover()
                yield
                self._durable.sync()
        except Exception:
            close()
            raise

    def leave(self) -> None:
        """Idempotent."""
        self._durable.close()
        self._lock.release(force=True)

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


def recover_stores(index: Place, parquet: Place) -> None:
    """Bring back what a power cut tore, before anybody reads. Nobody may be writing."""
    writers = [*map(index_writer, Layout.of(index).places), *map(delta_writer, Layout.of(parquet).places)]
    for writer in (*writers, dead_letter_writer(index)):
        writer.enter()
        writer.leave()
