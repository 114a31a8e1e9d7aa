"""What was told last of a job, read from the objects alone; it loads no stage."""

import json
from typing import TYPE_CHECKING, Any

from stream.jobs.budgets import budget_name
from stream.jobs.reports import status_name

if TYPE_CHECKING:
    from stream.pipelines.jobs import JobPipeline


def read_status(jobs: "JobPipeline", tenant: str, job: str) -> dict[str, Any] | None:
    """The state of a job as it was told last; None where there is no such job."""
    content = jobs.store.documents.read(status_name(tenant, job))
    return None if content is None else dict(json.loads(content))


def read_budget(jobs: "JobPipeline", tenant: str) -> dict[str, Any] | None:
    """The budget of a tenant as it was told last; None where there is none."""
    content = jobs.store.documents.read(budget_name(tenant))
    told = None if content is None else dict(json.loads(content))
    return None if told is None or told["cpu_s"] is None else told
