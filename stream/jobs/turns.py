"""Whose task is next: lanes first, then tenants in turn, then deadline, priority and age."""

from collections.abc import Iterable

from stream.clock import Clock
from stream.errors import StageError
from stream.events.jobs import TaskAsked, UrgentTaskAsked
from stream.jobs.budgets import VARIANT_STOPPED
from stream.jobs.coordination import Coordinator
from stream.jobs.estimates import Rates
from stream.jobs.prices import GIB
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.reviews import AWAITED
from stream.jobs.states import JobState, rank_of
from stream.jobs.template import LANES

_BATCH = rank_of("batch")


class Turns:
    """At most `slots` tasks are asked for at a time, and as many again for lanes in which somebody waits: so a batch
    of any size holds an interactive job up for one part at most. What waits, waits in the register.
    """

    def __init__(
        self,
        register: JobRegister,
        coordinator: Coordinator,
        slots: int,
        clock: Clock,
        most_bytes: float = float("inf"),
    ) -> None:
        """`most_bytes`: while the variants in work have written as much, no other one of the batch lane is begun."""
        self._register = register
        self._coordinator = coordinator
        self._slots = slots
        self._clock = clock
        self._most_bytes = most_bytes
        self._crowded = ""
        self._held_up: set[int] = set()
        self._looked: set[int] = set()
        self._going_on: dict[int, JobRow] = {}

    def take(self) -> list[tuple[JobRow, TaskAsked]]:
        """The tasks that are asked for now, within the transaction of the caller."""
        found: list[tuple[JobRow, TaskAsked]] = []
        self._looked.clear()
        crowded = self._too_much()
        if bool(crowded) is not bool(self._crowded):
            self._held_up |= self._batches()
        self._crowded = crowded
        for rank in range(len(LANES)):
            while self._room(rank):
                if (taken := self._next(rank)) is None:
                    break
                found.append(taken)
        return found

    def holds_up(self, job: JobRow) -> str:
        """Why no other variant of a job is begun, as of the last `take`; empty where nothing holds it up."""
        return self._crowded if job.rank >= _BATCH and job.waiting and job.state is JobState.RUNNING else ""

    def changed_jobs(self) -> set[int]:
        """Jobs that are held up now, or are not any more; each is told once."""
        found, self._held_up = self._held_up, set()
        return found

    def going_on(self) -> list[JobRow]:
        """Jobs of which more may be known than the turns so far have looked up; each is told once."""
        found = list(self._going_on.values())
        self._going_on.clear()
        return found

    def asked(self) -> list[tuple[JobRow, TaskAsked]]:
        """Those that are asked for already, to be sent again after a start."""
        rows = self._register.all("SELECT tenant, key FROM task WHERE asked = 1 ORDER BY id")
        return self.again([(row["tenant"], row["key"]) for row in rows])

    def again(self, keys: Iterable[tuple[str, str]]) -> list[tuple[JobRow, TaskAsked]]:
        """Of these tasks, by tenant and key, those that are still asked for: to be sent again, as another attempt."""
        found = []
        for tenant, key in keys:
            task = self._register.task(tenant, key)
            if task is not None and task.asked:
                # Its end is then another event than that of the record before, if that one was sent after all.
                self._register.change(
                    "UPDATE task SET attempt = attempt + 1, asked_ms = ? WHERE id = ?", self._clock.now_ms(), task.id
                )
                job = self._register.job_by_id(task.job)
                found.append((job, _task(task.body, task.attempt + 1, job, task.rank)))
        return found

    def forget_asked(self) -> None:
        """Nobody works on anything: for a broker that keeps nothing over a start."""
        self._register.change("UPDATE task SET asked = 0")
        self._coordinator.budgets.forget_reserved()

    def _room(self, rank: int) -> bool:
        condition = "rank < ?" if rank < _BATCH else "rank >= ?"
        row = self._register.one(f"SELECT COUNT(*) FROM task WHERE asked = 1 AND {condition}", _BATCH)  # noqa: S608
        return row is not None and row[0] < self._slots

    def _next(self, rank: int) -> tuple[JobRow, TaskAsked] | None:
        for tenant in self._tenants(rank):
            while True:
                if (task := self._queued(rank, tenant)) is not None:
                    if (taken := self._ask(*task)) is not None:
                        return taken
                    continue  # its job or its variant has stopped at a budget
                job = None if self._crowded and rank >= _BATCH else self._to_open(rank, tenant)
                if job is None or not self._open(job):
                    break
        return None

    def _too_much(self) -> str:
        """Words where the store holds so much of unfinished variants that no more are begun. What is begun ends, and
        takes nothing more then. A job that rests does not count, nor a variant that waits for moderation, as nobody
        knows for how long.
        """
        if self._most_bytes == float("inf"):
            return ""
        row = self._register.one(
            "SELECT TOTAL(variant.written_bytes) FROM job CROSS JOIN variant ON variant.job = job.id"
            " WHERE job.state = 'running' AND job.rank >= ? AND variant.state = 'running' AND variant.code != ?",
            _BATCH,
            AWAITED,
        )
        assert row is not None, "a sum is one row"
        if row[0] < self._most_bytes:
            return ""
        written, most = row[0] / GIB, self._most_bytes / GIB
        return f"the variants in work have written {written:.3g} GiB of at most {most:.3g}: no other one is begun"

    def _batches(self) -> set[int]:
        """Jobs that the limit holds up while it is reached."""
        rows = self._register.all("SELECT id FROM job WHERE state = 'running' AND rank >= ? AND waiting > 0", _BATCH)
        return {int(row["id"]) for row in rows}

    def _open(self, job: JobRow) -> bool:
        """Begin more of a job; False where that is for another transaction, as others wait for the end of this one."""
        if not self._coordinator.expects_known(job):
            self._coordinator.open_variant(job)
            return True
        if job.id in self._looked:
            self._going_on[job.id] = job
            return False
        self._looked.add(job.id)
        self._coordinator.open_known(job)
        return True

    def _tenants(self, rank: int) -> list[str]:
        """Those with something to do in a lane; who has least in work comes first."""
        rows = self._register.all(
            "SELECT tenant FROM (SELECT tenant FROM job WHERE state = 'running' AND rank = ? AND waiting > 0"
            " UNION SELECT task.tenant FROM task JOIN need ON need.task = task.id JOIN job ON job.id = need.job"
            " WHERE task.asked = 0 AND task.rank = ? AND job.state = 'running') AS busy"
            " ORDER BY (SELECT COUNT(*) FROM task WHERE task.asked = 1 AND task.tenant = busy.tenant), tenant",
            rank,
            rank,
        )
        return [str(row["tenant"]) for row in rows]

    def _queued(self, rank: int, tenant: str) -> tuple[int, int, int] | None:
        """(task, job, variant): the last stages first, so that intermediates are used up before there are more. Of the
        variants that wait for a task, one that is not held up asks for it.
        """
        row = self._register.one(
            "SELECT task.id AS task, job.id AS job, need.number AS number FROM task JOIN need ON need.task = task.id"
            " JOIN job ON job.id = need.job JOIN variant ON variant.job = need.job AND variant.number = need.number"
            " WHERE task.asked = 0 AND task.rank = ? AND task.tenant = ? AND job.state = 'running'"
            " AND variant.code != ? ORDER BY job.deadline_ms, job.priority DESC, job.submitted_ms, job.id,"
            " task.stage DESC, task.id, need.number LIMIT 1",
            rank,
            tenant,
            VARIANT_STOPPED,
        )
        return None if row is None else (row["task"], row["job"], row["number"])

    def _to_open(self, rank: int, tenant: str) -> JobRow | None:
        row = self._register.one(
            "SELECT id FROM job WHERE state = 'running' AND rank = ? AND tenant = ? AND waiting > 0"
            " ORDER BY deadline_ms, priority DESC, submitted_ms, id LIMIT 1",
            rank,
            tenant,
        )
        return None if row is None else self._register.job_by_id(row["id"])

    def _ask(self, task_id: int, job_id: int, number: int) -> tuple[JobRow, TaskAsked] | None:
        job = self._register.job_by_id(job_id)
        row = self._register.one("SELECT operator, kind, amount, body, attempt, rank FROM task WHERE id = ?", task_id)
        assert row is not None, "just found"
        rates = Rates(self._register.rates(row["operator"]))
        estimate = rates.task(row["operator"], row["kind"], row["amount"]).cpu_s
        # What is made is brought where it should: it takes next to nothing, and all the rest is paid.
        if row["kind"] != "deliver" and not self._coordinator.has_room(job, number, estimate):
            return None
        if not self._coordinator.budgets.admit(job, estimate):
            return None
        self._register.change(
            "UPDATE task SET asked = 1, attempt = attempt + 1, asked_ms = ?, reserved_cpu_s = ?, job = ? WHERE id = ?",
            self._clock.now_ms(),
            estimate,
            job_id,
            task_id,
        )
        return job, _task(row["body"], row["attempt"] + 1, job, row["rank"])


def _task(body: str, attempt: int, job: JobRow, rank: int) -> TaskAsked:
    asked = UrgentTaskAsked if rank < _BATCH else TaskAsked
    try:
        # The job for which it is asked may be another one than entered it: workers look whether that is canceled.
        return asked.from_bytes(body.encode()).model_copy(update={"attempt": attempt, "job": job.name})
    except StageError as error:
        raise AssertionError("the register holds what was written to it") from error
