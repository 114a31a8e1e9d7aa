"""Stages of jobs on a broker, with the operators of tests beside the real ones, until SIGTERM.

Arguments: servers, state directory, place of the objects, folder for finals, stages.
"""

import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from sinks.location import Location
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.pipelines.jobs import JobPipeline
from stream.sessions.jobs_embedded import scratch_within
from stream.sessions.jobs_process import run_jobs
from stream.sessions.stage_process import Deployment
from tests.support.job_site import mixed_settings


def main() -> None:
    servers, state, objects, finals, *stages = sys.argv[1:]
    clock, stop = SystemClock(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = replace(
        mixed_settings(Path(state), Location.of(objects if "://" in objects else Path(objects))),
        renderers=1,
        slots=4,
        deliver_roots=(f"acme={finals}",),
    )
    broker = KafkaBroker(KafkaSettings(servers, session_timeout_s=3.0, commit_interval_s=0.2), clock)
    with scratch_within(settings) as held:
        jobs = JobPipeline(held, clock, afresh=False)
        run_jobs(jobs, stages, broker, Deployment(0, partitions=4), stop, clock=clock, name="test")
    broker.close()


if __name__ == "__main__":
    main()
