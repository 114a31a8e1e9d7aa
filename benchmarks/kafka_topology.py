"""What does the topology cost on Kafka beside the embedded one, and how much later is a clip searchable?

python -m benchmarks.kafka_topology [--quick]

Both stay warm and take turns over the same footage. CPU-seconds are those of the workers: neither the broker's nor
the publisher's, and no start-up. On Kafka each role is a process of its own.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.cluster import kafka_node
from benchmarks.fairness import Desk
from benchmarks.footage import DECODE_CHILDREN, HD_FACTS, MODEL_THREADS, SHORT_S, footage_dir, hd_clip
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.searchable import searchable_s
from benchmarks.testbed.chaos import unread
from benchmarks.testbed.fleet import PARTITIONS, Fleet, Role, fleet_command
from benchmarks.topology_cost import PROFILES, ingested
from benchmarks.warm import TENANT, WarmTopology, warm_topology
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.events.asset import Profile
from stream.pipelines.understanding import reference_topology
from stream.sessions.stage_process import Deployment, prepare

ROLES = (Role(("plan", "decode"), 1), Role(("understand",), 1), Role(("index", "parquet", "dead-letters"), 1))
CLIPS = 40
FEW_CLIPS = 6


@dataclass(frozen=True, slots=True)
class OnKafka:
    """A warm roll-out: three processes over one node."""

    desk: Desk
    broker: KafkaBroker
    fleet: Fleet
    state: Path

    def ingest(self, path: Path, profile: Profile) -> None:
        """Until both stores hold every cell."""
        self.desk.latency_s(TENANT, path, profile)
        while list(unread(self.broker)):
            self.desk.hear(0.1)

    def searchable_s(self, path: Path, space: str) -> float:
        """From publishing until a query returns the asset's moments."""
        start_s = time.monotonic()
        self.desk.latency_s(TENANT, path)
        index = MomentIndex(self.state / "lancedb")
        found = index.moments(space, Filters(tenant=TENANT, asset_ids=(self.desk.newest,)))
        taken_s = time.monotonic() - start_s
        if not found:
            raise RuntimeError(f"{self.desk.newest} is ready but a query does not find it")
        return taken_s

    def cpu_s(self) -> float:
        return sum(_cpu_s(psutil.Process(member.process.pid)) for member in self.fleet.members)


@contextmanager
def on_kafka(folder: Path) -> Iterator[OnKafka]:
    with kafka_node(folder) as node:
        broker = KafkaBroker(KafkaSettings(node.servers), SystemClock())
        prepare(broker, reference_topology(), Deployment(0, PARTITIONS))
        light = fleet_command(folder / "state", [footage_dir()], node.servers, SystemClock().now_ms())
        command = [word for word in light if word != "--light"]
        desk = Desk(broker, hd_clip())
        with Fleet(command, ROLES, folder / "logs", folder / "scratch") as fleet:
            opened = OnKafka(desk, broker, fleet, folder / "state")
            opened.ingest(hd_clip(), "full")
            yield opened
        desk.close()
        broker.close()


def measure(rounds: int) -> Report:
    video_s = 600 if rounds == ROUNDS else 60
    path = hd_clip(video_s)
    report = Report(
        f"The topology on Kafka beside the embedded one ({PARTITIONS} partitions, {len(ROLES)} processes,"
        f" {DECODE_CHILDREN} decode children, {MODEL_THREADS} model threads, warm, {HD_FACTS}, {video_s} s, median of"
        f" {rounds})"
    )
    with (
        tempfile.TemporaryDirectory() as ours,
        tempfile.TemporaryDirectory() as theirs,
        warm_topology(Path(ours), hd_clip(), footage_dir()) as embedded,
        on_kafka(Path(theirs)) as kafka,
    ):
        for profile in PROFILES:
            _cost(report, embedded, kafka, path, profile, rounds)
        _latency(report, embedded, kafka, CLIPS if rounds == ROUNDS else FEW_CLIPS)
    return report


def _cost(report: Report, embedded: WarmTopology, kafka: OnKafka, path: Path, profile: Profile, rounds: int) -> None:
    pairs = []
    for turn in range(rounds):
        alone = _spent(_own_cpu_s, lambda turn=turn: ingested(embedded, path, f"{profile}-{turn}", profile))  # type: ignore[misc]
        pairs.append((alone, _spent(kafka.cpu_s, lambda: kafka.ingest(path, profile))))
    name = f"{profile}: CPU-seconds of the workers on Kafka"
    report.compare(name, pairs, "s", other="embedded", bound="at most 1.10")


def _latency(report: Report, embedded: WarmTopology, kafka: OnKafka, clips: int) -> None:
    """In turns, so that a slow minute strikes both."""
    clip, space = hd_clip(SHORT_S), embedded.understanding.bundle.embedder.space.key
    pairs = [(searchable_s(embedded, clip, f"clip-{turn}"), kafka.searchable_s(clip, space)) for turn in range(clips)]
    here, there = (median(column) for column in zip(*pairs, strict=True))
    report.add(
        f"event to searchable on Kafka, a clip of {SHORT_S} s, p50 of {clips}",
        there,
        "s",
        limit=f"embedded {here:.3g} s",
        note=f"{there - here:+.3f} s (at most +0.3)",
    )


def _spent(clock: Callable[[], float], work: Callable[[], None]) -> float:
    before_s = clock()
    work()
    return clock() - before_s


def _own_cpu_s() -> float:
    """Of this process and the decode children it started, not of what runs the other topology."""
    me = psutil.Process()
    return _times_s(me) + sum(_cpu_s(child) for child in _ours(me.children()))


def _ours(children: Sequence[psutil.Process]) -> Iterable[psutil.Process]:
    return (child for child in children if not _is_foreign(child))


def _is_foreign(child: psutil.Process) -> bool:
    words = child.cmdline()
    return any(word.endswith("/rushes") or word == "kafka.Kafka" for word in words)


def _cpu_s(process: psutil.Process) -> float:
    return sum(_times_s(each) for each in itertools.chain([process], process.children(recursive=True)))


def _times_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("kafka_topology", rounds)
