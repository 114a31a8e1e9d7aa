"""Events that were accepted, until they are handed on, and for a day what became of them: in a file of the service."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from stream.database import PrivateDatabase
from stream.errors import Unavailable
from stream.sessions.background import NewFootage

FILE = "publications.db"
MOST_WAITING, MOST_OF_TENANT = 10_000, 2_000
TOLD_MS, MOST_TOLD = 24 * 3_600_000, 50_000
"""What became of a publication is told for so long, and of so many."""
_ENDED = "publication_id, tenant, project, asset_id, published_ms, code"
_TABLE = """
CREATE TABLE IF NOT EXISTS publications (
  number INTEGER PRIMARY KEY AUTOINCREMENT, publication_id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ended (
  number INTEGER PRIMARY KEY AUTOINCREMENT, publication_id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
  project TEXT NOT NULL, asset_id TEXT NOT NULL, published_ms INTEGER NOT NULL, code TEXT, ended_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS refused ON ended (tenant, number) WHERE code IS NOT NULL;
"""


class PublicationState(StrEnum):
    """`handed_on`: to who processes it; the status of the asset tells how far."""

    WAITING = "waiting"
    HANDED_ON = "handed_on"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class KeptPublication:
    """What became of one. `code`: why it was refused."""

    publication_id: str
    tenant: str
    project: str
    asset_id: str
    published_ms: int
    state: PublicationState
    code: str | None = None


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

    def end(self, publication: NewFootage, code: str | None, now_ms: int) -> None:
        """It waits no more: it was handed on, or refused with `code`."""
        given = publication
        with self._file.changing() as file:
            file.execute("DELETE FROM publications WHERE publication_id = ?", (given.publication_id,))
            file.execute(
                f"INSERT OR REPLACE INTO ended ({_ENDED}, ended_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    given.publication_id,
                    given.tenant,
                    given.project,
                    given.asset_id,
                    given.published_ms,
                    code,
                    now_ms,
                ),
            )
            # Only the oldest few are looked at, so that it costs the same however many there are.
            file.execute(
                "DELETE FROM ended WHERE number IN (SELECT number FROM"
                " (SELECT number, ended_ms FROM ended ORDER BY number LIMIT 10)"
                " WHERE ended_ms < ? OR number <= (SELECT MAX(number) FROM ended) - ?)",
                (now_ms - TOLD_MS, MOST_TOLD),
            )

    def find(self, publication_id: str, since_ms: int) -> KeptPublication | None:
        """None for one that nobody accepted, or that ended before `since_ms`."""
        with self._file.reading() as file:
            # What waits moves into the other table and never back.
            waiting = file.execute(
                "SELECT body FROM publications WHERE publication_id = ?", (publication_id,)
            ).fetchone()
            ended = file.execute(
                f"SELECT {_ENDED} FROM ended WHERE publication_id = ? AND ended_ms >= ?",  # noqa: S608
                (publication_id, since_ms),
            ).fetchone()
        if ended is not None:
            return _ended(ended)
        return None if waiting is None else _waiting(NewFootage.model_validate_json(waiting[0]))

    def refused(self, tenant: str, since_ms: int, limit: int) -> list[KeptPublication]:
        """The newest."""
        with self._file.reading() as file:
            rows = file.execute(
                f"SELECT {_ENDED} FROM ended WHERE tenant = ? AND code IS NOT NULL AND ended_ms >= ?"  # noqa: S608
                " ORDER BY number DESC LIMIT ?",
                (tenant, since_ms, limit),
            ).fetchall()
        return list(map(_ended, rows))

    def waiting(self) -> list[NewFootage]:
        """In the order in which they were accepted: it decides which version of an asset is the newest."""
        with self._file.reading() as file:
            rows = file.execute("SELECT body FROM publications ORDER BY number").fetchall()
        return [NewFootage.model_validate_json(body) for (body,) in rows]

    def close(self) -> None:
        self._file.close()


def _waiting(given: NewFootage) -> KeptPublication:
    return KeptPublication(
        given.publication_id,
        given.tenant,
        given.project,
        given.asset_id,
        given.published_ms,
        PublicationState.WAITING,
    )


def _ended(row: tuple[Any, ...]) -> KeptPublication:
    named = dict(zip(_ENDED.split(", "), row, strict=True))
    state = PublicationState.HANDED_ON if named["code"] is None else PublicationState.REFUSED
    return KeptPublication(**named, state=state)
