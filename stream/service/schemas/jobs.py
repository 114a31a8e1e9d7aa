"""What the API says of jobs: their states, their variants, and what finished variants gave."""

from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from stream.events.objects import Digest
from stream.jobs.manifest import Final, shown_of
from stream.jobs.states import JobState, VariantState
from stream.jobs.waits import at_work, held_up


def job_path(tenant: str, job: str) -> str:
    """A slash in a tenant's name is `%2F`."""
    return f"/v1/jobs/{quote(tenant, safe='')}/{quote(job, safe='')}"


def variant_path(tenant: str, job: str, variant: str) -> str:
    return f"{job_path(tenant, job)}/variants/{variant}"


class JobStageOut(BaseModel):
    """One stage of a job."""

    name: str
    done: int = Field(description="Variants that have finished it.")
    in_work: int = Field(description="Its tasks that are worked on, or were just asked for.")


class MoneyOut(BaseModel):
    """By the price table of the deployment. `wasted` is part of `total`."""

    currency: str = Field(description="ISO 4217.")
    cpu: float
    gpu: float
    stored: float
    delivered: float
    total: float
    wasted: float


class VariantCostOut(BaseModel):
    """What was used until now."""

    cpu_s: float
    gpu_s: float
    wasted_cpu_s: float = Field(description="Of `cpu_s`: work that failed or was canceled.")
    wasted_gpu_s: float
    written_bytes: int
    stored_byte_hours: float = Field(description="Bytes of results times the hours until the job ended, or until now.")
    delivered_bytes: int
    money: MoneyOut | None = Field(None, description="Where the deployment has prices.")


class JobCostOut(VariantCostOut):
    wall_s: float = Field(description="Time that workers were busy with it.")
    read_bytes: int
    tasks_computed: int
    tasks_reused: int = Field(description="Tasks whose results were known already.")


_JOB: dict[str, JsonValue] = {
    "tenant": "acme",
    "project": "ads",
    "job": "spring",
    "path": "/v1/jobs/acme/spring",
    "state": "partial",
    "code": None,
    "message": None,
    "lane": "batch",
    "priority": 0,
    "submitted_ms": 1_800_000_000_000,
    "started_ms": 1_800_000_000_400,
    "ended_ms": 1_800_000_095_000,
    "variants": 24,
    "waiting": 0,
    "done": 23,
    "failed": 1,
    "canceled": 0,
    "blocked": 0,
    "stages": [{"name": "compose", "done": 24, "in_work": 0}, {"name": "film", "done": 23, "in_work": 0}],
    "cost": {
        "cpu_s": 181.2,
        "gpu_s": 0.0,
        "wasted_cpu_s": 2.4,
        "wasted_gpu_s": 0.0,
        "written_bytes": 48_118_016,
        "stored_byte_hours": 634_889,
        "delivered_bytes": 8_118_016,
        "money": {
            "currency": "EUR",
            "cpu": 0.002013,
            "gpu": 0.0,
            "stored": 0.0,
            "delivered": 0.000605,
            "total": 0.002618,
            "wasted": 0.000027,
        },
        "wall_s": 190.3,
        "read_bytes": 91_226_112,
        "tasks_computed": 95,
        "tasks_reused": 0,
    },
    "budget_cpu_s": None,
    "held_up": [],
}


