"""What is known of each upload, in a file of the service that outlives it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from stream.database import PrivateDatabase
from stream.errors import Unavailable
from stream.events.asset import Profile
from stream.service.problems import Problem

FILE = "uploads.db"
MOST_UNFINISHED = 100
"""Of one principal."""
_COLUMNS = (
    "upload_id, principal, tenant, project, region, asset_id, name, profile, labels, size_bytes, sha256, received,"
    " state, code, created_ms, touched_ms"
)
_TABLE = """
CREATE TABLE IF NOT EXISTS uploads (
  upload_id TEXT PRIMARY KEY, principal TEXT NOT NULL, tenant TEXT NOT NULL, project TEXT NOT NULL,
  region TEXT NOT NULL, asset_id TEXT NOT NULL, name TEXT NOT NULL, profile TEXT NOT NULL, labels TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, sha256 BLOB, received INTEGER NOT NULL, state TEXT NOT NULL, code TEXT,
  created_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""


class UploadState(StrEnum):
    """`stored`: all of it is kept, and its event is not published or not through yet."""

    RECEIVING = "receiving"
    STORED = "stored"
    PUBLISHED = "published"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Upload:
    """`name`: what its sender calls it, cleaned. `received`: bytes that are on disk. `code`: why it was refused."""

    upload_id: str
    principal: str
    tenant: str
    project: str
    region: str
    asset_id: str
    name: str
    profile: Profile
    labels: Mapping[str, str]
    size_bytes: int
    sha256: bytes | None
    received: int
    state: UploadState
    code: str | None
    created_ms: int
    touched_ms: int


class UploadRegister:
    """Thread-safe; several processes can share `path`. A change is on disk when the call returns. Every method raises
    `Unavailable` (`uploads_unavailable`).
    """

    def __init__(self, path: Path) -> None:
        self._file = PrivateDatabase(
            path,
            _TABLE,
            lambda why: Unavailable(
                f"the register of uploads {path} cannot be used ({why}): give the disk room",
                code="uploads_unavailable",
            ),
        )

    def add(self, upload: Upload, most_of_tenant_bytes: int) -> None:
        """Raises `Problem` where the tenant, or the caller, has as much as one may."""
        row = (*(getattr(upload, name.strip()) for name in _COLUMNS.split(",")),)
        at = _COLUMNS.replace(" ", "").split(",").index("labels")
        values = [*row[:at], json.dumps(dict(upload.labels)), *row[at + 1 :]]
        with self._file.changing() as file:
            (held,) = file.execute(
                "SELECT COALESCE(SUM(size_bytes), 0) FROM uploads WHERE tenant = ? AND state != 'refused'",
                (upload.tenant,),
            ).fetchone()
            (unfinished,) = file.execute(
                "SELECT COUNT(*) FROM uploads WHERE principal = ? AND state = 'receiving'", (upload.principal,)
            ).fetchone()
            if unfinished >= MOST_UNFINISHED:
                raise Problem(
                    409, f"{MOST_UNFINISHED} uploads are unfinished: finish or delete one.", code="too_many_uploads"
                )
            if held + upload.size_bytes > most_of_tenant_bytes:
                left = max(0, most_of_tenant_bytes - held)
                raise Problem(413, f"Of what the tenant may upload {left} bytes are left.", code="tenant_uploads_full")
            file.execute(f"INSERT INTO uploads VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608

    def find(self, upload_id: str) -> Upload | None:
        return next(iter(self._where("upload_id = ?", upload_id)), None)

    def of(self, principal: str, limit: int) -> list[Upload]:
        """The newest."""
        return self._where("principal = ? ORDER BY created_ms DESC, upload_id LIMIT ?", principal, limit)

    def unfinished(self) -> list[Upload]:
        """All that are whole and not published."""
        return self._where("state = 'stored' OR (state = 'receiving' AND received = size_bytes)")

    def outstanding_bytes(self) -> int:
        """That are still to come."""
        with self._file.reading() as file:
            (found,) = file.execute(
                "SELECT COALESCE(SUM(size_bytes - received), 0) FROM uploads WHERE state = 'receiving'"
            ).fetchone()
        return int(found)

    def received(self, upload_id: str, count: int, now_ms: int) -> None:
        """So many bytes are on disk."""
        with self._file.changing() as file:
            file.execute(
                "UPDATE uploads SET received = ?, touched_ms = ? WHERE upload_id = ?", (count, now_ms, upload_id)
            )

    def become(self, upload_id: str, state: UploadState, now_ms: int, code: str | None = None) -> None:
        with self._file.changing() as file:
            file.execute(
                "UPDATE uploads SET state = ?, code = ?, touched_ms = ? WHERE upload_id = ?",
                (state, code, now_ms, upload_id),
            )

    def forget(self, upload_id: str) -> None:
        with self._file.changing() as file:
            file.execute("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))

    def untouched_since(self, time_ms: int) -> list[Upload]:
        """Unfinished and refused ones."""
        return self._where(
            "touched_ms <= ? AND ((state = 'receiving' AND received < size_bytes) OR state = 'refused')", time_ms
        )

    def close(self) -> None:
        self._file.close()

    def _where(self, clause: str, *values: Any) -> list[Upload]:
        with self._file.reading() as file:
            rows = file.execute(f"SELECT {_COLUMNS} FROM uploads WHERE {clause}", values).fetchall()  # noqa: S608
        return [_upload(row) for row in rows]


def _upload(row: tuple[Any, ...]) -> Upload:
    named = dict(zip(_COLUMNS.replace(" ", "").split(","), row, strict=True))
    return Upload(**named | {"labels": json.loads(named["labels"]), "state": UploadState(named["state"])})
