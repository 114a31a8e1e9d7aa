"""Everything that may run on a cluster, for documents. It cannot be run."""

from dataclasses import replace
from pathlib import Path

from stream.clock import SystemClock
from stream.control.state import APP
from stream.errors import Fatal
from stream.operators.webhook import WebhookSettings, webhook_stage
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.pipelines.understanding import reference_topology
from stream.topology.stage import Operator, Stage
from stream.topology.topics import COMPLETIONS, PROGRESS
from stream.topology.topology import Topology

_NOBODY = WebhookSettings("https://receiver.invalid/", secret=b"not a real secret")
"""Only the shape of a stage is read."""


def whole_topology() -> Topology:
    """The understanding topology with every optional stage, the control plane and its webhook, and the stages of
    jobs.
    """
    control = Stage(APP, (PROGRESS.name,), (COMPLETIONS.name,), operator=_no_worker, max_replicas=1)
    understanding = reference_topology(gated=True)
    stages = (*understanding.stages, control, webhook_stage(_NOBODY, SystemClock()))
    return with_jobs(Topology(stages, topics=understanding.known), told=True)


def job_topology() -> Topology:
    """The stages of jobs with the one that posts. Nothing is opened: only their shape is asked."""
    return JobPipeline(replace(JobSettings.under(Path()), webhook=_NOBODY), SystemClock(), afresh=False).topology()


def with_jobs(topology: Topology, *, told: bool = False) -> Topology:
    """A topology, and beside it the stages of jobs, whose films may become its assets; `told`: also the one that
    posts. Nothing is opened: only their shape is asked.
    """
    settings = replace(JobSettings.under(Path()), webhook=_NOBODY if told else None)
    jobs = JobPipeline(settings, SystemClock(), afresh=False).topology()
    return Topology((*topology.stages, *jobs.stages), topics={**topology.known, **jobs.known})


def _no_worker() -> Operator:
    raise Fatal("the control plane is a Faust app: `rushes control` runs it", code="no_stage")
