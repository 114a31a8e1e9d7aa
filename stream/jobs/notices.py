"""Who is told when a job has ended, or has stopped at a budget: one notice for each outcome, with the same words."""

from stream.clock import Clock
from stream.events.base import Event
from stream.events.ids import typed_digest
from stream.events.jobs import JobEnded
from stream.events.objects import digest_of
from stream.jobs.budgets import TENANT_STOPPED
from stream.jobs.keys import canonical
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.states import JobState


class Notices:
    """The register keeps them until they are known to have left. Works within the transaction of its caller."""

    def __init__(self, register: JobRegister, clock: Clock) -> None:
        self._register = register
        self._clock = clock

    def note(self, job: JobRow) -> None:
        """Enter what there is to tell of a job. The same outcome is entered once, however often the job comes to it."""
        # Of a closed job its variants are not known any more, and it was told of when it ended.
        if job.closed or (not job.state.ended and not self._stopped(job)):
            return
        outcome = self._outcome(job)
        words = JobEnded(
            job=job.name,
            state=job.state.value,
            spec=job.spec,
            variants=job.total,
            done=job.done,
            failed=job.failed,
            canceled=job.canceled,
            blocked=job.blocked,
            outcome=outcome,
        )
        self._register.change(
            "INSERT OR IGNORE INTO notice (id, job, made_ms, body) VALUES (?, ?, ?, ?)",
            typed_digest("job ended", job.tenant, job.name, job.state.value, outcome),
            job.id,
            self._clock.now_ms(),
            words.to_bytes().decode(),
        )

    def unsent(self) -> list[Event[JobEnded]]:
        """Those that are not known to have left, the oldest first."""
        rows = self._register.all(
            "SELECT notice.id, made_ms, body, tenant, project, job.name, trace FROM notice JOIN job"
            " ON job.id = notice.job WHERE sent = 0 ORDER BY made_ms, notice.id"
        )
        return [
            Event(
                data=JobEnded.from_bytes(row["body"].encode()),
                tenant=row["tenant"],
                project=row["project"],
                subject=row["name"],
                # When it was noted, and not when it is sent again.
                event_time_ms=row["made_ms"],
                id=row["id"],
                traceparent=row["trace"],
            )
            for row in rows
        ]

    def sent(self, notice: str) -> None:
        self._register.change("UPDATE notice SET sent = 1 WHERE id = ?", notice)

    def _stopped(self, job: JobRow) -> bool:
        """Whether it rests at a budget: as long as parts are in work for that it may go on after all."""
        if job.state is not JobState.BUDGET_EXHAUSTED:
            return False
        if job.code == TENANT_STOPPED:
            sql, whose = "SELECT 1 FROM task WHERE asked = 1 AND tenant = ? LIMIT 1", job.tenant
            return self._register.one(sql, whose) is None
        return self._register.one("SELECT 1 FROM task WHERE job = ? AND asked = 1 LIMIT 1", job.id) is None

    def _outcome(self, job: JobRow) -> str:
        """Of all variants, what became of each and its manifest."""
        rows = self._register.all("SELECT id, state, manifest FROM variant WHERE job = ? ORDER BY number", job.id)
        told = [[row["id"], row["state"], row["manifest"]] for row in rows]
        return digest_of(canonical([job.spec, told]))
