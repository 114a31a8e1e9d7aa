"""A store that outlives a power cut: new files are synced before a batch is acknowledged; a mark says how far."""

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from sinks.durability.delta_files import LOG, DeltaFiles
from sinks.durability.lance_files import LanceFiles
from sinks.durability.mark import Mark, MarkFile
from sinks.durability.table_files import Listing, TableFiles
from stream.files import Sync, sync

_THREADS = 16  # a disk takes the syncs of many files at once in about the time of one
_SLACK_NS = 2_000_000_000  # of a file system's times
_MOST_BEYOND = 100
"""Versions of a table between two syncs. Where there are more, somebody wrote who knows no mark."""
_log = logging.getLogger(__name__)


def boot_id() -> str:
    """Which run of the machine this is; always the same where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Disk:
    """What makes files durable, and the run of the machine."""

    sync: Sync = sync
    boot: Callable[[], str] = boot_id


LOCAL_DISK = Disk()


class DurableStore:
    """The tables under `directory` for which `owned(name)` holds; of one writer, who has the lock. Thread-safe.

    Files reach the disk in any order, so after a power cut newer versions of a table may be torn, and one table may be
    ahead of another. The mark decides: `recover` takes back what lies beyond it, which nobody has acknowledged.
    `written_last`: folders of tables that rely on the others. A sync beside a commit takes them at an earlier moment.
    """

    def __init__(
        self,
        directory: Path,
        mark_name: str,
        *,
        owned: Callable[[str], bool],
        written_last: Sequence[str] = (),
        disk: Disk = LOCAL_DISK,
    ) -> None:
        self._directory = directory
        self._owned = owned
        self._written_last = written_last
        self._disk = disk
        self._mark = MarkFile(directory, mark_name)
        self._seen = Listing()
        self._marked: Mark | None = None
        self._failed = False
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def recover(self) -> None:
        """Before the tables are opened: begin at the mark, where the disk may have lost what came later. Raises
        `OSError`.
        """
        with self._lock:
            mark = self._mark.read()
            tables = self._tables()
            # A killed process alone takes nothing back: what it wrote is in the system's memory still (ADR 0042).
            if mark is not None and (self._failed or mark.boot != self._disk.boot()):
                self._roll_back(tables, mark)
            self._seen = self._synced_before(tables)
            # Only now: where taking back has failed, it is due still.
            self._marked, self._failed = None, False
        if mark is None:  # new, or of a release that had none: what is there now is where it begins
            self.sync()

    @property
    def failed(self) -> bool:
        """Whether a sync failed: what it was asked for may be lost although it can still be read. `recover` is due,
        with every table closed.
        """
        return self._failed

    def sync(self) -> None:
        """What the tables hold now outlives a power cut when this returns: for what is acknowledged, and before files
        of older versions are deleted. Raises `OSError`, also for what another thread's sync failed at.
        """
        with self._lock:
            if self._failed:  # Linux says of the next sync that all is well
                raise OSError(errno.EIO, f"files under {self._directory} were not synced")
            began_ns = time.monotonic_ns()
            listing = Listing()
            positions = {name: files.look(listing, self._seen) for name, files in self._tables().items()}
            mark = Mark(self._disk.boot(), positions)
            # The name of a new table is durable only with the folder it is in.
            if self._marked is None or self._marked.tables.keys() != positions.keys():
                listing.unsynced.append(self._directory)
            if listing.unsynced or mark != self._marked:
                self._make_durable(listing, mark, began_ns)
            self._seen, self._marked = listing, mark

    def sync_files(self) -> None:
        """As `sync`, for who has no lock and may not mark: the newest versions are whole if older ones are gone."""
        with self._lock:
            listing = Listing()
            for files in self._tables().values():
                # Against nothing: what another process has synced is not known here.
                files.look(listing, Listing())
            self._sync_all(listing)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()

    def _make_durable(self, listing: Listing, mark: Mark, began_ns: int) -> None:
        try:
            self._sync_all(listing)
            # After every file: the mark is the one commit of all tables.
            self._mark.write(replace(mark, took_ns=time.monotonic_ns() - began_ns), self._disk.sync)
        except BaseException:
            # Not before: a commit that begins beside upkeep's sync asks meanwhile.
            self._failed = True
            raise

    def _sync_all(self, listing: Listing) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sync")
        # Read to the end, as only that raises what a thread met.
        list(self._threads.map(self._disk.sync, dict.fromkeys(listing.unsynced)))

    def _tables(self) -> dict[str, TableFiles]:
        """By folder; in the order in which they are looked at."""
        # Those that rely on others come first: what they name is then found in the others.
        late = {name: place for place, name in enumerate(self._written_last)}
        found = [path.name for path in self._directory.iterdir() if self._owned(path.name)]
        ordered = sorted(found, key=lambda name: (late.get(name, len(late)), name))
        kinds = ((name, _kind(self._directory / name)) for name in ordered)
        return {name: files for name, files in kinds if files is not None}

    def _synced_before(self, tables: Mapping[str, TableFiles]) -> Listing:
        """What lay there when the tables were looked at for the mark, which need not be synced again. What came while
        others were synced was not looked at.
        """
        listing = Listing()
        if (looked_ns := self._mark.looked_ns()) is not None:
            for files in tables.values():
                files.look(listing, Listing())
            listing.keep_older(looked_ns - _SLACK_NS)
        return listing

    def _roll_back(self, tables: Mapping[str, TableFiles], mark: Mark) -> None:
        for name, files in tables.items():
            position = files.look(Listing(), Listing())
            marked = mark.tables.get(name)
            beyond = position["version"] - (marked or {"version": 0})["version"]
            if beyond > _MOST_BEYOND:
                _log.warning("%s: %d versions are not marked as synced; kept, another release wrote them", name, beyond)
                continue
            if position != marked:
                _log.warning("%s: back to %s from %s, which was not synced", name, marked or "nothing", position)
            for path in files.roll_back(marked):
                self._disk.sync(path)


def _kind(folder: Path) -> TableFiles | None:
    if folder.suffix == ".lance":
        return LanceFiles(folder)
    return DeltaFiles(folder) if (folder / LOG).is_dir() else None
