"""Budgets of jobs, tenants and variants. Before a part is asked for, an estimate is reserved; when the part has ended,
what it used is charged.
"""

from dataclasses import dataclass
from typing import Any

from stream.events.jobs import TenantBudgeted
from stream.events.objects import own_folder
from stream.jobs.register import JobRegister, JobRow, TaskRow
from stream.jobs.states import JobState

TENANT_STOPPED = "tenant_budget_exhausted"
VARIANT_STOPPED = "variant_budget"
_WAITS_NO_MORE = "SET code = '', message = '' WHERE state = 'running' AND code = ?"


def budget_name(tenant: str) -> str:
    """The document of a tenant's budget."""
    return f"budgets/{own_folder(tenant)}.json"


@dataclass(frozen=True, slots=True)
class TenantBudget:
    """CPU seconds of all jobs of a tenant. `cpu_s`: how many they may use, any number where it is None. `since_ms`:
    from when those used are counted.
    """

    tenant: str
    cpu_s: float | None
    since_ms: int
    used_cpu_s: float
    reserved_cpu_s: float

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "tenant": self.tenant,
            "cpu_s": self.cpu_s,
            "used_cpu_s": round(self.used_cpu_s, 3),
            "reserved_cpu_s": round(self.reserved_cpu_s, 3),
            "since_ms": self.since_ms,
        }


