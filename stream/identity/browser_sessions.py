"""Sessions of browsers, in a file of the service. Of a session's secret only a digest is kept, so that who reads the
file cannot take a session over.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from stream.clock import Clock
from stream.database import PrivateDatabase
from stream.errors import Unavailable
from stream.identity.browser_origins import token_of

FILE = "sessions.db"
IDLE_MS = 2 * 3_600_000
MOST_MS = 12 * 3_600_000
# Of each look-up only the first in a minute is written.
_SEEN_MS = 60_000
_SECRET_BYTES, _MOST_SECRET = 32, 100
_TABLES = """
CREATE TABLE IF NOT EXISTS used (digest BLOB PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
  digest BLOB PRIMARY KEY, principal TEXT NOT NULL, name TEXT, groups TEXT NOT NULL, key_digest TEXT,
  seen_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in. `groups`: other holders of roles that the provider says they belong to. `key_digest`: of the key
    that they signed in with; the session has its restrictions and ends with it. `name` is for their own page alone.
    """

    principal: str
    name: str | None = None
    groups: tuple[str, ...] = ()
    key_digest: str | None = None


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """`uid` names it in the audit trail; nobody can use it to become the person. `token`: what our pages send with
    each request that changes something.
    """

    who: SignedIn
    uid: str
    token: str


class BrowserSessions:
    """Thread-safe; several processes can share `path`. A session ends when it was not used for `IDLE_MS`, and after
    `MOST_MS` in any case. Every method raises `Unavailable` (`sessions_unavailable`).
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = PrivateDatabase(
            path,
            _TABLES,
            lambda why: Unavailable(
                f"the sessions of browsers in {path} cannot be used ({why}): give the disk room,"
                " or remove the file, after which everybody signs in again",
                code="sessions_unavailable",
            ),
        )

    def begin(self, who: SignedIn, *, replaces: str | None = None, until_ms: int | None = None) -> str:
        """The secret of a new session, which ends at `until_ms` at the latest; `replaces`: that of the browser's old
        one, which ends now.
        """
        secret, now_ms = secrets.token_urlsafe(_SECRET_BYTES), self._clock.now_ms()
        end_ms = now_ms + MOST_MS if until_ms is None else min(until_ms, now_ms + MOST_MS)
        row = (_digest(secret), who.principal, who.name, json.dumps(who.groups), who.key_digest, now_ms, end_ms)
        with self._file.changing() as file:
            # Always a new secret: one that somebody planted in the browser before must not become theirs.
            if replaces is not None:
                file.execute("DELETE FROM sessions WHERE digest = ?", (_digest(replaces),))
            file.execute("DELETE FROM sessions WHERE until_ms <= ? OR seen_ms <= ?", (now_ms, now_ms - IDLE_MS))
            file.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return secret

    def first_use(self, text: str, until_ms: int) -> bool:
        """Whether nobody has used this text before; it is remembered until then."""
        with self._file.changing() as file:
            file.execute("DELETE FROM used WHERE until_ms <= ?", (self._clock.now_ms(),))
            return file.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (_digest(text), until_ms)).rowcount == 1

    def find(self, secret: str) -> BrowserSession | None:
        """The session, if it has not ended. This counts as using it."""
        digest, now_ms = _digest(secret), self._clock.now_ms()
        with self._file.reading() as file:
            row = file.execute(
                "SELECT principal, name, groups, key_digest, seen_ms FROM sessions"
                " WHERE digest = ? AND until_ms > ? AND seen_ms > ?",
                (digest, now_ms, now_ms - IDLE_MS),
            ).fetchone()
            if row is None:
                return None
            if now_ms - row[4] >= _SEEN_MS:
                file.execute("UPDATE sessions SET seen_ms = ? WHERE digest = ?", (now_ms, digest))
        return BrowserSession(
            SignedIn(row[0], row[1], tuple(json.loads(row[2])), row[3]), uid_of(secret), token_of(secret)
        )

    def end(self, secret: str) -> None:
        """Idempotent."""
        with self._file.changing() as file:
            file.execute("DELETE FROM sessions WHERE digest = ?", (_digest(secret),))

    def close(self) -> None:
        self._file.close()


def _digest(secret: str) -> bytes:
    # Of 256 random bits: no salt and no slow digest is needed. The cut bounds what a stranger makes us digest.
    return hashlib.sha256(secret[:_MOST_SECRET].encode("utf-8", "replace")).digest()


def uid_of(secret: str) -> str:
    """The name of a session in the audit trail."""
    return f"s{_digest(secret).hex()[:16]}"
