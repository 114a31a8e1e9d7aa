"""A job that has run to its end, for whoever shows jobs: three variants are done and one has failed."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from stream.clock import SystemClock
from stream.events.jobs import JobSubmitted
from stream.jobs.reports import is_final
from stream.jobs.submission import prepare, spec_of, stored
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import EmbeddedJobs, command, scratch_within
from tests.support.media_operators import OPERATORS

TEMPLATE = """
version: 1
name: spring
parameters: {mode: zip, axes: {word: [red, green, blue, mud], colour: ["#a02020", "#208020", "#2020a0", "#806040"]}}
stages:
  - {name: write, operator: write, settings: {text: "${word}"}}
  - {name: filter, operator: fail, inputs: {text: "stage:write"}, settings: {word: mud, how: words}}
  - {name: draw, operator: draw, inputs: {text: "stage:filter"}, settings: {colour: "${colour}"}}
finals: [draw/text.txt, draw/poster.png]
"""


def finished_job(
    state: Path,
    tenant: str,
    project: str,
    name: str = "spring",
    template: str = TEMPLATE,
    *,
    deliver_to: Path | None = None,
    **changes: Any,
) -> JobPipeline:
    """Done in this process, over the jobs of a state directory. `changes`: of its settings."""
    clock = SystemClock()
    settings = replace(JobSettings.under(state), **({"operators": tuple(OPERATORS.items())} | changes))
    state.mkdir(parents=True, exist_ok=True)
    file = state / f"{name}.yaml"
    file.write_text(template)
    with scratch_within(settings) as held, EmbeddedJobs(held, clock) as session:
        objects = session.jobs.store.of(tenant)
        prepared = prepare(file)
        facts = {"tenant": tenant, "project": project, "job": name, "deliver_to": deliver_to and str(deliver_to)}
        _, content = spec_of(prepared, stored(prepared, objects), **facts)
        submitted = JobSubmitted(job=name, spec=objects.put_bytes(content))
        session.publish([command(tenant, project, submitted, clock.now_ms())])

        def ended() -> bool:
            found = read_status(session.jobs, tenant, name)
            return found is not None and is_final(found)

        session.run(threading.Event(), ended, lambda: None)
        return session.jobs
