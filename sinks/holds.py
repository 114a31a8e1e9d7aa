"""What makes one process the writer of a store, and its commits durable: in a directory, and on an object store."""

import logging
from collections.abc import Callable
from typing import Protocol

from filelock import FileLock, Timeout

from sinks.durability.durable_store import Disk, DurableStore
from sinks.location import Location
from sinks.storage.lease import Lease
from sinks.store_errors import require_space
from stream.errors import Unavailable
from stream.files import make_folder

_log = logging.getLogger(__name__)


class Hold(Protocol):
    """The right of one process to write one store. Its errors are judged by `guarded`."""

    @property
    def lost(self) -> bool:
        """Whether another process has it since it was taken here: then it has to be taken anew."""

    @property
    def epoch(self) -> int | None:
        """What fences the tables against holders before this one; None where the system sees to it."""

    def take(self, check: Callable[[], None]) -> None:
        """Raises `Unavailable` (`store_locked`) while another has it, and what `check` raises once it is held."""

    def before_commit(self, close: Callable[[], None], min_free_bytes: int) -> None:
        """`close` the tables where they have to be opened anew."""

    def sync(self) -> None:
        """What was committed outlives a power cut, and was committed by the one who may."""

    def sync_files(self) -> None:
        """As `sync`, for a process that does not hold it."""

    def after_failure(self) -> None:
        """Find out whether it is held still. Raises nothing."""

    def release(self) -> None:
        """Idempotent."""


class DirectoryHold:
    """A lock file, which the system takes back when the process ends, however; and syncs."""

    lost = False
    epoch = None

    def __init__(
        self,
        location: Location,
        store: str,
        file_name: str,
        *,
        owned: Callable[[str], bool],
        written_last: tuple[str, ...],
        disk: Disk,
    ) -> None:
        folder = location.directory
        self._location = location
        self._store = store
        self._disk = disk
        # For all threads: a shard is handed over by another thread than took it.
        self._lock = FileLock(folder / f"{file_name}.lock", thread_local=False)
        self._durable = DurableStore(folder, f"{file_name}.synced", owned=owned, written_last=written_last, disk=disk)

    def take(self, check: Callable[[], None]) -> None:
        """Also bring back what a power cut tore."""
        if self._lock.is_locked:
            return
        make_folder(self._location.directory, self._disk.sync)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise Unavailable(
                f"{self._store} at {self._location} has another writer; this one starts when that has ended",
                code="store_locked",
            ) from None
        try:
            check()
            self._durable.recover()
        except BaseException:
            self._lock.release()  # or the next attempt would take the store for recovered
            raise

    def before_commit(self, close: Callable[[], None], min_free_bytes: int) -> None:
        require_space(self._location, min_free_bytes)
        if self._durable.failed:  # of an earlier commit, or of upkeep between two
            close()
            self._durable.recover()

    def sync(self) -> None:
        self._durable.sync()

    def sync_files(self) -> None:
        self._durable.sync_files()
        self._durable.close()

    def after_failure(self) -> None:
        """The system tells of no loss."""

    def release(self) -> None:
        self._durable.close()
        self._lock.release(force=True)


class LeaseHold:
    """A lease. An object is durable when it is written, and there is no disk to fill."""

    def __init__(self, location: Location, store: str, file_name: str) -> None:
        self._lease = Lease(location, store, f"{file_name}.lease")

    @property
    def lost(self) -> bool:
        return self._lease.lost

    @property
    def epoch(self) -> int | None:
        return self._lease.epoch

    def take(self, check: Callable[[], None]) -> None:
        self._lease.take()
        try:
            check()
        except BaseException:
            self._lease.release()
            raise

    def before_commit(self, close: Callable[[], None], min_free_bytes: int) -> None:
        """The fences in the tables tell."""

    def sync(self) -> None:
        self._lease.check()

    def sync_files(self) -> None:
        """Objects are durable."""

    def after_failure(self) -> None:
        try:
            self._lease.check()
        except Exception:  # noqa: BLE001 - the failure itself is told
            return

    def release(self) -> None:
        try:
            self._lease.release()
        except Exception as error:  # noqa: BLE001 - a lease that is not given back ends by itself
            _log.warning("a lease is not given back, so the next writer waits for its end (%s)", type(error).__name__)
