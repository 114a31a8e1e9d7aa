"""Jobs at work: events go in, changes of the register follow, and `Turns` says which tasks come next."""

import json
from collections.abc import Sequence

from stream.clock import Clock
from stream.errors import BadEvent, BadRequest
from stream.events.jobs import JobControlled, JobSubmitted, TaskContinued, TaskEnded, TenantBudgeted
from stream.events.objects import Digest
from stream.jobs.budgets import VARIANT_STOPPED, Budgets
from stream.jobs.charging import Charges
from stream.jobs.descriptions import Descriptions, Operators
from stream.jobs.known_work import KnownWork
from stream.jobs.objects import Documents
from stream.jobs.prices import PriceTable
from stream.jobs.register import JobRegister, JobRow, Need, TaskRow, files_json
from stream.jobs.reviews import REVIEW, Reviews, Verdicts
from stream.jobs.spending import VariantCosts
from stream.jobs.states import JobState, outcome_of, rank_of
from stream.jobs.variant_progress import VariantProgress

NO_DEADLINE_MS = 2**62


class Coordinator:
    """Every method is part of one transaction of the register, which the caller opens. What was applied before changes
    nothing, so events may come again and in any order.
    """

    def __init__(
        self,
        register: JobRegister,
        descriptions: Descriptions,
        operators: Operators,
        clock: Clock,
        prices: PriceTable | None = None,
        documents: Documents | None = None,
    ) -> None:
        self._register = register
        self._descriptions = descriptions
        self.reviews = Reviews(register, lambda tenant, digest: descriptions.objects(tenant).uri(digest), clock)
        costs = VariantCosts(clock, prices)
        self._progress = VariantProgress(register, descriptions, operators, costs, self.reviews)
        self._known = KnownWork(register, self._progress, descriptions, documents, clock)
        self._charges = Charges(register, clock)
        self.budgets = Budgets(register)
        self._clock = clock

    def submitted(self, tenant: str, project: str, data: JobSubmitted, trace: str) -> None:
        """Raises `BadEvent`: `job_unreadable`, or `job_differs` where another job has this name."""
        known = self._register.job(tenant, data.job)
        if known is not None:
            if known.spec != data.spec:
                raise BadEvent(
                    f"there is a job {data.job!r} with another description: give this one another name",
                    code="job_differs",
                )
            return
        try:
            described = self._descriptions.of(tenant, data.spec)
        except BadRequest as error:
            raise BadEvent(error.message, code="job_unreadable") from None
        spec, template = described.spec, described.template
        if spec.job != data.job or spec.project != project:
            raise BadEvent("the description is of another job or project", code="job_unreadable")
        total = len(described.variants)
        self._register.change(
            "INSERT INTO job (tenant, name, project, spec, rank, priority, deadline_ms, state, code, message,"
            " submitted_ms, total, waiting, budget_cpu_s, variant_cpu_s, trace, stages)"
            " VALUES (?, ?, ?, ?, ?, 0, ?, 'running', '', '', ?, ?, ?, ?, ?, ?, ?)",
            tenant,
            data.job,
            project,
            data.spec,
            rank_of(template.lane),
            spec.deadline_ms if spec.deadline_ms is not None else NO_DEADLINE_MS,
            self._clock.now_ms(),
            total,
            total,
            template.budget.cpu_s,
            template.budget.variant_cpu_s,
            trace,
            json.dumps([stage.name for stage in template.stages]),
        )
        made = self._register.job(tenant, data.job)
        assert made is not None, "it was just entered"
        self._register.add_variants(made.id, ((each.number, each.id, each.name) for each in described.variants))

    def controlled(self, tenant: str, data: JobControlled) -> None:
        """Raises `BadEvent` (`no_job`, `job_closed`)."""
        job = self._register.job(tenant, data.job)
        if job is None:
            raise BadEvent(f"there is no job {data.job!r}", code="no_job")
        if job.closed:
            raise BadEvent(closed(data.job), code="job_closed")
        match data.action:
            case "cancel":
                self._cancel(job)
            case "pause":
                self._move(job, {JobState.RUNNING, JobState.BUDGET_EXHAUSTED}, JobState.PAUSED)
            case "resume":
                self._move(job, {JobState.PAUSED, JobState.BUDGET_EXHAUSTED}, JobState.RUNNING)
            case "retry":
                self._again(job, "failed", "canceled", resumes=True)
            case "deliver":
                self._again(job, "done")
            case "release":
                self._release(job, data.variant or "")
            case "priority" | "budget":
                self._set(job, data)

    def budgeted(self, tenant: str, data: TenantBudgeted) -> None:
        self.budgets.set_tenant(tenant, data)

    def ended(self, tenant: str, data: TaskEnded) -> None:
        """A task that nobody waits for any more was ended before, or its job was canceled; the first time it is
        charged.
        """
        task = self._register.task(tenant, data.key)
        # A late failure of an earlier attempt says nothing of the present one. A late result is as good as any.
        if task is None or (data.outcome != "done" and data.attempt < task.attempt):
            return
        needs = self._register.waiting_for(task.id)
        self._charge(task, data, needs)
        if data.reused:
            self._known.found(self._register.job_by_id(task.job))
        if data.outcome == "canceled" and needs:
            # Its job was begun again meanwhile, or another job waits for it too.
            self._register.change("UPDATE task SET asked = 0, reserved_cpu_s = 0 WHERE id = ?", task.id)
            return
        self._register.change("DELETE FROM task WHERE id = ?", task.id)
        for need in needs:
            self._answer(need, data)
        for job in {task.job} | {need.job for need in needs}:
            self._settle(job)

    def continued(self, tenant: str, data: TaskContinued) -> None:
        """Somebody is at a task, so nothing of it is lost."""
        self._register.change(
            "UPDATE task SET asked_ms = ? WHERE tenant = ? AND key = ?", self._clock.now_ms(), tenant, data.key
        )

    def judged(self, verdicts: Verdicts) -> set[int]:
        """Go on with variants whose finals are understood now; their jobs."""
        waited = self.reviews.look(verdicts)
        for job, number in waited:
            self._progress.advance(job, number)
        for job in {job for job, _ in waited}:
            self._settle(job)
        return {job for job, _ in waited}

    def expects_known(self, job: JobRow) -> bool:
        """Whether the next variants of a job may be done already, as some of it was."""
        return self._known.expects(job.id)

    def open_known(self, job: JobRow) -> None:
        """Begin the next variants of a job, many together, as far as they are known."""
        self._known.open(job.id)
        self._settle(job.id)

    def open_variant(self, job: JobRow) -> None:
        """Begin the next variant of a job that has one waiting."""
        found = self._register.one(
            "SELECT number FROM variant WHERE job = ? AND state = 'waiting' ORDER BY number LIMIT 1", job.id
        )
        if found is None:
            self._register.change("UPDATE job SET waiting = 0 WHERE id = ?", job.id)
            return
        number = int(found["number"])
        self._register.change("UPDATE variant SET state = 'running' WHERE job = ? AND number = ?", job.id, number)
        self._register.change(
            "UPDATE job SET waiting = waiting - 1, started_ms = COALESCE(started_ms, ?) WHERE id = ?",
            self._clock.now_ms(),
            job.id,
        )
        self._progress.advance(job.id, number)
        self._settle(job.id)

    def held_finals(self, job: JobRow) -> dict[int, list[Digest]]:
        """Of each blocked variant, by number, what is delivered when somebody releases it. Raises `BadEvent` where the
        description of the job is gone.
        """
        described = self._descriptions.of(job.tenant, job.spec)
        rows = self._register.all("SELECT number FROM variant WHERE job = ? AND state = 'blocked'", job.id)
        return {
            row["number"]: [file.digest for _, file in self._progress.finals(job, row["number"], described)]
            for row in rows
        }

    def has_room(self, job: JobRow, number: int, estimate: float) -> bool:
        """Whether a variant's budget has room for a part. Where it has none the variant waits for its parts in work,
        and without any it fails.
        """
        full = self.budgets.variant_is_full(job, number, estimate)
        if full is None:
            return True
        message, in_work = full
        if in_work:
            self._register.tell_variant(job.id, number, code=VARIANT_STOPPED, message=message)
        else:
            self._progress.fail_variant(job.id, number, VARIANT_STOPPED, message)
            self._settle(job.id)
        return False

    def _answer(self, need: Need, data: TaskEnded) -> None:
        match data.outcome:
            case "done":
                parts = json.dumps(list(data.parts)) if data.parts else None
                self._register.change(
                    "UPDATE need SET task = NULL, outputs = ?, parts = ?"
                    " WHERE job = ? AND number = ? AND stage = ? AND kind = ? AND part = ?",
                    files_json(data.outputs),
                    parts,
                    *_place(need),
                )
                self._progress.advance(need.job, need.number)
            case "lost":
                self._progress.lost(need, set(data.missing))
            case _:
                self._progress.fail_variant(need.job, need.number, data.code, data.message)

    def _cancel(self, job: JobRow) -> None:
        if job.state.ended:
            return
        for variant in self._register.variants(job.id):
            if variant.state == "running":
                self._progress.drop_needs(job.id, variant.number)
        stopped = self._register.change(
            "UPDATE variant SET state = 'canceled' WHERE job = ? AND state IN ('waiting', 'running')", job.id
        )
        self._register.change(
            "UPDATE job SET canceled = canceled + ?, waiting = 0, state = 'canceled', ended_ms = ? WHERE id = ?",
            stopped,
            self._clock.now_ms(),
            job.id,
        )

    def _again(self, job: JobRow, *states: str, failed_by: str | None = None, resumes: bool = False) -> None:
        """Variants in these states, or those of them with this code, wait for their turn again, and go on from their
        last finished stage.
        """
        for state in states:
            again = self._register.change(
                "UPDATE variant SET state = 'waiting', code = '', message = '', losses = 0"
                " WHERE job = ? AND state = ? AND code = COALESCE(?, code)",
                job.id,
                state,
                failed_by,
            )
            if again:
                self._register.change(
                    f"UPDATE job SET {state} = {state} - ?, waiting = waiting + ?, state = ?, code = ?, message = ?,"  # noqa: S608 - our words
                    " ended_ms = NULL WHERE id = ?",
                    again,
                    again,
                    *_taken_up(job, resumes=resumes),
                    job.id,
                )

    def _set(self, job: JobRow, data: JobControlled) -> None:
        if data.action == "priority":
            self._register.change("UPDATE job SET priority = ? WHERE id = ?", data.priority or 0, job.id)
            return
        if data.variant_cpu_s is not None:
            self._register.change("UPDATE job SET variant_cpu_s = ? WHERE id = ?", data.variant_cpu_s, job.id)
            self.budgets.let_variants_go_on(job.id)
            # A canceled job stays so until somebody retries it.
            if job.state is not JobState.CANCELED:
                self._again(job, "failed", failed_by=VARIANT_STOPPED)
        if data.cpu_s is not None or data.variant_cpu_s is None:
            self.budgets.set_job(job, data.cpu_s)

    def _release(self, job: JobRow, variant: str) -> None:
        """Deliver a variant's finals whatever moderation says of them, or before it says anything."""
        row = self._register.one("SELECT number, state FROM variant WHERE job = ? AND id = ?", job.id, variant)
        if row is None or row["state"] not in {"blocked", "running"}:
            return
        self._register.change("UPDATE variant SET released = 1 WHERE job = ? AND number = ?", job.id, row["number"])
        if row["state"] == "blocked":
            self._register.change(
                "UPDATE variant SET state = 'waiting', code = '', message = '' WHERE job = ? AND number = ?",
                job.id,
                row["number"],
            )
            self._register.change(
                "UPDATE job SET blocked = blocked - 1, waiting = waiting + 1, state = ?, code = ?, message = ?,"
                " ended_ms = NULL WHERE id = ?",
                *_taken_up(job),
                job.id,
            )
            return
        self._register.change(
            "DELETE FROM need WHERE job = ? AND number = ? AND kind = ?", job.id, row["number"], REVIEW
        )
        self._progress.advance(job.id, row["number"])

    def _move(self, job: JobRow, of: set[JobState], to: JobState) -> None:
        if job.state in of:
            self._register.change("UPDATE job SET state = ?, code = '', message = '' WHERE id = ?", to, job.id)

    def _settle(self, job_id: int) -> None:
        """End a job whose variants have all ended."""
        job = self._register.job_by_id(job_id)
        if not job.state.ended and job.ended_variants == job.total:
            state = outcome_of(done=job.done, failed=job.failed, blocked=job.blocked, canceled=bool(job.canceled))
            self._register.change(
                "UPDATE job SET state = ?, ended_ms = ? WHERE id = ?", state, self._clock.now_ms(), job_id
            )

    def _charge(self, task: TaskRow, data: TaskEnded, needs: Sequence[Need]) -> None:
        self._charges.charge(task, data, needs)
        self.budgets.charge(task, data.cost.cpu_s)


def closed(job: str) -> str:
    """Why a command about a job is refused that ended long ago."""
    return (
        f"job {job!r} ended long ago and is closed: submit its template under another name; what is known of it by"
        " content is not made again"
    )


def _place(need: Need) -> tuple[int, int, int, str, int]:
    return need.job, need.number, need.stage, need.kind, need.part


def _taken_up(job: JobRow, *, resumes: bool = False) -> tuple[JobState, str, str]:
    """State, code and message of a job of which something is to be done again. One that is paused, or has no budget
    left, waits on until it is resumed.
    """
    if resumes or job.state.ended:
        return JobState.RUNNING, "", ""
    return job.state, job.code, job.message
