"""The job topology on a shared broker: its stages as one process of many, and commands to them."""

import threading
from collections.abc import Iterable, Sequence
from functools import partial

from prometheus_client import CollectorRegistry

from stream.broker.contract import Broker
from stream.clock import Clock
from stream.events.base import Event
from stream.observability.http_endpoints import served
from stream.observability.labels import labelled
from stream.observability.metrics import Metrics
from stream.pipelines.jobs import COORDINATE, JobPipeline
from stream.runtime.startup import retried_until_available
from stream.runtime.threads import StageThreads
from stream.sessions.job_retention import JobRetention, KeptFor
from stream.sessions.stage_process import Deployment, StagesHealth, prepare
from stream.topology.codec import encode
from stream.topology.topics import JOBS
from stream.worker.pace import Pace
from stream.worker.topic_retention import TopicRetention


def run_jobs(
    jobs: JobPipeline,
    names: Sequence[str],
    broker: Broker,
    deployment: Deployment,
    stop: threading.Event,
    *,
    clock: Clock,
    name: str,
    keep: KeptFor | None = None,
) -> None:
    """Run the named stages until `stop`, then drain. `name`: of the deployment, for metrics. `keep`: how long the
    coordinator keeps intermediates; None: until somebody removes them. Raises `UnknownStage` for a name that is none,
    and what ended a worker.
    """
    topology = jobs.topology()
    stages = [topology.stage(each) for each in dict.fromkeys(names)]
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    jobs.watch_starts(lambda lane, waited_s: metrics.job_starts.labels(lane).observe(waited_s))
    pulse = StagesHealth()
    shown = labelled(registry, name)
    with served(shown, healthy=pulse.healthy, ready=pulse.ready, host=deployment.host, port=deployment.port):
        if not retried_until_available(partial(prepare, broker, topology, deployment, beside=()), stop, pulse.wait):
            return
        read = {source for stage in stages for source in stage.sources}
        janitor = TopicRetention(broker, (topic for topic in topology.topics if topic.name in read), topology.groups())
        threads = StageThreads(
            stages,
            broker,
            clock=clock,
            metrics=metrics,
            readers=topology.groups(),
            topics=topology.known,
            # A part takes seconds to minutes, and is begun again elsewhere if it is given up.
            pace=Pace(drain_s=60.0, throttle_interval_s=0.25),
        )
        threads.beside("janitor", janitor.run)
        if keep is not None and COORDINATE in names:
            threads.beside("retention", JobRetention(jobs, keep, clock).run)
        pulse.begin(threads)
        with threads:
            threads.run(stop)


def send(broker: Broker, events: Iterable[Event]) -> None:
    """Append events to the topic `jobs`; durable when it returns."""
    producer = broker.producer()
    try:
        for event in events:
            record = encode(event, JOBS)
            producer.send(JOBS.name, record.key, record.value, record.headers)
        producer.flush(10.0)
    finally:
        producer.close()