class Budgets:
    """Works within the transaction of its caller."""

    def __init__(self, register: JobRegister) -> None:
        self._register = register
        self._stopped: set[int] = set()
        self._set: set[str] = set()

    def tenant(self, name: str) -> TenantBudget:
        row = self._register.one("SELECT * FROM tenant WHERE tenant = ?", name)
        return TenantBudget(name, None, 0, 0.0, 0.0) if row is None else TenantBudget(**dict(row))

    def admit(self, job: JobRow, estimate: float) -> bool:
        """Reserve an estimate for a part; False where a budget has no room for it, and then its job stops."""
        tenant = self.tenant(job.tenant)
        if _full(job.budget_cpu_s, job.cpu_s + job.reserved_cpu_s, estimate):
            used = f"{job.cpu_s:.1f} of {job.budget_cpu_s:.1f} CPU seconds are used, {job.reserved_cpu_s:.1f} are"
            told = f"{used} reserved, the next part takes about {estimate:.1f}: raise the limit with"
            self._stop(job, f"{told} `rushes jobs budget`", code="budget_exhausted")
            return False
        if _full(tenant.cpu_s, tenant.used_cpu_s + tenant.reserved_cpu_s, estimate):
            # Without the tenant's figures: who sees this job may not see those of other projects.
            told = f"the budget of tenant {job.tenant} has no room for the next part, which takes about {estimate:.1f}"
            told = f"{told} CPU seconds: raise it with `rushes jobs tenant-budget`"
            self._stop(job, told, code="tenant_budget_exhausted")
            return False
        self._register.change("UPDATE job SET reserved_cpu_s = reserved_cpu_s + ? WHERE id = ?", estimate, job.id)
        self._count(job.tenant, reserved=estimate)
        return True

    def variant_is_full(self, job: JobRow, number: int, estimate: float) -> tuple[str, int] | None:
        """Why a variant's budget has no room for a part, and how many of its parts are in work, which may take less
        than is reserved for them; None where it has room.
        """
        if job.variant_cpu_s is None:
            return None
        used = self._register.variant(job.id, number).cpu_s
        row = self._register.one(
            "SELECT COUNT(*) AS tasks, TOTAL(reserved_cpu_s) AS cpu_s FROM task WHERE asked = 1 AND job = ?"
            " AND id IN (SELECT task FROM need WHERE job = ? AND number = ?)",
            job.id,
            job.id,
            number,
        )
        assert row is not None, "a count is one row"
        if not _full(job.variant_cpu_s, used + row["cpu_s"], estimate):
            return None
        self._stopped.add(job.id)
        told = f"the variant has used {used:.1f} of its {job.variant_cpu_s:.1f} CPU seconds, {row['cpu_s']:.1f} are"
        told = f"{told} reserved, the next part takes about {estimate:.1f}: raise the limit with `rushes jobs budget`"
        return told, int(row["tasks"])

    def let_variants_go_on(self, job: int) -> None:
        """Those of a job that wait for room in their budget look whether there is some."""
        # Of a large job few run: without its index all would be read, after every task.
        sql = f"UPDATE variant INDEXED BY variant_state {_WAITS_NO_MORE} AND job = ?"
        self._register.change(sql, VARIANT_STOPPED, job)

    def charge(self, task: TaskRow, cpu_s: float) -> None:
        """A part has ended: what was reserved for it is free, and what it used is not."""
        freed = "reserved_cpu_s = MAX(0, reserved_cpu_s - ?)"
        self._register.change(f"UPDATE job SET {freed} WHERE id = ?", task.reserved_cpu_s, task.job)  # noqa: S608 - our words
        self._count(task.tenant, used=cpu_s)
        self._register.change(f"UPDATE tenant SET {freed} WHERE tenant = ?", task.reserved_cpu_s, task.tenant)  # noqa: S608
        # The next part may fit after all.
        self.let_variants_go_on(task.job)
        self._go_on("id = ? AND code != ?", task.job, TENANT_STOPPED)
        self._go_on("tenant = ? AND code = ?", task.tenant, TENANT_STOPPED)

    def set_job(self, job: JobRow, cpu_s: float | None) -> None:
        self._register.change("UPDATE job SET budget_cpu_s = ? WHERE id = ?", cpu_s, job.id)
        self._go_on("id = ?", job.id)

    def set_tenant(self, tenant: str, data: TenantBudgeted) -> None:
        self._count(tenant)
        limit = data.cpu_s if data.limited else None
        self._register.change("UPDATE tenant SET cpu_s = ? WHERE tenant = ?", limit, tenant)
        # The same event again must not forget what was used since.
        self._register.change(
            "UPDATE tenant SET used_cpu_s = 0, since_ms = ? WHERE tenant = ? AND since_ms < ?",
            data.restart_ms or 0,
            tenant,
            data.restart_ms or 0,
        )
        self._go_on("tenant = ? AND code = ?", tenant, TENANT_STOPPED)
        self._set.add(tenant)

    def forget_reserved(self) -> None:
        """Nobody works on anything."""
        self._register.change("UPDATE job SET reserved_cpu_s = 0")
        self._register.change("UPDATE tenant SET reserved_cpu_s = 0")
        self._register.change(f"UPDATE variant {_WAITS_NO_MORE}", VARIANT_STOPPED)

    def changed_jobs(self) -> set[int]:
        """Jobs that a budget has stopped or let go on, or variants of them; each is told once."""
        found, self._stopped = self._stopped, set()
        return found

    def changed_tenants(self) -> set[str]:
        """Tenants whose budgets were set; each is told once."""
        found, self._set = self._set, set()
        return found

    def _count(self, tenant: str, *, used: float = 0.0, reserved: float = 0.0) -> None:
        self._register.change(
            "INSERT INTO tenant (tenant, used_cpu_s, reserved_cpu_s) VALUES (?, ?, ?) ON CONFLICT (tenant) DO UPDATE"
            " SET used_cpu_s = used_cpu_s + excluded.used_cpu_s,"
            " reserved_cpu_s = reserved_cpu_s + excluded.reserved_cpu_s",
            tenant,
            used,
            reserved,
        )

    def _go_on(self, which: str, *values: object) -> None:
        rows = self._register.all(
            f"UPDATE job SET state = 'running', code = '', message = '' WHERE state = 'budget_exhausted' AND {which}"  # noqa: S608 - our words
            " RETURNING id",
            *values,
        )
        self._stopped.update(int(row["id"]) for row in rows)

    def _stop(self, job: JobRow, message: str, *, code: str) -> None:
        # Parts in work may cost less than was reserved: the job tries again after each of them.
        self._register.change(
            "UPDATE job SET state = ?, code = ?, message = ? WHERE id = ?",
            JobState.BUDGET_EXHAUSTED,
            code,
            message,
            job.id,
        )
        self._stopped.add(job.id)


def _full(budget: float | None, taken: float, estimate: float) -> bool:
    return budget is not None and taken + estimate > budget
