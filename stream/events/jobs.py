"""What jobs say on topics: asked for, told to stop or go on, a piece of work asked for, how it ended."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from stream.events.asset import Json, Name, Tenant, Text
from stream.events.objects import Amount, Count, Digest, FileName, StoredFile, TaskCost

JOB_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
JobId = Annotated[str, StringConstraints(pattern=JOB_NAME)]
KeyText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Action = Literal["cancel", "pause", "resume", "retry", "priority", "budget", "deliver", "release"]
TaskKind = Literal["begin", "part", "join", "deliver"]
Outcome = Literal["done", "failed", "canceled", "lost"]


class JobSubmitted(Json):
    """A job: `spec` is the digest of its whole description among the objects of its tenant, so that a job of a million
    rows is one small record. The same `job` with the same `spec` again is nothing new.
    """

    type: ClassVar[str] = "rushes.job.submitted.v1"
    job: JobId
    spec: Digest

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        return self.job.encode()


class JobControlled(Json):
    """What an operator of the job wants. `priority`: a higher one is served earlier within its lane. `cpu_s`: the new
    budget of the whole job; `variant_cpu_s`: of each variant, and those that stopped at it go on. `deliver`: look again
    whether everything of its finished variants lies where it should. `release`: deliver the finals of `variant`
    although moderation objects, or without waiting for it.
    """

    type: ClassVar[str] = "rushes.job.controlled.v1"
    job: JobId
    action: Action
    priority: Annotated[int, Field(ge=-100, le=100)] | None = None
    cpu_s: Amount | None = None
    variant_cpu_s: Amount | None = None
    variant: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = None

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        return self.job.encode()


class TenantBudgeted(Json):
    """How many CPU seconds all jobs of a tenant may use: `cpu_s` if `limited`, else any number. `restart_ms`: forget
    what was used before this time, in milliseconds since 1970.
    """

    type: ClassVar[str] = "rushes.tenant.budgeted.v1"
    limited: bool
    cpu_s: Amount = 0.0
    restart_ms: Count | None = None

    def partition_key(self) -> bytes:
        return b"budget"


class JobEnded(Json):
    """A job has ended, or has stopped at a budget. `outcome` is a digest over all variants, their states and their
    manifests: the same outcome is told once, under the same event id and in the same words.
    """

    type: ClassVar[str] = "rushes.job.ended.v1"
    job: JobId
    state: Text
    spec: Digest
    variants: Count
    done: Count
    failed: Count
    canceled: Count
    blocked: Count = 0
    outcome: Digest

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        return self.job.encode()


class TaskAsked(Json):
    """A piece of work for a worker, complete in itself. `begin`: find the parts of a stage, or do it as a whole where
    it has none; `part`: do one; `join`: put their outputs together; `deliver`: copy finals to where the job wants them.

    `key` is the work's own, `stage_key` that of the stage. `inputs`: by name. `parts`: of a join, the outputs of each
    part by name of file; of a part that follows another one, that one's. `toolchain`: with which the key was made; a
    worker with another one leaves it to others. `begins`: the lane of the job whose first work it is; empty for other
    work.
    """

    type: ClassVar[str] = "rushes.task.asked.v1"
    job: JobId
    variant: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    kind: TaskKind
    key: KeyText
    stage_key: KeyText
    stage: Text
    operator: Text
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    inputs: dict[Text, Digest] = Field(default_factory=dict)
    seed: Count = 0
    toolchain: dict[str, Text] = Field(default_factory=dict)
    part: dict[str, JsonValue] | None = None
    parts: tuple[dict[FileName, Digest], ...] = ()
    attempt: Count = 1
    begins: Text = ""

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        # By the work and not by its job: one job's parts spread over all workers.
        return self.key.encode()


class UrgentTaskAsked(TaskAsked):
    """A piece of work of a job that somebody waits for. Workers take it before any other."""

    type: ClassVar[str] = "rushes.urgent-task.asked.v1"


class TaskContinued(Json):
    """A piece of work takes long, and somebody is at it. `share`: how much of it is done, from 0 to 1."""

    type: ClassVar[str] = "rushes.task.continued.v1"
    job: JobId
    key: KeyText
    attempt: Count = 1
    share: Annotated[float, Field(ge=0, le=1)] = 0.0

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        return self.job.encode()


class JobContinued(Json):
    """More of a job is known already than its coordinator has looked up. Sent by that to itself."""

    type: ClassVar[str] = "rushes.job.continued.v1"
    job: JobId

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        return self.job.encode()


class TaskEnded(Json):
    """How a piece of work ended. `done` with `outputs`, or of a `begin` with `parts` that follow. `lost`: an object
    that it needs is gone or damaged; `missing` names it. `reused`: nothing was computed. `cost` is also told of what
    was canceled or failed.
    """

    type: ClassVar[str] = "rushes.task.ended.v1"
    job: JobId
    variant: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    kind: TaskKind
    key: KeyText
    outcome: Outcome
    attempt: Count = 1
    outputs: tuple[StoredFile, ...] = ()
    parts: tuple[dict[str, JsonValue], ...] = ()
    cost: TaskCost = Field(default_factory=TaskCost)
    reused: bool = False
    code: Text = ""
    message: Text = ""
    missing: tuple[Digest, ...] = ()

    def identity(self) -> str:
        return self.job

    def partition_key(self) -> bytes:
        return self.job.encode()


class JobSpec(BaseModel):
    """A job's whole description, as it lies among the objects: the template with its rows in it, the digests of its
    assets, who asked, and what the deployment adds. Its digest is what a submission names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: Literal[1] = 1
    tenant: Tenant
    project: Name
    job: JobId
    template: dict[str, JsonValue]
    assets: dict[str, StoredFile] = Field(default_factory=dict)
    deadline_ms: Count | None = None
    deliver_to: Annotated[str, StringConstraints(max_length=4000)] | None = None
