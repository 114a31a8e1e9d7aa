"""The register of jobs: what each variant waits for, in one SQLite file with one writer. Readers may have it open too.

Every change of one batch of events is one transaction, so a coordinator that is killed has seen a batch or it has not.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stream.errors import Fatal, Unavailable
from stream.events.jobs import TaskKind
from stream.events.objects import StoredFile
from stream.jobs.estimates import Rate
from stream.jobs.register_schema import CHANGES, SCHEMA, VERSION
from stream.jobs.states import JobState, VariantState

_CLOSED_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as the register has it. `closed`: it ended long ago, and of its variants nothing is left here. What it has
    used stands as in `stream.jobs.spending`.
    """

    id: int
    tenant: str
    name: str
    project: str
    spec: str
    rank: int
    priority: int
    deadline_ms: int
    state: JobState
    code: str
    message: str
    submitted_ms: int
    started_ms: int | None
    ended_ms: int | None
    total: int
    waiting: int
    budget_cpu_s: float | None
    variant_cpu_s: float | None
    trace: str
    done: int
    failed: int
    canceled: int
    blocked: int
    cpu_s: float
    gpu_s: float
    wall_s: float
    read_bytes: int
    written_bytes: int
    written_byte_ms: float
    delivered_bytes: int
    wasted_cpu_s: float
    wasted_gpu_s: float
    reserved_cpu_s: float
    computed: int
    reused: int
    stages: tuple[str, ...]
    closed: bool

    @property
    def ended_variants(self) -> int:
        return self.done + self.failed + self.canceled + self.blocked


@dataclass(frozen=True, slots=True)
class VariantRow:
    """`manifest`: the digest of what its delivery ended with; empty until then. `released`: it is
    delivered whatever moderation says.
    """

    job: int
    number: int
    id: str
    name: str
    state: VariantState
    stage: int
    code: str
    message: str
    cpu_s: float
    gpu_s: float
    wasted_cpu_s: float
    wasted_gpu_s: float
    written_bytes: int
    written_byte_ms: float
    delivered_bytes: int
    losses: int
    manifest: str
    released: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What a variant waits for: `outputs` of a task, or of a beginning the `parts` that follow; None until then.
    `amount`: of the task's work, in megapixels, where that is known.
    """

    job: int
    number: int
    stage: int
    kind: TaskKind
    part: int
    task: int | None
    stage_key: str
    outputs: tuple[StoredFile, ...] | None
    parts: tuple[dict[str, Any], ...] | None
    amount: float | None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task that is not done: it waits for its turn, or was asked for. `asked_ms`: when it was asked for last, or a
    worker told that it is at it.
    """

    id: int
    tenant: str
    key: str
    job: int
    rank: int
    stage: int
    operator: str
    kind: TaskKind
    amount: float | None
    body: str
    asked: bool
    attempt: int
    reserved_cpu_s: float
    asked_ms: int


