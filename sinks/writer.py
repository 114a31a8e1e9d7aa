"""One writer per store, enforced: a lock file beside the tables, held from `open` to `close`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from sinks.store_errors import guarded, require_space
from stream.errors import Unavailable

LOCK_SUFFIX = ".lock"


class Writer:
    """The right to write one `store` under `directory`. The system takes it back when the process ends, however."""

    def __init__(self, directory: Path, store: str, file_name: str) -> None:
        self._directory = directory
        self._store = store
        self._lock = FileLock(directory / f"{file_name}{LOCK_SUFFIX}", thread_local=False)

    def enter(self) -> None:
        """Make the directory and become its writer; again is harmless. Raises `Unavailable` (`store_locked`) while
        another one is at work, `store_unavailable` where nothing can be written.
        """
        if self._lock.is_locked:
            return
        with guarded(self._directory, self._store):
            self._directory.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise Unavailable(
                    f"{self._store} at {self._directory} has another writer; this one starts when that has ended",
                    code="store_locked",
                ) from None

    def leave(self) -> None:
        """Idempotent."""
        self._lock.release(force=True)


def index_writer(directory: Path) -> Writer:
    return Writer(directory, "the index", "index")


def delta_writer(directory: Path) -> Writer:
    return Writer(directory, "the Delta table", "delta")


def dead_letter_writer(directory: Path) -> Writer:
    return Writer(directory, "the dead-letter store", "letters")


@contextmanager
def writing(*writers: Writer) -> Iterator[None]:
    """Be the writer of all these stores for the block."""
    entered: list[Writer] = []
    try:
        for writer in writers:
            writer.enter()
            entered.append(writer)
        yield
    finally:
        for writer in entered:
            writer.leave()


class _Closing(Protocol):
    def close(self) -> None: ...


@contextmanager
def committing(store: _Closing, directory: Path, name: str, min_free_bytes: int) -> Iterator[None]:
    """One commit of the writer of `directory`, in the words of `name` where it fails (see `guarded`). Whatever fails,
    the store is closed, so that the next commit opens it anew.
    """
    try:
        with guarded(directory, name, writer=True):
            require_space(directory, min_free_bytes)
            yield
    except Exception:
        store.close()
        raise
