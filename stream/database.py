"""A small SQLite file of one machine: what a service has to remember over a restart."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import Unavailable
from stream.files import make_folder


class PrivateDatabase:
    """Thread-safe; several processes can share `path`, which its owner alone may read. `tables` is a script that makes
    what is missing. A change is on disk when its block ends. Everything raises the error that `trouble` makes of the
    kind of what failed.
    """

    def __init__(self, path: Path, tables: str, trouble: Callable[[str], Unavailable]) -> None:
        self._trouble = trouble
        self._lock = threading.Lock()
        with self._telling():
            make_folder(path.parent)
            # With its rights from the first moment; what SQLite adds beside it gets the same.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._file = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            # What was answered must outlive a power cut.
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(tables)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Each statement by itself."""
        with self._telling(), self._lock:
            yield self._file

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """All of the block's changes, or none."""
        with self._telling(), self._lock:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield self._file
                self._file.execute("COMMIT")
            except BaseException:
                self._file.execute("ROLLBACK")
                raise

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(type(error).__name__) from None
