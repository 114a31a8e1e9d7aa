"""`rushes jobs submit`: a template becomes a job."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.commands.jobs.checking import prepared, refuse
from stream.cli.commands.jobs.looking import closing, follow_on_cluster
from stream.cli.context import Context, UsageProblem
from stream.cli.options.job_keys import (
    C2paCertificates,
    C2paKey,
    C2paKeyText,
    ManifestKey,
    ManifestKeyText,
    credential_settings,
    signing_key,
)
from stream.cli.options.jobs import (
    AsJson,
    BrokerUri,
    ClientProperties,
    Cluster,
    JobTenant,
    ObjectsOption,
    PricesOption,
    Project,
    TemplateFile,
    job_settings,
    said_by_options,
)
from stream.cli.options.webhooks import (
    JobWebhook,
    WebhookNetwork,
    WebhookSecret,
    WebhookSecretFile,
    webhook_settings,
)
from stream.cli.rendering.job_tables import live
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadRequest

if TYPE_CHECKING:
    from stream.events.jobs import JobSpec
    from stream.jobs.submission import Prepared
    from stream.pipelines.jobs import JobPipeline, JobSettings
    from stream.sessions.background import BackgroundWork

MANY = 1000
_DESCRIBES = {
    "template": "another template",
    "assets": "other assets",
    "project": "another project",
    "deliver_to": "another --deliver-to",
    "deadline_ms": "another deadline",
}
Name = Annotated[str | None, typer.Option("--name", help="The job's name. [default: the template's]")]
Lane = Annotated[str | None, typer.Option(help="dev, interactive or batch. [default: the template's]")]


def submit(
    context: typer.Context,
    template: TemplateFile,
    tenant: JobTenant = "default",
    project: Project = "default",
    name: Name = None,
    lane: Lane = None,
    deliver_to: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Where finals and manifests are brought: a folder or s3://BUCKET/PREFIX."),
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="When it should be done, ISO 8601; earlier ones are served first in a lane.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=f"Also for more than {MANY} variants.")] = False,
    renderers: Annotated[int | None, typer.Option(min=1, max=64, help="Tasks at a time, without --broker.")] = None,
    manifest_key: ManifestKey = None,
    manifest_key_text: ManifestKeyText = None,
    c2pa_certificates: C2paCertificates = None,
    c2pa_key: C2paKey = None,
    c2pa_key_text: C2paKeyText = None,
    webhook: JobWebhook = None,
    webhook_secret_file: WebhookSecretFile = None,
    webhook_secret: WebhookSecret = None,
    private_network: WebhookNetwork = False,
    objects: ObjectsOption = None,
    prices: PricesOption = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="With --broker: until it has ended.")] = True,
    json_output: AsJson = False,
) -> None:
    """Begin a job, and do it here unless --broker leaves it to workers. The same job again goes on where it was.

    Exits with 1 where a variant failed.
    """
    from stream.cli.auditing import work_auditor
    from stream.pipelines.jobs import JobPipeline

    shared: Context = context.obj
    settings = job_settings(shared, objects, renderers, prices)
    if (key := signing_key(manifest_key, manifest_key_text)) is not None:
        settings = replace(settings, key=key)
    told = webhook_settings(webhook, webhook_secret_file, webhook_secret, private_network=private_network)
    credentials = credential_settings(c2pa_certificates, c2pa_key, c2pa_key_text)
    settings = replace(settings, credentials=credentials, webhook=told, audited=work_auditor(shared))
    found = prepared(template, lane)
    facts = {
        "tenant": tenant,
        "project": project,
        "job": name or found.template.name,
        "deadline_ms": _deadline_ms(deadline),
        "deliver_to": _place(deliver_to),
    }
    jobs = JobPipeline(settings, SystemClock(), afresh=broker is None)
    _ = jobs.credentials  # what is wrong with them is said before anything is stored
    spec, digest = _described(jobs, found, facts, yes=yes)
    known = _known(jobs, spec, digest)
    if known is not None and known["state"] in {"done", "canceled"}:
        signs = manifest_key is not None or credentials is not None
        shared.errors.print(_nothing_new(known, signs=signs), soft_wrap=True, markup=False)
        closing(shared, jobs, known, json_output=json_output)
        return
    if known is not None:
        shared.errors.print(_known_words(known), soft_wrap=True, markup=False)
    there = Cluster.named(broker, client_properties, shared.deployment)
    if there is None:
        _here(shared, settings, spec, digest, json_output=json_output)
    else:
        _there(shared, jobs, there, spec, digest, wait=wait, json_output=json_output)


def _here(shared: Context, settings: "JobSettings", spec: "JobSpec", digest: str, *, json_output: bool) -> None:
    from stream.events.jobs import JobSubmitted
    from stream.jobs.reports import is_final
    from stream.sessions.job_status import read_status
    from stream.sessions.jobs_embedded import EmbeddedJobs, command, scratch_within

    clock, stop = SystemClock(), threading.Event()
    with (
        stop_on_signals(stop),
        scratch_within(settings) as held,
        _understanding(shared, settings, spec) as background,
        EmbeddedJobs(held, clock, background=background) as session,
        live(shared.console, spec.job, clock) as bar,
    ):
        session.publish([command(spec.tenant, spec.project, JobSubmitted(job=spec.job, spec=digest), clock.now_ms())])

        def status() -> dict[str, Any] | None:
            return read_status(session.jobs, spec.tenant, spec.job)

        def show() -> None:
            if (found := status()) is not None:
                bar.show(found)

        session.run(stop, lambda: (found := status()) is not None and _rests(found, is_final(found)), show)
        show()
        jobs = session.jobs
    found = status()
    if stop.is_set() or found is None:
        shared.errors.print("stopped; run the same command again to go on.", markup=False)
        raise typer.Exit(130)
    closing(shared, jobs, found, json_output=json_output)


@contextmanager
def _understanding(shared: Context, settings: "JobSettings", spec: "JobSpec") -> "Iterator[BackgroundWork | None]":
    """A process beside this one, where the template publishes its finals."""
    if spec.template.get("publish") is None:
        yield None
        return
    from sinks.objects.store import objects_of_tenants
    from stream.cli.options.background import process_beside

    with process_beside(shared, ["--root", objects_of_tenants(settings.objects).uri]) as beside:
        yield beside


def _there(
    shared: Context, jobs: "JobPipeline", there: Cluster, spec: "JobSpec", digest: str, *, wait: bool, json_output: bool
) -> None:
    from stream.events.jobs import JobSubmitted
    from stream.sessions.jobs_embedded import command
    from stream.sessions.jobs_process import send

    clock = SystemClock()
    with there.connected(clock) as broker:
        send(broker, [command(spec.tenant, spec.project, JobSubmitted(job=spec.job, spec=digest), clock.now_ms())])
    if wait:
        follow_on_cluster(shared, jobs, spec.tenant, spec.job, json_output=json_output)
    else:
        shared.console.print(f"job {spec.job} is asked for: `rushes jobs watch {spec.job}` follows it.", markup=False)


def _rests(status: dict[str, Any], final: bool) -> bool:
    """Whether nothing happens without somebody's command."""
    resting = status["state"] in {"paused", "budget_exhausted"} and not any(
        stage["in_work"] for stage in status["stages"]
    )
    return final or resting


