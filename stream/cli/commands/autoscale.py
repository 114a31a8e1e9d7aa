"""`rushes autoscale`: runs as many worker processes on this machine as freshness needs."""

import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context
from stream.cli.options.bounds import LAST_TIME_MS
from stream.cli.options.observer import (
    BatchDrain,
    Broker,
    ClientProperties,
    Interval,
    MaxReplicas,
    Objective,
    Prior,
    Watched,
    deployed,
    observing,
    observing_in_background,
    scaling_policy,
)
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.roots import require_buckets
from stream.cli.options.sessions import Cluster
from stream.cli.options.shards import ShardCounts
from stream.cli.options.workers import (
    EVERYTHING,
    Captioner,
    Embedder,
    Light,
    Looks,
    PrivateNetwork,
    RootsOption,
    Schemes,
    Span,
    WhereModelsRun,
    WorkerOptions,
)
from stream.clock import SystemClock
from stream.freshness.supervised_observer import SupervisedObserver
from stream.pipelines.stages import PLAN
from stream.runtime.supervisor import Fleet


def autoscale(  # one option per thing a machine decides
    context: typer.Context,
    broker: Broker,
    client_properties: ClientProperties = None,
    max_processes: Annotated[
        int, typer.Option(min=1, max=4096, help="Worker processes on this machine, all stages.")
    ] = 8,
    root: RootsOption = None,
    epoch_ms: Annotated[
        int, typer.Option(min=0, max=LAST_TIME_MS, help="Roll-out time in ms, as for `rushes run`.")
    ] = 0,
    partitions: PartitionCounts = None,
    interval: Interval = 5.0,
    objective: Objective = 60.0,
    batch_drain: BatchDrain = 3600.0,
    max_replicas: MaxReplicas = 32,
    prior: Prior = None,
    scheme: Schemes = None,
    models: Looks = EVERYTHING,
    embedder: Embedder = None,
    captioner: Captioner = "template",
    device: WhereModelsRun = "auto",
    private_network: PrivateNetwork = False,
    span: Span = 120.0,
    light: Light = False,
    shards: ShardCounts = None,
) -> None:
    """Start and stop `rushes run STAGE` until SIGTERM, then drain them all. On Kubernetes KEDA does this."""
    shared: Context = context.obj
    policy = scaling_policy(objective, batch_drain, max_replicas, prior)
    options = ["--broker", broker, "--epoch-ms", str(epoch_ms)]
    options += Partitions.parse(partitions).words()
    options += ["--client-properties", str(client_properties)] if client_properties else []
    worker = WorkerOptions(
        *(embedder, captioner, light, device, private_network, span, tuple(scheme or ()), tuple(root or ())),
        tuple(shards or ()),
        models,
    )
    # Checked here as well: a wrong option should end this process and not every worker that it starts.
    require_buckets(worker.scheme, worker.roots.prefixes)
    options += worker.words()

    def command(stage: str) -> Sequence[str]:
        # This interpreter and its package, not a `rushes` in the path, which may be another version.
        rushes = (sys.executable, "-c", "from stream.cli.app import main; main()")
        return [*rushes, *shared.words(), "run", stage, *options]

    stop = threading.Event()
    cluster = Cluster(broker, client_properties, shared.deployment)
    with (
        observing(Watched(cluster, deployed(captions=worker.chosen.captioned, shards=shards), policy)) as observer,
        observing_in_background(observer, interval),
        # Outside the fleet: while that drains, a second signal still ends this process at once.
        stop_on_signals(stop),
        Fleet(command, SystemClock(), max_processes=max_processes) as fleet,
    ):
        scale_until_stopped(shared, observer, fleet, stop, step_s=min(1.0, interval))


def scale_until_stopped(
    shared: Context, observer: SupervisedObserver, fleet: Fleet, stop: threading.Event, *, step_s: float
) -> None:
    """Moves the fleet towards the wanted numbers of the last observation, once per `step_s`. A failed observation
    changes nothing: running workers continue. Raises `Fatal` where the cluster refuses the first observation.
    """
    published: Mapping[str, int] = {}
    blind = False
    while not stop.is_set():
        # Only the first observation can be refused: an address or a login that is wrong.
        observer.check()
        if (observer.blind is not None) is not blind:
            blind = not blind
            shared.console.print(_sight(observer), soft_wrap=True)
        desired = wanted(observer, published)
        # Only a change is said and set: each line then means something.
        if desired != published:
            published = desired
            shared.console.print("wanted: " + ", ".join(f"{stage} {count}" for stage, count in desired.items()))
            fleet.want(desired)
        # The fleet works on while observations fail: workers that die are still replaced.
        fleet.step()
        stop.wait(step_s)


def wanted(observer: SupervisedObserver, published: Mapping[str, int]) -> Mapping[str, int]:
    """The replicas that the last observation asks for; while observations fail, the numbers published before."""
    blind, last = observer.blind, observer.last
    if blind is None:
        return published if last is None else last.desired
    # Before the first worker there are no topics. A plan worker creates them.
    return published or ({PLAN: 1} if blind.code == "unknown_topic" else {})


def _sight(observer: SupervisedObserver) -> str:
    blind = observer.blind
    return "sees again" if blind is None else f"blind: {blind.message}; workers go on as they are"