class JobRegister:
    """Opened by its one writer, or `readonly`. Raises `Fatal` (`register_unusable`) for a file that is none or is of
    a later release, and `Unavailable` (`store_unavailable`) where the disk refuses.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self._path = path
        with self._judged():
            if not readonly:
                path.parent.mkdir(parents=True, exist_ok=True)
            mode = "?mode=ro" if readonly else ""
            self.db = sqlite3.connect(f"file:{path}{mode}", uri=True, isolation_level=None, check_same_thread=False)
            self.db.row_factory = sqlite3.Row
            if not readonly:
                self._prepare()

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction, durable when the block ends."""
        with self._judged():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def job(self, tenant: str, name: str) -> JobRow | None:
        found = self.one("SELECT * FROM job WHERE tenant = ? AND name = ?", tenant, name)
        return None if found is None else _job(found)

    def job_by_id(self, job: int) -> JobRow:
        found = self.one("SELECT * FROM job WHERE id = ?", job)
        assert found is not None, "named by another row"
        return _job(found)

    def jobs(self) -> list[JobRow]:
        """All, the newest first."""
        return [_job(row) for row in self.all("SELECT * FROM job ORDER BY submitted_ms DESC, id DESC")]

    def variant(self, job: int, number: int) -> VariantRow:
        found = self.one("SELECT * FROM variant WHERE job = ? AND number = ?", job, number)
        assert found is not None, "named by another row"
        return _variant(found)

    def variants(self, job: int) -> Iterator[VariantRow]:
        return (_variant(row) for row in self.all("SELECT * FROM variant WHERE job = ? ORDER BY number", job))

    def needs(self, job: int, number: int, stage: int) -> list[Need]:
        sql = "SELECT * FROM need WHERE job = ? AND number = ? AND stage = ? ORDER BY kind, part"
        return [_need(row) for row in self.all(sql, job, number, stage)]

    def waiting(self, job: int) -> int:
        """How many variants have not begun."""
        found = self.one("SELECT COUNT(*) FROM variant WHERE job = ? AND state = 'waiting'", job)
        assert found is not None, "a count is one row"
        return int(found[0])

    def waits(self, job: int, number: int, stage: int) -> bool:
        """Whether any task of a variant's stage has not ended."""
        sql = "SELECT 1 FROM need WHERE job = ? AND number = ? AND stage = ? AND outputs IS NULL LIMIT 1"
        return self.one(sql, job, number, stage) is not None

    def waiting_for(self, task: int) -> list[Need]:
        return [_need(row) for row in self.all("SELECT * FROM need WHERE task = ?", task)]

    def finished(self, job: int, number: int) -> dict[int, tuple[StoredFile, ...]]:
        """Of each finished stage of a variant, its outputs."""
        rows = self.all("SELECT stage, outputs FROM finished WHERE job = ? AND number = ?", job, number)
        return {int(row["stage"]): _files(row["outputs"]) for row in rows}

    def stage_keys(self, job: int, number: int) -> dict[int, str]:
        """Of each finished stage of a variant, its key."""
        rows = self.all("SELECT stage, key FROM finished WHERE job = ? AND number = ?", job, number)
        return {int(row["stage"]): str(row["key"]) for row in rows}

    def task(self, tenant: str, key: str) -> TaskRow | None:
        found = self.one("SELECT * FROM task WHERE tenant = ? AND key = ?", tenant, key)
        return None if found is None else _task(found)

    def add_variants(self, job: int, variants: Iterator[tuple[int, str, str]]) -> None:
        """(number, id, name) of each."""
        self.db.executemany(
            "INSERT INTO variant (job, number, id, name, state) VALUES (?, ?, ?, ?, 'waiting')",
            ((job, *variant) for variant in variants),
        )

    def amounts(self, job: int, number: int) -> dict[int, float]:
        """Of the finished stages of a variant, how much work each was, in megapixels, where that is known."""
        sql = "SELECT stage, amount FROM finished WHERE job = ? AND number = ? AND amount IS NOT NULL"
        return {int(row["stage"]): float(row["amount"]) for row in self.all(sql, job, number)}

    def rates(self, operator: str | None = None) -> list[Rate]:
        """Of one operator, or all."""
        sql = "SELECT * FROM rate WHERE ? IS NULL OR operator = ? ORDER BY operator, kind, unit"
        return [Rate(**dict(row)) for row in self.all(sql, operator, operator)]

    def keep_rate(self, rate: Rate) -> None:
        values = tuple(getattr(rate, field.name) for field in fields(rate))
        self.change("INSERT OR REPLACE INTO rate VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def close_ended(self, before_ms: int) -> None:
        """Forget the variants of jobs that ended before a time, of a few jobs a call. The jobs stay, so that no other
        one takes the name.
        """
        ended = self.all(
            "SELECT id FROM job WHERE closed = 0 AND ended_ms < ?"
            " AND state IN ('done', 'partial', 'failed', 'canceled') ORDER BY ended_ms LIMIT ?",
            before_ms,
            _CLOSED_AT_ONCE,
        )
        for row in ended:
            for table in ("variant", "finished", "need"):
                self.change(f"DELETE FROM {table} WHERE job = ?", row["id"])  # noqa: S608 - our words
            self.change("UPDATE job SET closed = 1 WHERE id = ?", row["id"])

    def tell_variant(self, job: int, number: int, *, code: str, message: str) -> None:
        """What holds a variant up, or ended it."""
        self.change("UPDATE variant SET code = ?, message = ? WHERE job = ? AND number = ?", code, message, job, number)

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self._judged():
            found: sqlite3.Row | None = self.db.execute(sql, values).fetchone()
            return found

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._judged():
            return self.db.execute(sql, values).fetchall()

    def change(self, sql: str, *values: object) -> int:
        """How many rows were changed."""
        with self._judged():
            return self.db.execute(sql, values).rowcount

    def _prepare(self) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        # A record is acknowledged after its batch, so the batch must outlive a power cut.
        self.db.execute("PRAGMA synchronous = FULL")
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with closing(self.db.cursor()) as cursor:
                cursor.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        while version in CHANGES:
            with closing(self.db.cursor()) as cursor:
                cursor.executescript(f"BEGIN; {CHANGES[version]} PRAGMA user_version = {version + 1}; COMMIT;")
            version += 1
        if version not in {0, VERSION}:
            raise self._unusable(f"it has version {version}, and this release reads {VERSION}")

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"the register of jobs at {self._path} cannot be used ({error.sqlite_errorname}); nothing is lost, work"
                " goes on when the disk has room and the file can be written",
                code="store_unavailable",
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._unusable(f"SQLite says {error.sqlite_errorname}") from error
        except OSError as error:
            raise Unavailable(
                f"the register of jobs at {self._path} cannot be used ({error.strerror})", code="store_unavailable"
            ) from error

    def _unusable(self, why: str) -> Fatal:
        return Fatal(
            f"the register of jobs at {self._path} cannot be used: {why}. Move it away and submit the jobs again: what"
            " is finished is found again by its content",
            code="register_unusable",
        )


def files_json(files: Sequence[StoredFile]) -> str:
    return json.dumps([file.model_dump() for file in files])


def _files(text: str) -> tuple[StoredFile, ...]:
    return tuple(StoredFile.model_validate(item) for item in json.loads(text))


def _job(row: sqlite3.Row) -> JobRow:
    values = dict(row)
    typed = {
        "state": JobState(values["state"]),
        "stages": tuple(json.loads(values["stages"])),
        "closed": bool(values["closed"]),
    }
    return JobRow(**{**values, **typed})


def _variant(row: sqlite3.Row) -> VariantRow:
    values = dict(row)
    return VariantRow(**{**values, "state": VariantState(values["state"])})


def _need(row: sqlite3.Row) -> Need:
    values = dict(row)
    outputs, parts = values["outputs"], values["parts"]
    values["outputs"] = None if outputs is None else _files(outputs)
    values["parts"] = None if parts is None else tuple(json.loads(parts))
    return Need(**values)


def _task(row: sqlite3.Row) -> TaskRow:
    values = dict(row)
    return TaskRow(**{**values, "asked": bool(values["asked"])})
