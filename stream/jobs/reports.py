"""What a person is told of jobs: documents among the objects, read without a broker."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from stream.events.objects import own_folder
from stream.jobs.prices import PriceTable
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.reviews import AWAITED
from stream.jobs.spending import Spending
from stream.jobs.states import JobState
from stream.jobs.template import LANES

FOLDER = "jobs"


@dataclass(frozen=True, slots=True)
class InWork:
    """Of one stage: tasks that are asked for, and when one of them was asked for or was heard of last."""

    tasks: int
    heard_ms: int | None


def tenant_folder(tenant: str) -> str:
    """Where the documents of a tenant's jobs are."""
    return f"{FOLDER}/{own_folder(tenant)}"


def tenant_named(folder: str) -> str:
    """Whose a folder of tenants is, by its own name."""
    return unquote(folder)


def job_folder(tenant: str, job: str) -> str:
    """Where the documents of a job are."""
    return f"{tenant_folder(tenant)}/{job}"


def status_name(tenant: str, job: str) -> str:
    """The document of a job's state."""
    return f"{job_folder(tenant, job)}/status.json"


def variants_name(tenant: str, job: str) -> str:
    """The document of a job's variants."""
    return f"{job_folder(tenant, job)}/variants.json"


def manifest_name(tenant: str, job: str, variant: str) -> str:
    """The signed manifest of a finished variant."""
    return f"{job_folder(tenant, job)}/manifests/{variant}.json"


RATES = "rates.json"
"""The document of what operators' work took until now, in the whole deployment."""


def status_of(
    job: JobRow, stages: Mapping[str, int], in_work: Mapping[str, InWork], now_ms: int, prices: PriceTable | None
) -> dict[str, Any]:
    """`stages`: how many variants have finished each; `in_work`: its tasks that are asked for."""
    none = InWork(0, None)
    spent = Spending.until(job, elapsed_ms(job, now_ms)).told(prices)
    return {
        "tenant": job.tenant,
        "project": job.project,
        "job": job.name,
        "spec": job.spec,
        "state": job.state.value,
        "code": job.code,
        "message": job.message,
        "lane": LANES[job.rank],
        "priority": job.priority,
        "submitted_ms": job.submitted_ms,
        "started_ms": job.started_ms,
        "ended_ms": job.ended_ms,
        "variants": job.total,
        "waiting": job.waiting,
        "done": job.done,
        "failed": job.failed,
        "canceled": job.canceled,
        "blocked": job.blocked,
        "stages": [
            {"name": name, "done": done, "in_work": work.tasks, "heard_ms": work.heard_ms}
            for name, done, work in ((name, done, in_work.get(name, none)) for name, done in stages.items())
        ],
        "cost": spent
        | {
            "wall_s": round(job.wall_s, 3),
            "read_bytes": job.read_bytes,
            "tasks_computed": job.computed,
            "tasks_reused": job.reused,
        },
        "budget_cpu_s": job.budget_cpu_s,
    }


def elapsed_ms(job: JobRow, now_ms: int) -> int:
    """From the submission of a job to its end, or until now."""
    return max(0, (job.ended_ms or now_ms) - job.submitted_ms)


def rows_of(
    register: JobRegister, job: JobRow, stages: list[str], now_ms: int, prices: PriceTable | None
) -> Iterator[dict[str, Any]]:
    """The table of variants."""
    for row in register.variants(job.id):
        found = {
            "number": row.number,
            "id": row.id,
            "name": row.name,
            "state": row.state.value,
            "stage": stages[row.stage] if row.stage < len(stages) else "",
            "cost": Spending.until(row, elapsed_ms(job, now_ms)).told(prices),
        }
        yield found | ({"code": row.code, "message": row.message} if row.code else {})


def awaiting(register: JobRegister, job: JobRow) -> int:
    """How many variants of a job wait for their finals to be understood."""
    row = register.one("SELECT COUNT(*) FROM variant WHERE job = ? AND state = 'running' AND code = ?", job.id, AWAITED)
    assert row is not None, "a count is one row"
    return int(row[0])


def stage_counts(register: JobRegister, job: JobRow, stages: list[str]) -> tuple[dict[str, int], dict[str, InWork]]:
    """Finished variants, and tasks in work, by stage."""
    done = dict.fromkeys(stages, 0)
    for row in register.all(
        "SELECT stage, COUNT(*) AS count FROM variant WHERE job = ? AND state != 'waiting' GROUP BY stage", job.id
    ):
        for name in stages[: row["stage"]]:
            done[name] += row["count"]
    work: dict[str, InWork] = {}
    for row in register.all(
        "SELECT stage, COUNT(*) AS count, MAX(asked_ms) AS heard_ms FROM task WHERE job = ? AND asked = 1"
        " GROUP BY stage",
        job.id,
    ):
        name = stages[row["stage"]] if row["stage"] < len(stages) else "deliver"
        work[name] = InWork(row["count"], row["heard_ms"])
    return done, work


def is_undelivered(row: Mapping[str, Any]) -> bool:
    """Whether a variant of the table has passed all stages, and failed where it was to be delivered."""
    return bool(row["state"] == "failed" and not row["stage"])


def is_at_rest(status: Mapping[str, Any]) -> bool:
    """Whether nothing of a job is in work or waits for its turn: it has ended, rests, or waits for moderation alone."""
    if is_final(status):
        return True
    if status["state"] != JobState.RUNNING:
        return not any(stage["in_work"] for stage in status["stages"])
    ended = sum(status[state] for state in ("done", "failed", "canceled", "blocked"))
    return bool(ended + status.get("awaiting", 0) == status["variants"])


def is_final(status: Mapping[str, Any]) -> bool:
    """Whether nothing more happens to the job of a status without somebody's command."""
    return JobState(status["state"]).ended
