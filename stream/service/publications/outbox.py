"""Events that were accepted and are not handed on yet, in a file of the service that outlives it."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import Unavailable
from stream.files import make_folder, transaction
from stream.sessions.background import NewFootage

FILE = "publications.db"
MOST_WAITING, MOST_OF_TENANT = 10_000, 2_000
_TABLE = """
CREATE TABLE IF NOT EXISTS publications (
  number INTEGER PRIMARY KEY AUTOINCREMENT, publication_id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
  body TEXT NOT NULL
);
"""


class Outbox:
    """Thread-safe. A change is on disk when the call returns. Raises `Unavailable` (`publications_unavailable`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._told():
            make_folder(path.parent)
            # Addresses may hold secrets: with its rights from the first moment, which SQLite's other files get too.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._file = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(_TABLE)

    def add(self, publication: NewFootage) -> None:
        """Raises `Unavailable` (`too_much_waiting`) where too many wait already."""
        tenant = publication.tenant
        with self._changing() as file:
            (waiting, theirs) = file.execute("SELECT COUNT(*), SUM(tenant = ?) FROM publications", (tenant,)).fetchone()
            if waiting >= MOST_WAITING or (theirs or 0) >= MOST_OF_TENANT:
                raise Unavailable("too many publications wait to be handed on already", code="too_much_waiting")
            file.execute(
                "INSERT INTO publications (publication_id, tenant, body) VALUES (?, ?, ?)",
                (publication.publication_id, tenant, publication.model_dump_json()),
            )

    def remove(self, publication_id: str) -> None:
        with self._changing() as file:
            file.execute("DELETE FROM publications WHERE publication_id = ?", (publication_id,))

    def waiting(self) -> list[NewFootage]:
        """In the order in which they were accepted: it decides which version of an asset is the newest."""
        with self._told(), self._lock:
            rows = self._file.execute("SELECT body FROM publications ORDER BY number").fetchall()
        return [NewFootage.model_validate_json(body) for (body,) in rows]

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._told(), self._lock, transaction(self._file) as file:
            yield file

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(
                f"the file of publications {self._path} cannot be used ({type(error).__name__}): give the disk room",
                code="publications_unavailable",
            ) from None
