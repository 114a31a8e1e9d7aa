"""Commands to jobs: `rushes jobs cancel`, `pause`, `resume`, `retry`, `deliver`, `release`, `priority`, `budget`; and
`tenant-budget`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.commands.jobs.looking import VariantName, jobs_of, rows_of_job, variant_of
from stream.cli.context import AnsweredNo, Context, UsageProblem
from stream.cli.options.jobs import (
    BrokerUri,
    ClientProperties,
    Cluster,
    JobName,
    JobTenant,
    ObjectsOption,
    job_settings,
)
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadRequest, Unavailable
from stream.events.jobs import Action

if TYPE_CHECKING:
    from stream.events.jobs import JobControlled, TenantBudgeted
    from stream.pipelines.jobs import JobSettings

_MOVES = frozenset({"cancel", "pause", "resume", "retry", "release"})
_COUNTS = ("state", "done", "failed", "canceled", "blocked")
"""Of a status: what tells whether a command has changed something."""
_VALUES = frozenset({"priority", "budget"})


def steering(action: Action, does: str, *, rendering: bool = False) -> Callable[..., None]:
    """The command of an action that says nothing but which job is meant. `does`: its help."""

    def command(
        context: typer.Context,
        job: JobName,
        tenant: JobTenant = "default",
        objects: ObjectsOption = None,
        broker: BrokerUri = None,
        client_properties: ClientProperties = None,
    ) -> None:
        there = Cluster.named(broker, client_properties, context.obj.deployment)
        _send(context, job, tenant, objects, there, action, rendering=rendering)

    command.__doc__ = does
    return command


cancel = steering("cancel", "Stop a job within a part. What is finished stays, and `show` says what was spent.")
pause = steering("pause", "Begin no new part of a job until it is resumed.")
resume = steering("resume", "Go on with a paused job.")
retry = steering("retry", "Begin what failed or was canceled again, from its last finished stage.")
deliver = steering(
    "deliver",
    "Look whether everything that a job has delivered still lies there, and bring again what is gone. Exits with 1"
    " where not all of it does then; with --broker the workers look.",
    rendering=True,
)


def release(
    context: typer.Context,
    job: JobName,
    variant: VariantName,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
) -> None:
    """Deliver finals that the template's moderation holds back, or do not wait for it. The manifest says so."""
    shared: Context = context.obj
    there = Cluster.named(broker, client_properties, shared.deployment)
    found = variant_of(jobs_of(shared, objects), tenant, job, variant)
    _send(context, job, tenant, objects, there, "release", rendering=True, variant=found["id"])


def priority(
    context: typer.Context,
    job: JobName,
    level: Annotated[
        int,
        typer.Option(min=0, max=100, help="A higher one is served earlier within its lane. Jobs begin with 0."),
    ],
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
) -> None:
    """Serve a job earlier or later than others of its lane."""
    there = Cluster.named(broker, client_properties, context.obj.deployment)
    _send(context, job, tenant, objects, there, "priority", priority=level)


def budget(
    context: typer.Context,
    job: JobName,
    cpu_s: Annotated[float | None, typer.Option(min=0.0, max=1e12, help="CPU seconds in all.")] = None,
    variant_cpu_s: Annotated[float | None, typer.Option(min=0.0, max=1e12, help="CPU seconds of each variant.")] = None,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
) -> None:
    """Set how many CPU seconds a job may use, or each of its variants; what stopped at a budget goes on if there is
    room.
    """
    if cpu_s is None and variant_cpu_s is None:
        raise UsageProblem("say how many with --cpu-s or --variant-cpu-s")
    there = Cluster.named(broker, client_properties, context.obj.deployment)
    _send(context, job, tenant, objects, there, "budget", cpu_s=cpu_s, variant_cpu_s=variant_cpu_s)


def tenant_budget(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(help="The tenant.", metavar="TENANT")],
    cpu_s: Annotated[
        float | None, typer.Option(min=0.0, max=1e12, help="CPU seconds of all its jobs, finished ones too.")
    ] = None,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Take the budget away.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Count what is used from now on, as at the beginning of a month.")
    ] = False,
    objects: ObjectsOption = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
) -> None:
    """Set how many CPU seconds all jobs of a tenant may use; those that stopped at it go on if there is room."""
    from stream.events.ids import is_tenant
    from stream.events.jobs import TenantBudgeted

    if (cpu_s is None) is not unlimited:
        raise UsageProblem("say how many with --cpu-s, or --unlimited")
    if not is_tenant(tenant):
        raise UsageProblem("TENANT: not a name of at most 200 bytes when percent-encoded")
    shared: Context = context.obj
    there = Cluster.named(broker, client_properties, shared.deployment)
    clock = SystemClock()
    data = TenantBudgeted(limited=not unlimited, cpu_s=cpu_s or 0.0, restart_ms=clock.now_ms() if restart else None)
    carried_out = _give(job_settings(shared, objects), clock, there, (tenant, "default", data))
    became = "set" if carried_out else "on its way"
    shared.console.print(f"the budget of tenant {shown(tenant)} is {became}.", markup=False)