class JobOut(BaseModel):
    """A job as it was last told. `code` and `message`: why it is in its state, where something went wrong."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    tenant: str
    project: str
    job: str = Field(description="Its name, which is its id within its tenant.")
    path: str = Field(description="Path of the job in this API.")
    state: JobState
    code: str | None
    message: str | None
    lane: str
    priority: int
    submitted_ms: int
    started_ms: int | None
    ended_ms: int | None
    variants: int
    waiting: int
    done: int
    failed: int
    canceled: int
    blocked: int = Field(0, description="Held back by the template's moderation, until somebody releases them.")
    stages: list[JobStageOut] = Field(description="In the order in which a variant passes them.")
    cost: JobCostOut
    budget_cpu_s: float | None
    held_up: list[str] = Field(
        [],
        description="What it waits for, in words; nothing as long as its work is heard of. `jobs watch` says the same.",
    )

    @classmethod
    def of(cls, status: Mapping[str, Any], now_ms: int) -> Self:
        told = {
            "path": job_path(status["tenant"], status["job"]),
            "code": status["code"] or None,
            "message": status["message"] or None,
            "stages": [{**stage, "in_work": at_work(stage, now_ms)} for stage in status["stages"]],
            "held_up": held_up(status, now_ms),
        }
        return cls.model_validate({**status, **told})


class TenantBudgetOut(BaseModel):
    """How many CPU seconds all jobs of a tenant may use, and have used since they are counted."""

    cpu_s: float
    used_cpu_s: float
    reserved_cpu_s: float = Field(description="Estimates of what is worked on.")
    since_ms: int = Field(description="0: from the first job.")


_BUDGET: dict[str, JsonValue] = {"cpu_s": 36_000.0, "used_cpu_s": 9_181.2, "reserved_cpu_s": 12.5, "since_ms": 0}


class JobsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": [_JOB], "next": None, "budget": _BUDGET}]})

    jobs: list[JobOut] = Field(description="The newest first.")
    next: str | None = Field(description="A cursor to older ones; none where these are all.")
    budget: TenantBudgetOut | None = Field(
        None, description="Of the tenant, where it has one and the caller may see all its projects."
    )


class JobFinalOut(BaseModel):
    """A file that a finished variant gave."""

    stage: str
    name: str
    media_type: str
    digest: Digest
    path: str = Field(description="Where its bytes are.")

    @classmethod
    def of(cls, final: Final, within: str) -> Self:
        path = f"{within}/finals/{quote(final.stage, safe='')}/{quote(final.name, safe='')}"
        return cls(stage=final.stage, name=final.name, media_type=final.media_type, digest=final.digest, path=path)


_VARIANT: dict[str, JsonValue] = {
    "number": 3,
    "id": "8f4e5f0b6f3f2f11",
    "name": "wide_6s_ar",
    "path": "/v1/jobs/acme/spring/variants/8f4e5f0b6f3f2f11",
    "state": "done",
    "stage": None,
    "cost": {
        "cpu_s": 7.612,
        "gpu_s": 0.0,
        "wasted_cpu_s": 0.0,
        "wasted_gpu_s": 0.0,
        "written_bytes": 2_004_917,
        "stored_byte_hours": 26_402,
        "delivered_bytes": 338_250,
        "money": None,
    },
    "code": None,
    "message": None,
    "manifest": "/v1/jobs/acme/spring/variants/8f4e5f0b6f3f2f11/manifest",
    "poster": "/v1/jobs/acme/spring/variants/8f4e5f0b6f3f2f11/poster",
    "finals": [
        {
            "stage": "film",
            "name": "video.mp4",
            "media_type": "video/mp4",
            "digest": f"sha256:{'5d' * 32}",
            "path": "/v1/jobs/acme/spring/variants/8f4e5f0b6f3f2f11/finals/film/video.mp4",
        }
    ],
}


class JobVariantOut(BaseModel):
    """One row of a job's template. `code` and `message`: why it failed. Manifest and finals: of a finished one."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VARIANT]})

    number: int = Field(description="Of its row, from 0.")
    id: str
    name: str
    path: str
    state: VariantState
    stage: str | None = Field(description="That it is at, or failed in.")
    cost: VariantCostOut
    code: str | None
    message: str | None
    manifest: str | None = Field(description="Path of its signed manifest.")
    poster: str | None = Field(description="Path of a small picture of it, where a final is a picture or a film.")
    finals: list[JobFinalOut]

    @classmethod
    def of(cls, tenant: str, job: str, row: Mapping[str, Any], finals: Sequence[Final]) -> Self:
        within = variant_path(tenant, job, row["id"])
        # Rows that did not fail have neither.
        told = {"code": None, "message": None, **row, "stage": row["stage"] or None}
        found = {
            "path": within,
            "manifest": f"{within}/manifest" if finals else None,
            "poster": f"{within}/poster" if shown_of(finals) else None,
            "finals": [JobFinalOut.of(final, within) for final in finals],
        }
        return cls.model_validate(told | found)


class JobVariantsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"variants": [_VARIANT], "next": None}]})

    variants: list[JobVariantOut] = Field(description="By their numbers.")
    next: str | None = Field(description="A cursor to those that follow; none where these are all.")
