"""Making a variant once more from its manifest, and comparing the bytes."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sinks.location import Location
from stream.clock import Clock
from stream.errors import BadRequest
from stream.events.jobs import JobSpec, JobSubmitted
from stream.events.objects import LostObject
from stream.jobs.descriptions import MAX_SPEC_BYTES
from stream.jobs.manifest import opened
from stream.jobs.reports import is_final, manifest_name
from stream.pipelines.jobs import JobPipeline
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import EmbeddedJobs, command


@dataclass(frozen=True, slots=True)
class Reproduction:
    """`finals`: name to whether the bytes are the same. `reasons`: what differs from the first time, each in words."""

    finals: Mapping[str, bool]
    reasons: tuple[str, ...]

    @property
    def same(self) -> bool:
        return bool(self.finals) and all(self.finals.values())


def reproduce(
    envelope: bytes, tenant: str, jobs: JobPipeline, folder: Path, clock: Clock, stop: threading.Event
) -> Reproduction:
    """Make the variant of a manifest again in an empty `folder`, in which nothing is known of it. Raises `BadRequest`:
    `manifest_invalid`, or `not_reproducible` where its description or an asset is gone, or the work fails now.
    """
    statement = opened(envelope)
    build = statement["predicate"]["buildDefinition"]
    said = build["externalParameters"]
    spec = _spec(jobs, tenant, said)
    settings = replace(
        jobs.settings,
        objects=Location.of(folder / "store"),
        register=folder / "register.sqlite",
        scratch=folder / "scratch",
        key=folder / "key",
        deliver_roots=None,
    )
    with EmbeddedJobs(settings, clock) as session:
        ours = session.jobs.store.of(tenant)
        _copy_assets(jobs, tenant, spec, session.jobs, folder)
        digest = ours.put_bytes(spec.model_dump_json(exclude_none=True).encode())
        event = command(tenant, spec.project, JobSubmitted(job=spec.job, spec=digest), clock.now_ms())
        session.publish([event])
        session.run(stop, lambda: _ended(session.jobs, tenant, spec.job), lambda: None)
        made = session.jobs.store.documents.read(manifest_name(tenant, spec.job, said["variant"]))
    reasons = tuple(_differences(build["internalParameters"]["stages"], jobs))
    if made is None:
        why = "; ".join(reasons) or "look at the inputs with `rushes jobs check`"
        raise BadRequest(f"the variant cannot be made now: {why}", code="not_reproducible")
    now = _subjects(opened(made))
    return Reproduction({name: now.get(name) == value for name, value in _subjects(statement).items()}, reasons)


def _spec(jobs: JobPipeline, tenant: str, said: Mapping[str, Any]) -> JobSpec:
    """The description with this one row alone, delivered nowhere."""
    try:
        content = jobs.store.of(tenant).read(str(said["description"]), MAX_SPEC_BYTES)
    except LostObject:
        raise BadRequest(
            "the description of its job is not among the objects any more: submit the template again",
            code="not_reproducible",
        ) from None
    spec = JobSpec.model_validate_json(content)
    template = dict(spec.template)
    if "parameters" in template:
        template["parameters"] = {"mode": "rows", "rows": [said["row"]]}
    # Neither a budget nor a deadline of the first time counts for the second.
    template.pop("budget", None)
    # What is made again is compared, and is no footage of anybody.
    template.pop("publish", None)
    return spec.model_copy(update={"template": template, "deliver_to": None, "deadline_ms": None})


def _copy_assets(jobs: JobPipeline, tenant: str, spec: JobSpec, into: JobPipeline, folder: Path) -> None:
    scratch = folder / "assets"
    scratch.mkdir(parents=True, exist_ok=True)
    for name, asset in spec.assets.items():
        try:
            path = jobs.store.of(tenant).fetch(asset.digest, scratch)
        except LostObject:
            raise BadRequest(f"the asset {name!r} is not among the objects any more", code="not_reproducible") from None
        into.store.of(tenant).put(path)


def _differences(stages: list[Mapping[str, Any]], jobs: JobPipeline) -> list[str]:
    """What decides bytes and is not as it was: versions of operators, and their toolchains here."""
    found = []
    for stage in stages:
        name, operator = stage["name"], stage["operator"]
        version, before = jobs.catalogue.version(operator), stage["toolchain"]
        if version != stage["version"]:
            found.append(f"{name}: {operator} was version {stage['version']} and is {version}")
        now = jobs.catalogue.toolchain(operator, stage["settings"])
        found += [
            f"{name}: {what} was {before.get(what, 'absent')} and is {now.get(what, 'absent')}"
            for what in sorted(before | now)
            if before.get(what) != now.get(what)
        ]
    return found


def _ended(jobs: JobPipeline, tenant: str, job: str) -> bool:
    found = read_status(jobs, tenant, job)
    return found is not None and is_final(found)


def _subjects(statement: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
