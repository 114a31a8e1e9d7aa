"""Options of the commands about jobs, and the place where their files lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from sinks.location import Location
from stream.cli.context import Context, UsageProblem
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.rendering.sanitize import shown
from stream.errors import Fatal

if TYPE_CHECKING:
    from stream.jobs.prices import PriceTable
    from stream.pipelines.jobs import JobSettings

__all__ = [
    "AsJson",
    "BrokerUri",
    "ClientProperties",
    "Cluster",
    "JobName",
    "JobTenant",
    "ObjectsOption",
    "PricesOption",
    "Project",
    "TemplateFile",
    "job_settings",
    "price_table",
    "said_by_options",
]

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
TemplateFile = Annotated[Path, typer.Argument(help="The template, YAML or JSON.", metavar="TEMPLATE")]
Project = Annotated[str, typer.Option(help="The project it belongs to.")]
JobTenant = Annotated[str, typer.Option(help="Whose job it is.")]
PricesOption = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        envvar="RUSHES_PRICES",
        help="What units cost, as TOML: currency, cpu_hour, gpu_hour, stored_gib_hour, delivered_gib."
        " Without it units alone are told.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


# Without words of its own a field says what is wrong with it.
_SAID_BY = {
    "job": (
        "--name",
        "a name has letters, digits, `_`, `.` and `-`, begins with a letter or a digit, and is not longer than 100",
    ),
    "tenant": ("--tenant", ""),
    "project": ("--project", ""),
    "deadline_ms": ("--deadline", "it has to be later than 1970"),
    "deliver_to": ("--deliver-to", "a place has at most 4000 characters"),
}


@contextmanager
def said_by_options() -> Iterator[None]:
    """Around what makes a description of a job. Raises `UsageProblem` for what an option said that cannot be."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        if field not in _SAID_BY:
            raise
        option, words = _SAID_BY[field]
        raise UsageProblem(f"{option}: {words or first['msg'].removeprefix('Value error, ')}") from None


def job_settings(
    shared: Context, objects: str | None, renderers: int | None = None, prices: Path | None = None
) -> "JobSettings":
    """Of the state directory and the options. Raises `UsageProblem` for a place that cannot be one."""
    from stream.pipelines.jobs import JobSettings

    try:
        place = None if objects is None else Location.of(objects)
    except Fatal as error:
        raise UsageProblem(f"--objects: {error.message}") from None
    from stream.cli.options.stored_settings import file_settings

    index = file_settings(shared).index_dir
    made = JobSettings.under(shared.state_dir, place, shared.cache_dir)
    settings = replace(made, prices=price_table(prices), index=index)
    return settings if renderers is None else replace(settings, renderers=renderers, slots=2 * renderers)


def price_table(path: Path | None) -> "PriceTable | None":
    """Raises `UsageProblem` for a file that cannot be read, and `BadRequest` (`prices_invalid`)."""
    from stream.files import read_small
    from stream.jobs.prices import PriceTable

    if path is None:
        return None
    try:
        return PriceTable.read(read_small(path), shown(str(path)))
    except OSError as error:
        raise UsageProblem(f"--prices {shown(str(path))} cannot be read: {error.strerror}") from None
