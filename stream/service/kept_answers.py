"""Answers to writes, for who sends the same one again: a file of the service that outlives it."""

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stream.clock import Clock
from stream.database import PrivateDatabase
from stream.errors import Unavailable
from stream.service.problems import Problem

FILE = "writes.db"
KEPT_MS = 24 * 3_600_000
MOST_BYTES = 32 << 20
LEAST_COUNTED_BYTES = 1 << 10
"""Of one write, so that `MOST_BYTES` bounds their number too."""
MOST_ANSWER_BYTES = 1 << 20
_RETRY_S = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS writes (
  name BLOB PRIMARY KEY, who BLOB NOT NULL, digest BLOB NOT NULL, state TEXT NOT NULL, status INTEGER, headers TEXT,
  body BLOB, bytes INTEGER NOT NULL, at_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS writes_of ON writes (who, at_ms, bytes);
CREATE INDEX IF NOT EXISTS writes_at ON writes (at_ms);
"""


class WriteState(StrEnum):
    """`withheld`: done, with an answer that is not kept. `cut_off`: nobody knows whether it was done."""

    BEGUN = "begun"
    ANSWERED = "answered"
    WITHHELD = "withheld"
    CUT_OFF = "cut_off"


@dataclass(frozen=True, slots=True)
class WriteName:
    """Digests: of principal, address and key, of the principal alone, and of the whole request."""

    name: bytes
    who: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`headers`: those that its route said."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class KeptAnswers:
    """Thread-safe, of one service at a time. What is claimed or kept is on disk when the call returns. Answers go after
    `KEPT_MS`; before that only where all take more than `most_bytes`: then the oldest of who has most goes. Every
    method raises `Unavailable` (`writes_unavailable`).
    """

    def __init__(self, path: Path, clock: Clock, most_bytes: int = MOST_BYTES) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._file = PrivateDatabase(
            path,
            _TABLES,
            lambda why: Unavailable(
                f"the answers to writes {path} cannot be used ({why}): give the disk room",
                code="writes_unavailable",
            ),
        )

    def end_begun(self) -> None:
        """The service starts: whatever an earlier one had begun was cut off with it."""
        with self._file.changing() as file:
            file.execute("UPDATE writes SET state = ? WHERE state = ?", (WriteState.CUT_OFF, WriteState.BEGUN))

    def claim(self, write: WriteName) -> KeptAnswer | None:
        """The answer, if it was done. None: whoever asked has to do it, and then to call one of the methods below.
        Raises `Problem` (409, 422).
        """
        now_ms = self._clock.now_ms()
        with self._file.changing() as file:
            file.execute("DELETE FROM writes WHERE at_ms <= ? AND state != ?", (now_ms - KEPT_MS, WriteState.BEGUN))
            row = file.execute(
                "SELECT digest, state, status, headers, body FROM writes WHERE name = ?", (write.name,)
            ).fetchone()
            if row is not None:
                return _answer_of(write, *row)
            file.execute(
                "INSERT INTO writes (name, who, digest, state, bytes, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
                (write.name, write.who, write.digest, WriteState.BEGUN, LEAST_COUNTED_BYTES, now_ms),
            )
            self._make_room(file)
        return None

    def keep(self, write: WriteName, answer: KeptAnswer) -> None:
        """It was done. Of an answer that is too long only that is kept."""
        if len(answer.body) > MOST_ANSWER_BYTES:
            self.withhold(write, "Its answer was too long to be kept.")
            return
        headers = json.dumps(answer.headers)
        counted = LEAST_COUNTED_BYTES + len(headers) + len(answer.body)
        with self._file.changing() as file:
            file.execute(
                "UPDATE writes SET state = ?, status = ?, headers = ?, body = ?, bytes = ? WHERE name = ?",
                (WriteState.ANSWERED, answer.status, headers, answer.body, counted, write.name),
            )
            self._make_room(file)

    def withhold(self, write: WriteName, why: str) -> None:
        """It was done, and its answer is not to be kept; `why` is what who asks again is told."""
        self._settle(write, WriteState.WITHHELD, why)

    def cut_off(self, write: WriteName) -> None:
        """Whether it was done is not known, and so it is not done again."""
        self._settle(write, WriteState.CUT_OFF)

    def release(self, write: WriteName) -> None:
        """It was refused: nothing was done."""
        with self._file.changing() as file:
            file.execute("DELETE FROM writes WHERE name = ?", (write.name,))

    def close(self) -> None:
        self._file.close()

    def _settle(self, write: WriteName, state: WriteState, why: str = "") -> None:
        with self._file.changing() as file:
            file.execute("UPDATE writes SET state = ?, body = ? WHERE name = ?", (state, why.encode(), write.name))

    def _make_room(self, file: sqlite3.Connection) -> None:
        while True:
            held = file.execute("SELECT SUM(bytes), who FROM writes GROUP BY who ORDER BY 1 DESC").fetchall()
            if sum(size for size, _ in held) <= self._most_bytes:
                return
            # What is at work is as many as the service has requests, and must not be begun again.
            gone = file.execute(
                "DELETE FROM writes WHERE name ="
                " (SELECT name FROM writes WHERE who = ? AND state != ? ORDER BY at_ms LIMIT 1)",
                (held[0][1], WriteState.BEGUN),
            )
            if not gone.rowcount:
                return


def _answer_of(write: WriteName, digest: bytes, state: str, status: int, headers: str, body: bytes) -> KeptAnswer:
    """Raises `Problem` where there is none to give."""
    if digest != write.digest:
        raise Problem(422, "The key came with another request before.", code="idempotency_key_reused")
    if state == WriteState.BEGUN:
        wait = {"retry-after": str(_RETRY_S)}
        raise Problem(409, "The first request with this key is at work.", code="write_in_flight", headers=wait)
    if state == WriteState.WITHHELD:
        raise Problem(409, body.decode(), code="answer_not_kept")
    if state == WriteState.CUT_OFF:
        raise Problem(409, "The first request with this key was cut off.", code="write_cut_off")
    return KeptAnswer(status, tuple((name, value) for name, value in json.loads(headers)), body)