def _described(jobs: "JobPipeline", found: "Prepared", facts: dict[str, Any], *, yes: bool) -> "tuple[JobSpec, str]":
    """Checked as a whole before anything is stored."""
    from stream.jobs.descriptions import Description
    from stream.jobs.expansion import row_count
    from stream.jobs.submission import spec_of, stored

    count = row_count(found.template)
    if count > MANY and not yes:
        raise UsageProblem(f"the template has {count} variants: say --yes where that is meant")
    objects = jobs.store.of(facts["tenant"])
    with said_by_options():
        spec_of(found, {}, **facts)  # before anything is stored
        spec, content = spec_of(found, stored(found, objects), **facts)
    refuse(Description.of(spec), jobs.catalogue)
    return spec, objects.put_bytes(content)


def _known(jobs: "JobPipeline", spec: "JobSpec", digest: str) -> dict[str, Any] | None:
    from stream.sessions.job_status import read_status

    known = read_status(jobs, spec.tenant, spec.job)
    if known is not None and known["spec"] != digest:
        raise BadRequest(
            f"there is a job {spec.job!r} with another description{_difference(jobs, spec, known['spec'])}: give this"
            " one another name with --name",
            code="job_differs",
        )
    return known


def _difference(jobs: "JobPipeline", spec: "JobSpec", known: str) -> str:
    """What is not as it was submitted, in words; empty where the other description is gone."""
    from stream.events.jobs import JobSpec
    from stream.events.objects import LostObject
    from stream.jobs.descriptions import MAX_SPEC_BYTES

    try:
        content = jobs.store.of(spec.tenant).read(known, MAX_SPEC_BYTES)
    except LostObject:
        return ""
    before = JobSpec.model_validate_json(content)
    found = [words for name, words in _DESCRIBES.items() if getattr(before, name) != getattr(spec, name)]
    return f" ({', '.join(found)})" if found else ""


def _nothing_new(known: dict[str, Any], *, signs: bool) -> str:
    """Of a job that is done or canceled. `signs`: it was asked to sign."""
    job, state = known["job"], known["state"]
    told = f"job {job} is {state} already: nothing new was begun"
    if state == "canceled":
        return f"{told}. `rushes jobs retry {job}` takes it up again; then this command goes on with it."
    return (
        f"{told}, and what it delivered stays signed as it is: --name makes another job of it." if signs else f"{told}."
    )


def _known_words(known: dict[str, Any]) -> str:
    """What a submission that is none does, by the state of the job."""
    job = known["job"]
    goes_on = {
        "paused": f"`rushes jobs resume {job}` lets it go on",
        "budget_exhausted": known["message"],
        "partial": f"`rushes jobs retry {job}` begins again what failed",
        "failed": f"`rushes jobs retry {job}` begins again what failed",
        "blocked": f"`rushes jobs release {job} VARIANT` delivers what is held back",
    }
    then = goes_on.get(known["state"], "it goes on where it was")
    return f"job {job} is known already, and {known['state']}: {then}."


def _deadline_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"--deadline {shown(text)}: write it as 2026-12-24T18:00:00+01:00") from None
    return round(1000 * (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _place(text: str | None) -> str | None:
    return text if text is None or "://" in text else str(Path(text).absolute())
