"""`rushes jobs check`: what a template would become, and what that would cost. Nothing is begun."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.context import Context, UsageProblem
from stream.cli.options.jobs import (
    AsJson,
    JobTenant,
    ObjectsOption,
    PricesOption,
    Project,
    TemplateFile,
    job_settings,
    said_by_options,
)
from stream.cli.rendering.job_costs import forecast_lines, forecast_table
from stream.cli.rendering.output import write_file
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadRequest

if TYPE_CHECKING:
    from stream.jobs.descriptions import Description
    from stream.jobs.submission import Prepared
    from stream.pipelines.jobs import JobPipeline

_MOST_PROBLEMS = 5
_MOST_NAMES = 8


def check(
    context: typer.Context,
    template: TemplateFile,
    tenant: JobTenant = "default",
    project: Project = "default",
    objects: ObjectsOption = None,
    prices: PricesOption = None,
    renderers: Annotated[int, typer.Option(min=1, max=10_000, help="Tasks at a time, for the estimate of time.")] = 2,
    previews: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw a picture of each variant, and a page with all of them.")
    ] = None,
    most_previews: Annotated[int, typer.Option(min=1, max=500, help="Of so many variants, the first ones.")] = 24,
    json_output: AsJson = False,
) -> None:
    """Expand a template, check every row, and estimate what the job will take, without beginning anything. Exits with 2
    where something is wrong.

    Estimates rest on what equal work took in this deployment; where there was none they are assumed, and say so.
    """
    from stream.jobs.estimates import rates_of
    from stream.jobs.examination import examined
    from stream.jobs.forecast import forecast
    from stream.jobs.reports import RATES
    from stream.pipelines.jobs import JobPipeline

    shared: Context = context.obj
    settings = job_settings(shared, objects, prices=prices)
    jobs = JobPipeline(settings, SystemClock(), afresh=True)
    found = prepared(template, None)
    described = _described(found, tenant, project)
    seen = examined(described, jobs.catalogue)
    refuse_all(seen.problems)
    expected = forecast(described, seen, rates_of(jobs.store.documents.read(RATES)))
    told = expected.told(settings.prices, renderers)
    if json_output:
        shared.print_json({"variants": _variants(described), "waiting_for_release": list(seen.unmoderated)} | told)
    else:
        _show(shared, described, told)
    if seen.unmoderated:
        names = ", ".join(map(shown, seen.unmoderated))
        shared.errors.print(
            f"nothing moderates {names}: with `publish.moderation` every variant waits for `rushes jobs release`.",
            soft_wrap=True,
            markup=False,
        )
    if previews is not None:
        _draw(shared, jobs, described, found, previews, most_previews)


def _show(shared: Context, described: "Description", told: dict[str, Any]) -> None:
    shared.console.print(forecast_table(told, len(described.variants)))
    names = ", ".join(variant.name for variant in described.variants[:_MOST_NAMES])
    rest = len(described.variants) - _MOST_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    for line in (f"Variants: {names}{more}.", *forecast_lines(told)):
        shared.console.print(shown(line), soft_wrap=True, markup=False)


def _draw(
    shared: Context, jobs: "JobPipeline", described: "Description", found: "Prepared", folder: Path, most: int
) -> None:
    """Raises `BadRequest` (`template_invalid`) with what was found to be wrong, after all pictures were drawn."""
    import tempfile
    from contextlib import closing

    from stream.cli.rendering.job_sheet import poster, sheet
    from stream.sessions.job_previews import Previews

    _make(folder)
    cards, wrong = [], []
    with tempfile.TemporaryDirectory(prefix="rushes-") as scratch, closing(jobs.renderer(Path(scratch))) as renderer:
        for preview in Previews(described, found.assets, jobs.catalogue, renderer).all(most):
            picture = poster(preview.picture) if preview.picture else ""
            state = "failed" if preview.wrong else ""
            cards.append({"name": preview.variant.name, "state": state, "message": preview.message, "poster": picture})
            wrong += [preview.message] if preview.wrong else []
    page = folder / "index.html"
    about = f"before it begins · {len(cards)} of {len(described.variants)} variants"
    write_file(page, sheet(described.template.name, about, cards), "--previews")
    shared.errors.print(f"pictures of {len(cards)} variants are in {shown(str(page))}", soft_wrap=True, markup=False)
    refuse_all(wrong)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--previews {shown(str(folder))} cannot be made: {error.strerror}") from None


def prepared(path: Path, lane: str | None) -> "Prepared":
    """A template's file, read. Raises `BadRequest`."""
    from stream.jobs.submission import prepare

    return prepare(path, {} if lane is None else {"lane": lane})


def refuse(described: "Description", operators: Any) -> None:
    """Raises `BadRequest` (`template_invalid`) with the first problems of all rows."""
    from stream.jobs.examination import examined

    refuse_all(examined(described, operators).problems)


def refuse_all(found: list[str]) -> None:
    """Raises `BadRequest` (`template_invalid`) where there are any."""
    if found:
        more = [f"and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else []
        raise BadRequest("; ".join([*found[:_MOST_PROBLEMS], *more]), code="template_invalid")


def _described(found: "Prepared", tenant: str, project: str) -> "Description":
    from stream.events.jobs import JobSpec
    from stream.events.objects import StoredFile
    from stream.jobs.descriptions import Description
    from stream.jobs.expansion import variants

    nothing = StoredFile(name="asset", digest=f"sha256:{'0' * 64}", size=0, media_type="application/octet-stream")
    with said_by_options():
        spec = JobSpec(
            tenant=tenant,
            project=project,
            job=found.template.name,
            template={},
            assets=dict.fromkeys(found.assets, nothing),
        )
    # Its rows as they were read and checked: to check them again would copy them twice.
    told = spec.model_copy(update={"template": found.values})
    return Description(told, found.template, tuple(variants(found.template)))


def _variants(described: "Description") -> list[dict[str, Any]]:
    return [{"id": variant.id, "name": variant.name, "row": dict(variant.row)} for variant in described.variants]
