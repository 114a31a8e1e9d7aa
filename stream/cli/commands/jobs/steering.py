"""`rushes jobs cancel`, `pause`, `resume`, `retry`, `deliver`, `release`, `priority`, `budget`: commands to jobs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.commands.jobs.looking import VariantName, jobs_of, variant_of
from stream.cli.context import Context
from stream.cli.options.jobs import (
    BrokerUri,
    ClientProperties,
    Cluster,
    JobName,
    JobTenant,
    ObjectsOption,
    job_settings,
)
from stream.clock import SystemClock
from stream.errors import BadRequest, Unavailable
from stream.events.jobs import Action

if TYPE_CHECKING:
    from stream.pipelines.jobs import JobSettings


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
    "Look whether everything that a job has delivered still lies there, and bring again what is gone.",
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
    cpu_s: Annotated[float, typer.Option(min=0.0, max=1e12, help="CPU seconds in all.")],
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
) -> None:
    """Set how many CPU seconds a job may use; one that stopped at its budget goes on if there is room."""
    there = Cluster.named(broker, client_properties, context.obj.deployment)
    _send(context, job, tenant, objects, there, "budget", cpu_s=cpu_s)


def clean(
    context: typer.Context,
    older_than: Annotated[
        float, typer.Option(min=0.0, max=36_500.0, help="Days since an intermediate was written.", metavar="DAYS")
    ] = 7.0,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
) -> None:
    """Remove old intermediates of a tenant. Finals, assets and descriptions stay, and what running jobs need."""
    from rich.filesize import decimal

    from stream.pipelines.jobs import JobPipeline
    from stream.sessions.job_retention import clean as cleaned

    shared: Context = context.obj
    clock = SystemClock()
    jobs = JobPipeline(job_settings(shared, objects), clock, afresh=True)
    found = cleaned(jobs, tenant, clock.now_ms() - round(older_than * 86_400_000))
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
    from stream.events.jobs import JobControlled
    from stream.pipelines.jobs import JobPipeline
    from stream.sessions.job_status import read_status
    from stream.sessions.jobs_embedded import command, leave_command

    shared: Context = context.obj
    clock, settings = SystemClock(), job_settings(shared, objects)
    known = read_status(JobPipeline(settings, clock, afresh=True), tenant, job)
    if known is None:
        raise BadRequest(f"there is no job {job!r} of tenant {tenant!r}: `rushes jobs list` shows them", code="no_job")
    data = JobControlled(job=job, action=action, **values)
    if there is not None:
        from stream.sessions.jobs_process import send

        with there.connected(clock) as broker:
            send(broker, [command(tenant, known["project"], data, clock.now_ms())])
    else:
        leave_command(settings, tenant, known["project"], data, clock.now_ms())
        _carry_out(settings, clock, rendering=rendering)
    shared.console.print(f"{action} of job {job} is on its way.", markup=False)


def _carry_out(settings: "JobSettings", clock: SystemClock, *, rendering: bool) -> None:
    """Unless another process works on the jobs: that one carries it out. `rendering`: with the work that follows."""
    import threading

    from stream.sessions.jobs_embedded import EmbeddedJobs, scratch_within

    try:
        with scratch_within(settings) as held, EmbeddedJobs(held, clock, rendering=rendering) as session:
            session.run(threading.Event(), lambda: False, lambda: None, until_quiet=True)
    except Unavailable as error:
        if error.code != "state_locked":
            raise
