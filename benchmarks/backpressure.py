"""Twenty times more assets than the workers can do, for minutes: does anything grow but `assets`, and is every asset
accounted for in the end?

python -m benchmarks.backpressure [--quick]

Real Kafka and the whole path over clips of 5 seconds. While the flood lasts the models hash and then wait, as slow as
real ones; then they only hash, so that the backlog is gone within minutes. Ends with an error if an asset is lost.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.cluster import kafka_node
from benchmarks.fairness import Desk
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.roll_out import PARTITIONS, ROLES, SlowShots, roll_out
from benchmarks.testbed.chaos import unread
from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.fleet import Fleet
from sinks.query.catalogue import Catalogue
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.node.local import LocalNode
from stream.clock import SystemClock
from stream.events.asset import AssetStatus
from stream.pipelines.understanding import reference_topology
from stream.sessions.stage_process import Deployment, prepare
from stream.topology.topics import ANNOTATIONS, ASSETS, FRAMES, SPANS

TIMES = 20
FLOOD_S, SHORT_FLOOD_S = 150.0, 30.0
RATE = PARTITIONS / SlowShots.service_s
"""Assets a second that the members of understand can do at most."""
SAMPLE_S = 2.0
DRAIN_S = 2400.0
INNER = {SPANS.name: "decode", FRAMES.name: "understand", ANNOTATIONS.name: "index"}
MIB = 2**20


@dataclass(slots=True)
class Watch:
    """What grows: memory of the workers and the node, unread bytes of inner topics, one sample every `SAMPLE_S`."""

    fleet: Fleet
    node: LocalNode
    broker: KafkaBroker
    workers: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    inner: list[int] = field(default_factory=list)
    waiting: int = 0
    _due_s: float = 0.0

    def look(self) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + SAMPLE_S
        self.workers.append(sum(_resident_bytes(member.process.pid) for member in self.fleet.members))
        self.nodes.append(_resident_bytes(self.node.status().pid or 0))
        self.inner.append(sum(self.broker.unread_bytes(topic, group) for topic, group in INNER.items()))
        self.waiting = max(self.waiting, self.broker.backlog(ASSETS.name, "plan").records)


def _resident_bytes(pid: int) -> int:
    """Of a process and its children, pages they share counted for each."""
    process = psutil.Process(pid)
    return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))


def flood(desk: Desk, watch: Watch, per_s: float, seconds: float) -> int:
    """How many assets were published."""
    start_s, sent = time.monotonic(), 0
    while (passed_s := time.monotonic() - start_s) < seconds:
        due = round(passed_s * per_s) - sent
        if due > 0:
            desk.publish("flood", due)
            sent += due
        desk.hear(0.1)
        watch.look()
    return sent


def until(desk: Desk, watch: Callable[[], None], done: Callable[[], bool]) -> float:
    """Seconds until `done`; raises if it takes too long."""
    start_s = time.monotonic()
    while not done():
        desk.hear(0.2)
        watch()
        if time.monotonic() - start_s > DRAIN_S:
            raise RuntimeError(f"not drained after {DRAIN_S:.0f} s")
    return time.monotonic() - start_s


def measure(rounds: int) -> Report:
    flood_s = FLOOD_S if rounds == ROUNDS else SHORT_FLOOD_S
    with tempfile.TemporaryDirectory() as name, kafka_node(folder := Path(name)) as node:
        clip = write_clip(folder / "clip.mp4", seconds=5, fps=4, scenes=2, size=(64, 48)).path
        broker = KafkaBroker(KafkaSettings(node.servers), SystemClock())
        prepare(broker, reference_topology(), Deployment(0, PARTITIONS))
        slow, quick = (roll_out(node, folder, shots) for shots in (SlowShots.__name__, "hashing"))
        desk = Desk(broker, clip)
        with Fleet(slow, ROLES, folder / "logs", folder / "scratch") as fleet:
            watch = Watch(fleet, node, broker)
            desk.latency_s("warm-up")
            sent = flood(desk, watch, TIMES * RATE, flood_s)
            done = desk.ready["flood"]
        with Fleet(quick, ROLES, folder / "logs-after", folder / "scratch-after"):
            drained_s = until(desk, lambda: None, lambda: desk.ready["flood"] >= sent and not list(unread(broker)))
        desk.close()
        broker.close()
        _account(folder / "state", sent)
    return _report(watch, sent, done, flood_s, drained_s)


def _account(state: Path, sent: int) -> None:
    """Every asset of the flood is ready in the index, once."""
    views = [view for view in Catalogue(state / "lancedb").assets() if view.tenant == "flood"]
    ready = {view.asset_id for view in views if view.status == AssetStatus.READY}
    if len(views) != sent or len(ready) != sent:
        raise AssertionError(f"{sent} assets were published, {len(views)} are known and {len(ready)} ready")


def _report(watch: Watch, sent: int, done: int, flood_s: float, drained_s: float) -> Report:
    report = Report(
        f"{TIMES} times more assets than the workers do, for {flood_s:.0f} s ({PARTITIONS} partitions,"
        f" {SlowShots.service_s} s a cell in each of {PARTITIONS} members of understand)"
    )
    report.add("ready while the flood lasts", done / flood_s, "assets/s", limit=f"{RATE:g}", note=f"{done} of {sent}")
    report.add("waiting in `assets` at most", watch.waiting, "records", limit=f"{sent} published")
    report.add(
        "unread in inner topics at most",
        max(watch.inner) / MIB,
        "MiB",
        limit="credit: 4 assets a partition",
        note=_growth(watch.inner),
    )
    report.add("workers' resident memory at most", max(watch.workers) / MIB, "MiB", note=_growth(watch.workers))
    report.add("the node's resident memory at most", max(watch.nodes) / MIB, "MiB", note=_growth(watch.nodes))
    report.add("drained by quick models within", drained_s, "s", note="every asset ready, no group behind")
    return report


def _growth(samples: Sequence[int]) -> str:
    """The last quarter by the second, as the first warms up."""
    quarter = max(1, len(samples) // 4)
    early, late = max(samples[quarter : 2 * quarter]), max(samples[-quarter:])
    return f"last quarter {late / max(1, early):.2f}x the second"


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("backpressure", rounds)
