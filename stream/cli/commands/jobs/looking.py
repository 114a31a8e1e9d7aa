"""`rushes jobs list`, `show`, `watch`, `cost`, `fetch`, `reproduce`, `open`: what became of jobs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.context import AnsweredNo, Context, UsageProblem
from stream.cli.options.jobs import AsJson, JobName, JobTenant, ObjectsOption, PricesOption, job_settings
from stream.cli.rendering.job_costs import cost_table, total, variant_costs_table
from stream.cli.rendering.job_tables import jobs_table, live, stages_table, variants_table
from stream.cli.rendering.output import write_file
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadRequest
from stream.events.objects import LostObject
from stream.jobs.spending import priced
from stream.jobs.waits import held_up, left

if TYPE_CHECKING:
    from stream.pipelines.jobs import JobPipeline
    from stream.sessions.job_stills import FilmStills

_LOOK_S = 0.5
_MOST_MANIFEST_BYTES = 8 << 20
VariantName = Annotated[str, typer.Argument(help="A variant's name or id.", metavar="VARIANT")]


def list_(
    context: typer.Context, tenant: JobTenant = "default", objects: ObjectsOption = None, json_output: AsJson = False
) -> None:
    """Show the jobs of a tenant, the newest first."""
    from stream.jobs.reports import FOLDER

    shared: Context = context.obj
    jobs = jobs_of(shared, objects)
    documents = jobs.store.documents
    names = [name for name in documents.names(f"{FOLDER}/") if name.endswith("/status.json")]
    found = [json.loads(content) for name in names if (content := documents.read(name)) is not None]
    mine = sorted((job for job in found if job["tenant"] == tenant), key=lambda job: -job["submitted_ms"])
    if json_output:
        shared.print_json(mine)
    elif mine:
        shared.console.print(jobs_table(mine))
    else:
        shared.console.print("There is no job yet: `rushes jobs submit TEMPLATE` begins one.")


def show(
    context: typer.Context,
    job: JobName,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    prices: PricesOption = None,
    json_output: AsJson = False,
) -> None:
    """Show a job with its stages and variants, what failed first, and what each has cost."""
    from stream.sessions.jobs_embedded import is_left

    shared: Context = context.obj
    jobs = jobs_of(shared, objects, prices)
    found = _status(jobs, tenant, job)
    if found.get("embedded") and is_left(jobs.settings):
        found = left(found)
    report(shared, jobs, found, json_output=json_output)


def cost(
    context: typer.Context,
    job: JobName,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    prices: PricesOption = None,
    json_output: AsJson = False,
) -> None:
    """Show what a job and its variants have used, with what was wasted apart: in units, and with prices in money. And
    what is used of budgets.
    """
    from stream.sessions.job_status import read_budget

    shared: Context = context.obj
    jobs = jobs_of(shared, objects, prices)
    found, rows, budget = _status(jobs, tenant, job), rows_of_job(jobs, tenant, job), read_budget(jobs, tenant)
    if json_output:
        each = [{"id": row["id"], "name": row["name"], "cost": row["cost"]} for row in rows]
        shared.print_json(found["cost"] | {"tenant_budget": budget, "variants": each})
        return
    shared.console.print(cost_table(found, budget))
    shared.console.print(variant_costs_table(rows))
    if "money" not in found["cost"]:
        shared.errors.print("no prices are configured: --prices names a table of them.")


def watch(
    context: typer.Context,
    job: JobName,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    json_output: AsJson = False,
) -> None:
    """Follow a job until it ends. Exits with 1 where a variant failed."""
    from stream.jobs.reports import is_final
    from stream.sessions.jobs_embedded import is_left

    shared: Context = context.obj
    jobs = jobs_of(shared, objects)
    if not is_final(_status(jobs, tenant, job)) and is_left(jobs.settings):
        shared.errors.print(
            "no process of this state directory works on jobs: unless workers of a cluster do, it goes on with the"
            " command that submitted it.",
            soft_wrap=True,
            markup=False,
        )
    follow_on_cluster(shared, jobs, tenant, job, json_output=json_output)


def fetch(
    context: typer.Context,
    job: JobName,
    to: Annotated[Path, typer.Argument(help="A folder.", metavar="FOLDER")],
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
) -> None:
    """Bring the finals and manifests of all finished variants to a folder. What lies there is never overwritten."""
    from sinks.objects.delivery import MANIFEST, bring_all
    from stream.jobs.manifest import delivered_of, opened

    shared: Context = context.obj
    jobs = jobs_of(shared, objects)
    _status(jobs, tenant, job)
    count = 0
    for row in rows_of_job(jobs, tenant, job):
        if row["state"] != "done":
            continue
        envelope = manifest_of(jobs, tenant, job, row["id"])
        files = [(each.name, each.digest) for each in delivered_of(opened(envelope))]
        folder = f"{job}/{row['name']}-{row['id']}"
        try:
            bring_all(jobs.store.of(tenant), files, to, folder, shared.state_dir)
        except LostObject:
            raise BadRequest(
                f"finals of variant {row['name']} are gone from the store of objects: take them from where they were"
                " delivered, or submit the template under another name, which makes them again",
                code="final_gone",
            ) from None
        place = to / folder / MANIFEST
        if not place.exists():
            place.write_bytes(envelope)
        count += 1
    shared.console.print(f"{count} variants are in {shown(to)}.", markup=False)


def reproduce(
    context: typer.Context,
    manifest_file: Annotated[
        Path, typer.Argument(help="A manifest, as `manifest` prints it or a delivery holds it.", metavar="MANIFEST")
    ],
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    json_output: AsJson = False,
) -> None:
    """Make a variant once more from its manifest and compare the bytes. Exits with 1 where they differ, and says what
    is not as it was.
    """
    import tempfile
    import threading

    from stream.sessions.job_reproduction import reproduce as made_again

    shared: Context = context.obj
    envelope = manifest_in(manifest_file)
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        found = made_again(envelope, tenant, jobs_of(shared, objects), Path(folder), SystemClock(), threading.Event())
    if json_output:
        shared.print_json({"same": found.same, "finals": dict(found.finals), "reasons": list(found.reasons)})
    else:
        for name, same in found.finals.items():
            shared.console.print(f"{name}: {'the same bytes' if same else 'other bytes'}", markup=False)
        for reason in found.reasons:
            shared.console.print(f"not as it was: {reason}", soft_wrap=True, markup=False)
    if not found.same:
        raise AnsweredNo


def open_(
    context: typer.Context,
    job: JobName,
    tenant: JobTenant = "default",
    objects: ObjectsOption = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the page there. Without: a browser shows it.")
    ] = None,
) -> None:
    """Show a picture of each variant as a contact sheet: a still among its finals, else one of its film."""
    import tempfile
    from contextlib import closing as closed

    from stream.cli.rendering.job_sheet import job_sheet
    from stream.sessions.job_stills import MOST_STILLS, FilmStills

    shared: Context = context.obj
    jobs = jobs_of(shared, objects)
    status = _status(jobs, tenant, job)
    with (
        tempfile.TemporaryDirectory(prefix="rushes-") as folder,
        closed(FilmStills(Path(folder, "stills"), jobs.settings.limits, MOST_STILLS)) as stills,
    ):
        cards = [
            {"name": row["name"], "state": row["state"], "message": row.get("message", "")}
            | {"poster": _poster(jobs, tenant, job, row, Path(folder), stills)}
            for row in rows_of_job(jobs, tenant, job)
        ]
    page = html or shared.state_dir / "jobs" / f"{job}.html"
    write_file(page, job_sheet(status, cards), "--html")
    shared.console.print(f"the contact sheet is {shown(page)}", soft_wrap=True, markup=False)
    if html is None:
        typer.launch(str(page))


def _poster(jobs: "JobPipeline", tenant: str, job: str, row: dict[str, Any], folder: Path, stills: "FilmStills") -> str:
    """The first picture among the finals of a finished variant, else one of its first film; empty where there is
    neither.
    """
    from stream.cli.rendering.job_sheet import poster
    from stream.jobs.manifest import finals_of, opened, shown_of

    if row["state"] != "done":
        return ""
    found = shown_of(finals_of(opened(manifest_of(jobs, tenant, job, row["id"]))))
    if found is None:
        return ""
    objects = jobs.store.of(tenant)
    # None of one that has expired.
    path = objects.verified(found.digest, folder) if found.is_picture else stills.of(objects, found.digest)
    return "" if path is None else poster(path)


def report(shared: Context, jobs: "JobPipeline", status: dict[str, Any], *, json_output: bool) -> None:
    """A job with its variants."""
    rows = rows_of_job(jobs, status["tenant"], status["job"])
    if json_output:
        shared.print_json(status | {"table": rows})
        return
    why = f": {status['message']}" if status["message"] else ""
    cost = status["cost"]
    spent = ", ".join(part for part in (f"{cost['cpu_s']:.1f} CPU seconds", total(cost)) if part)
    done = f"{status['done']} of {status['variants']} variants done"
    line = f"{status['job']}: {status['state']}{why}, {done}, {spent}"
    shared.console.print(shown(line), soft_wrap=True, markup=False)
    now_ms = SystemClock().now_ms()
    if status["state"] == "running":
        for reason in held_up(status, now_ms):
            shared.console.print(f"waits: {shown(reason)}", soft_wrap=True, markup=False)
    shared.console.print(stages_table(status, now_ms))
    shared.console.print(variants_table(rows))


def closing(shared: Context, jobs: "JobPipeline", status: dict[str, Any], *, json_output: bool) -> None:
    """Tell how a job ended, and exit with 1 where it is not wholly done."""
    report(shared, jobs, status, json_output=json_output)
    if status["state"] != "done":
        raise typer.Exit(1)


def manifest_in(path: Path) -> bytes:
    """The manifest of a delivery, or as `manifest` prints it."""
    from stream.files import read_small

    try:
        envelope = read_small(path, most_bytes=_MOST_MANIFEST_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no file name"
        raise UsageProblem(f"{shown(path)} cannot be read: {why}") from None
    # The line break that a terminal's output ends with is no part of it.
    return envelope.removesuffix(b"\n")


def follow_on_cluster(shared: Context, jobs: "JobPipeline", tenant: str, job: str, *, json_output: bool) -> None:
    """Show a job that others work on until it ends."""
    from stream.jobs.reports import is_final
    from stream.sessions.job_status import read_status

    clock = SystemClock()
    with live(shared.console, job, clock) as bar:
        while True:
            found = read_status(jobs, tenant, job)
            if found is not None:
                bar.show(found)
                if is_final(found):
                    break
            clock.sleep(_LOOK_S)
    closing(shared, jobs, found, json_output=json_output)


def jobs_of(shared: Context, objects: str | None, prices: Path | None = None) -> "JobPipeline":
    from stream.pipelines.jobs import JobPipeline

    return JobPipeline(job_settings(shared, objects, prices=prices), SystemClock(), afresh=True)


def _status(jobs: "JobPipeline", tenant: str, job: str) -> dict[str, Any]:
    from stream.sessions.job_status import read_status

    found = read_status(jobs, tenant, job)
    if found is None:
        raise BadRequest(f"there is no job {job!r} of tenant {tenant!r}: `rushes jobs list` shows them", code="no_job")
    return found | {"cost": priced(found["cost"], jobs.settings.prices)}


def rows_of_job(jobs: "JobPipeline", tenant: str, job: str) -> list[dict[str, Any]]:
    from stream.jobs.reports import variants_name

    content = jobs.store.documents.read(variants_name(tenant, job))
    rows = [] if content is None else json.loads(content)
    return [row | {"cost": priced(row["cost"], jobs.settings.prices)} for row in rows]


def variant_of(jobs: "JobPipeline", tenant: str, job: str, variant: str) -> dict[str, Any]:
    """The row of a variant, by its id or its name. Raises `BadRequest` (`no_job`) and `UsageProblem`."""
    _status(jobs, tenant, job)
    found = [row for row in rows_of_job(jobs, tenant, job) if variant in {row["id"], row["name"]}]
    if len(found) > 1:
        raise UsageProblem(f"{len(found)} variants are named {variant!r}: take an id of `rushes jobs show`")
    if not found:
        raise BadRequest(f"job {job!r} has no variant {variant!r}", code="no_job")
    return found[0]


def manifest_of(jobs: "JobPipeline", tenant: str, job: str, variant: str) -> bytes:
    from stream.jobs.reports import manifest_name

    row = variant_of(jobs, tenant, job, variant)
    content = jobs.store.documents.read(manifest_name(tenant, job, row["id"]))
    if content is None:
        raise BadRequest(f"job {job!r} has no finished variant {variant!r}", code="no_job")
    return content
