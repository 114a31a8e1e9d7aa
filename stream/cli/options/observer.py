"""What `exporter`, `lag` and `autoscale` share: the options of what to observe, and the observer."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.context import UsageProblem
from stream.cli.options.bounds import DAY_S, MAX_REPLICAS, YEAR_S
from stream.cli.options.sessions import Cluster
from stream.cli.options.shards import Shards
from stream.clock import SystemClock
from stream.freshness.autoscaler import ScalingPolicy
from stream.pipelines.settings import ModelChoice, Settings
from stream.topology.topology import Topology

if TYPE_CHECKING:
    from stream.freshness.supervised_observer import SupervisedObserver

# Bounded digits: `float` takes "nan", "1e999" and more.
_RATE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
Broker = Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")]
ClientProperties = Annotated[
    Path | None, typer.Option(help="librdkafka properties, key=value a line: security settings and secrets.")
]
Objective = Annotated[
    float, typer.Option(min=1.0, max=YEAR_S, help="Seconds that interactive footage may take to be searchable.")
]
BatchDrain = Annotated[
    float, typer.Option(min=1.0, max=YEAR_S, help="Seconds in which waiting batch footage should be done.")
]
MaxReplicas = Annotated[int, typer.Option(min=1, max=MAX_REPLICAS, help="Limit for stages without their own limit.")]
Prior = Annotated[
    list[str] | None,
    typer.Option(help="STAGE=RATE: video-seconds per second of one replica until it is measured; repeatable."),
]
Interval = Annotated[float, typer.Option(min=0.5, max=DAY_S, help="Seconds between observations.")]
Captions = Annotated[bool, typer.Option(help="The deployment runs the caption stage.")]
Notifications = Annotated[bool, typer.Option(help="The deployment runs the notifications stage.")]

Notify = Annotated[bool, typer.Option("--notify", help="The deployment runs the stage `notify` of jobs.")]
Jobs = Annotated[bool, typer.Option("--jobs", help="The deployment runs the stages of jobs.")]


@dataclass(frozen=True, slots=True)
class Watched:
    """What to observe. `remembers`: commits where to begin after a restart (ADR 0019)."""

    cluster: Cluster
    topology: Topology
    policy: ScalingPolicy
    remembers: bool = False


def deployed(
    *,
    captions: bool = False,
    notifications: bool = False,
    jobs: bool = False,
    notify: bool = False,
    shards: Sequence[str] | None = None,
) -> Topology:
    """The stages that a deployment runs; with `notify` also those of jobs. Nothing of them is opened: only their shape
    is asked.
    """
    from stream.pipelines.reference import with_jobs
    from stream.pipelines.understanding import Understanding

    models = ModelChoice(captioner="hf" if captions else "template")
    # Any rule will do: only whether the stage exists is asked.
    rules = ("bucket/",) if notifications else ()
    settings = Settings(state_dir=Path(), cache_dir=Path(), models=models, model_device="cpu", bucket_rules=rules)
    understanding = Understanding(Shards.parse(shards).applied(settings), SystemClock(), epoch_ms=0).topology()
    return with_jobs(understanding, told=notify) if jobs or notify else understanding


@contextmanager
def observing(watched: Watched) -> Iterator["SupervisedObserver"]:
    """An observer of the topology on the broker, for the block."""
    from stream.broker.kafka.watch import KafkaWatch
    from stream.freshness.observer import Observer
    from stream.freshness.supervised_observer import SupervisedObserver
    from stream.sessions.gate_watch import GateWatch

    clock, topology = SystemClock(), watched.topology
    groups = {stage.name: stage.sources for stage in topology.stages}
    settings = watched.cluster.settings()
    watch, gate = KafkaWatch(settings, clock, groups), GateWatch(settings, clock)
    try:
        observer = Observer(watch, topology, clock, watched.policy, remembers=watched.remembers, gate=gate.look)
        yield SupervisedObserver(observer, clock)
    # Also where the first observation is refused: the clients have threads.
    finally:
        gate.close()
        watch.close()


@contextmanager
def observing_in_background(observer: "SupervisedObserver", interval_s: float) -> Iterator[None]:
    """Observes every `interval_s` during the block, in a thread: a broker that is away answers only after a timeout."""
    stop = threading.Event()
    thread = threading.Thread(target=observer.follow, args=(stop, interval_s), name="observer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # Waits for the round in progress: the client is closed right after.
        thread.join()


def scaling_policy(objective: float, batch_drain: float, max_replicas: int, prior: list[str] | None) -> ScalingPolicy:
    """The policy from the options. Raises `UsageProblem` for a prior that is not STAGE=RATE."""
    from stream.pipelines.reference import with_jobs
    from stream.pipelines.understanding import reference_topology

    priors: dict[str, float] = {}
    known = [stage.name for stage in with_jobs(reference_topology(), told=True).stages]
    for text in prior or ():
        stage, _, rate = text.partition("=")
        if stage not in known or not _RATE.fullmatch(rate) or not float(rate):
            raise UsageProblem(f"--prior {text!r}: say STAGE=RATE with one of {', '.join(known)}")
        priors[stage] = float(rate)
    return ScalingPolicy(objective_s=objective, batch_drain_s=batch_drain, max_replicas=max_replicas, priors=priors)
