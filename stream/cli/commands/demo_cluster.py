"""The processes of `rushes demo --kafka`: a local node and workers for the stages. All end with the demo."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from stream.broker.kafka.broker import KafkaBroker
from stream.broker.node.local import LocalNode, fetch_jars, free_port
from stream.cli.context import Context
from stream.cli.options.sessions import Cluster
from stream.clock import Clock
from stream.errors import Fatal
from stream.pipelines.stages import DECODE, INDEX, PARQUET, PLAN, UNDERSTAND
from stream.sessions.stage_process import Deployment, prepare
from stream.topology.topics import DEAD_LETTERS
from stream.topology.topology import Topology

# As few processes as show the point: stages of their own, and the cheap sinks together.
WORKERS = ((PLAN,), (DECODE,), (UNDERSTAND,), (INDEX, PARQUET, DEAD_LETTERS.name))
DEPLOYMENT = Deployment(epoch_ms=0, partitions=2)
START_S = 120.0
STOP_S = 30.0


@contextmanager
def demo_cluster(shared: Context, topology: Topology, roots: Sequence[Path], clock: Clock) -> Iterator[Cluster]:
    """A node under the state directory and one process for each of `WORKERS`, ready to work. At the end of the block,
    also by SIGTERM, all of them are stopped.
    """
    with ExitStack() as held:
        # First, so that a SIGTERM during the start stops the node as well.
        held.enter_context(_terminated())
        node = LocalNode(shared.state_dir / "kafka", clock, port=free_port())
        # Before `up`: a node that starts halfway is stopped too.
        held.callback(node.down)
        with shared.console.status("starting Kafka …"):
            node.up(fetch_jars(shared.cache_dir))
        cluster = Cluster(f"kafka://{node.servers}", deployment=shared.deployment)
        shared.console.print(f"  Kafka at {cluster.uri}")
        with cluster.connected(clock) as broker:
            # Topics before workers: none of them then has to create any, or to wait for one.
            prepare(broker, topology, DEPLOYMENT)
            # The workers end before the node does, because they were entered after it.
            workers = [_worker(shared, held, names, cluster, roots) for names in WORKERS]
            with shared.console.status("starting workers …"):
                _await_workers(broker, topology, workers, clock)
        for names, process in zip(WORKERS, workers, strict=True):
            shared.console.print(f"  process {process.pid}: rushes run {' '.join(names)}")
        yield cluster
        shared.console.print("Stopping workers and Kafka; what they stored stays.", style="dim")


def _worker(
    shared: Context, held: ExitStack, names: Sequence[str], cluster: Cluster, roots: Sequence[Path]
) -> subprocess.Popen[bytes]:
    """Starts a worker in its own session: this process handles Ctrl-C and stops the worker."""
    log_path = shared.state_dir / "logs" / f"{names[0]}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "stream.cli.app", *shared.words()),
        *("run", *names, "--broker", cluster.uri, "--partitions", str(DEPLOYMENT.partitions)),
        *(argument for root in roots for argument in ("--root", str(root))),
    ]
    # To files: the demo's own output should stay readable.
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    held.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_workers(
    broker: KafkaBroker, topology: Topology, workers: Sequence[subprocess.Popen[bytes]], clock: Clock
) -> None:
    groups = [stage.name for stage in topology.stages]
    deadline_s = clock.monotonic_s() + START_S
    while not all(broker.members(groups).values()):
        # A worker that has ended will not join: no need to wait for the time-out.
        ended = [names[0] for names, worker in zip(WORKERS, workers, strict=True) if worker.poll() is not None]
        if ended or clock.monotonic_s() > deadline_s:
            which = f"{ended[0]} has ended" if ended else "not all joined in time"
            raise Fatal(f"the workers did not start ({which}); see the logs in the state directory", code="demo_start")
        clock.sleep(0.2)


@contextmanager
def _terminated() -> Iterator[None]:
    """Makes SIGTERM unwind the stack like Ctrl-C."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
