"""Options of the commands about jobs, and the place where their files lie."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from sinks.location import Location
from stream.cli.context import Context, UsageProblem
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.errors import Fatal

if TYPE_CHECKING:
    from stream.pipelines.jobs import JobSettings

__all__ = ["BrokerUri", "ClientProperties", "Cluster", "JobName", "JobTenant", "ObjectsOption", "job_settings"]

ObjectsOption = Annotated[
    str | None,
    typer.Option(
        "--objects",
        metavar="PLACE",
        envvar="RUSHES_OBJECTS",
        help="Where files, results and states of jobs lie: a directory or s3://BUCKET/PREFIX, the same for every"
        " process of a deployment. [default: jobs/store in the state directory]",
    ),
]
JobName = Annotated[str, typer.Argument(help="The job's name.", metavar="JOB")]
JobTenant = Annotated[str, typer.Option(help="Whose job it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


def job_settings(shared: Context, objects: str | None, renderers: int | None = None) -> "JobSettings":
    """Of the state directory and the options. Raises `UsageProblem` for a place that cannot be one."""
    from stream.pipelines.jobs import JobSettings

    try:
        place = None if objects is None else Location.of(objects)
    except Fatal as error:
        raise UsageProblem(f"--objects: {error.message}") from None
    settings = JobSettings.under(shared.state_dir, place, shared.cache_dir)
    return settings if renderers is None else replace(settings, renderers=renderers, slots=2 * renderers)
