"""Events that were accepted and are not handed on yet, in a file of the service that outlives it."""

from pathlib import Path

from stream.database import PrivateDatabase
from stream.errors import Unavailable
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
        self._file = PrivateDatabase(
            path,
            _TABLE,
            lambda why: Unavailable(
                f"the file of publications {path} cannot be used ({why}): give the disk room",
                code="publications_unavailable",
            ),
        )

    def add(self, publication: NewFootage) -> None:
        """Raises `Unavailable` (`too_much_waiting`) where too many wait already."""
        tenant = publication.tenant
        with self._file.changing() as file:
            (waiting, theirs) = file.execute("SELECT COUNT(*), SUM(tenant = ?) FROM publications", (tenant,)).fetchone()
            if waiting >= MOST_WAITING or (theirs or 0) >= MOST_OF_TENANT:
                raise Unavailable("too many publications wait to be handed on already", code="too_much_waiting")
            file.execute(
                "INSERT INTO publications (publication_id, tenant, body) VALUES (?, ?, ?)",
                (publication.publication_id, tenant, publication.model_dump_json()),
            )

    def remove(self, publication_id: str) -> None:
        with self._file.changing() as file:
            file.execute("DELETE FROM publications WHERE publication_id = ?", (publication_id,))

    def waiting(self) -> list[NewFootage]:
        """In the order in which they were accepted: it decides which version of an asset is the newest."""
        with self._file.reading() as file:
            rows = file.execute("SELECT body FROM publications ORDER BY number").fetchall()
        return [NewFootage.model_validate_json(body) for (body,) in rows]

    def close(self) -> None:
        self._file.close()