def clean(
    context: typer.Context,
    older_than: Annotated[
        float, typer.Option(min=0.0, max=36_500.0, help="Days since an intermediate was written.", metavar="DAYS")
    ] = 7.0,
    parts_older_than: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=36_500.0,
            metavar="DAYS",
            help="Of parts of stages, and of what unfinished variants have left. [default: --older-than]",
        ),
    ] = None,
    finals_older_than: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=36_500.0,
            metavar="DAYS",
            help="Finals of jobs that ended so long ago too; what was delivered elsewhere, and content credentials,"
            " stay. [default: never]",
        ),
    ] = None,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
) -> None:
    """Remove old intermediates of a tenant, and old finals where that is said.

    Assets, descriptions and manifests stay, and whatever was written after the oldest job was submitted that has not
    ended. What such a job needs and is older is made again.
    """
    from rich.filesize import decimal

    from stream.pipelines.jobs import JobPipeline
    from stream.sessions.job_retention import KeptFor
    from stream.sessions.job_retention import clean as cleaned

    shared: Context = context.obj
    clock = SystemClock()
    jobs = JobPipeline(job_settings(shared, objects), clock, afresh=True)
    parts = older_than if parts_older_than is None else parts_older_than
    found = cleaned(jobs, tenant, KeptFor(older_than, parts, finals_older_than).before(clock.now_ms()))
    shared.console.print(f"{found.objects} objects ({decimal(found.bytes)}) are gone.", markup=False)


def _send(
    context: typer.Context,
    job: str,
    tenant: str,
    objects: str | None,
    there: Cluster | None,
    action: Action,
    *,
    rendering: bool = False,
    **values: Any,
) -> None:
    from stream.cli.auditing import work_auditor
    from stream.events.jobs import JobControlled
    from stream.pipelines.jobs import JobPipeline
    from stream.sessions.job_status import read_status
    from stream.sessions.jobs_embedded import require_open

    shared: Context = context.obj
    clock, settings = SystemClock(), replace(job_settings(shared, objects), audited=work_auditor(shared))
    known = read_status(JobPipeline(settings, clock, afresh=True), tenant, job)
    if known is None:
        raise BadRequest(f"there is no job {job!r} of tenant {tenant!r}: `rushes jobs list` shows them", code="no_job")
    data = JobControlled(job=job, action=action, **values)
    carried_out = _give(settings, clock, there, (tenant, known["project"], data), rendering=rendering)
    jobs = JobPipeline(settings, clock, afresh=True)
    now = read_status(jobs, tenant, job) if carried_out else None
    if now is None:
        told, there_all = f"{action} of job {job} is on its way.", True
    else:
        require_open(settings, tenant, job)
        wanted = _to_be_there(known, now, rows_of_job(jobs, tenant, job)) if action == "deliver" else 0
        told, there_all = _became(action, known, now, wanted), now["done"] >= wanted
    shared.console.print(told, soft_wrap=True, markup=False)
    if not there_all:
        raise AnsweredNo


def _to_be_there(before: Mapping[str, Any], now: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> int:
    """How many variants of a job were delivered before somebody looked at them, or failed at their delivery alone."""
    from stream.jobs.reports import is_undelivered

    return max(int(before["done"]), int(now["done"]) + sum(map(is_undelivered, rows)))


def _became(action: Action, before: Mapping[str, Any], now: Mapping[str, Any], wanted: int) -> str:
    """What a command of this machine did to a job, of which `wanted` variants should lie where they were delivered."""
    job, state = now["job"], now["state"]
    if action in _MOVES and all(now[count] == before[count] for count in _COUNTS):
        return f"job {job} is {state}: there is nothing to {action}."
    if action == "deliver":
        found = f"job {job} is {state}: {now['done']} of {wanted} variants lie where they were delivered"
        return f"{found}." if now["done"] >= wanted else f"{found}; `rushes jobs show {job}` says why."
    told = f"{action} of job {job} is {'set' if action in _VALUES else 'carried out'}: it is {state}."
    # Nothing computes here: whoever steers a job need not be who does it.
    return f"{told} The command that submitted it goes on with it." if state == "running" else told


def _give(
    settings: "JobSettings",
    clock: SystemClock,
    there: Cluster | None,
    told: "tuple[str, str, JobControlled | TenantBudgeted]",
    *,
    rendering: bool = False,
) -> bool:
    """Send what is `told` of a tenant and project to the coordinator, here or on a cluster. Whether it is carried out
    already.
    """
    from stream.sessions.jobs_embedded import command, leave_command

    if there is not None:
        from stream.sessions.jobs_process import send

        with there.connected(clock) as broker:
            send(broker, [command(*told, clock.now_ms())])
        return False
    leave_command(settings, *told, clock.now_ms())
    tenant, _, data = told
    return _carry_out(settings, clock, tenant, getattr(data, "job", ""), rendering=rendering)


def _carry_out(settings: "JobSettings", clock: SystemClock, tenant: str, job: str, *, rendering: bool) -> bool:
    """Unless another process works on the jobs: that one carries it out. `rendering`: with the work that follows for
    this job; what others wait for is not waited for.
    """
    import threading

    from stream.jobs.reports import is_at_rest
    from stream.sessions.job_status import read_status
    from stream.sessions.jobs_embedded import EmbeddedJobs, scratch_within

    try:
        with scratch_within(settings) as held, EmbeddedJobs(held, clock, rendering=rendering) as session:

            def rests() -> bool:
                found = read_status(session.jobs, tenant, job) if rendering else None
                return found is not None and is_at_rest(found)

            session.run(threading.Event(), rests, lambda: None, until_quiet=True)
    except Unavailable as error:
        if error.code != "state_locked":
            raise
        return False
    return True
