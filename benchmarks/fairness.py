"""How long does one tenant's one asset take while another's ten thousand wait? And does the interactive lane overtake
the batch lane without starving it?

    python -m benchmarks.fairness [--quick] | --sweep 2 4 8 16   (assets a tenant may have at work, for each partition)

Real Kafka and the whole path over clips of 5 seconds, with models that hash and then wait, so that `understand` is the
stage that work queues before, whatever the machine: with real models it is.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cluster import kafka_node
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.roll_out import PARTITIONS, ROLES, WaitingShots, roll_out
from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.fleet import Fleet
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.errors import Unavailable
from stream.events.asset import AssetChanged, AssetPublished, AssetStatus, Profile
from stream.events.base import Event
from stream.pipelines.understanding import reference_topology
from stream.sessions.stage_process import Deployment, prepare
from stream.topology.codec import EventDecoder, encode
from stream.topology.lanes import Lane
from stream.topology.topics import ASSETS, PROGRESS

HOG_ASSETS = 10_000
PROBES = 15
WARM_UP = 5
STEADY_ASSETS = 50
WINDOW_S = 30.0
PATIENCE_S = 900.0


class Desk:
    """Publishes assets and hears when they are ready; `ready` counts them by tenant. Of one clip, unless told."""

    def __init__(self, broker: KafkaBroker, clip: Path) -> None:
        self.ready: Counter[str] = Counter()
        self.newest = ""
        self._clip = clip
        self._names: set[tuple[str, str]] = set()
        self._count = 0
        self._tail = broker.tail(PROGRESS.name)
        self._producer = broker.producer()
        self._decoder = EventDecoder([PROGRESS])

    def publish(
        self,
        tenant: str,
        count: int = 1,
        *,
        lane: Lane = "interactive",
        clip: Path | None = None,
        profile: Profile = "full",
    ) -> None:
        for _ in range(count):
            self._count += 1
            self.newest = f"{tenant}-{self._count}"
            data = AssetPublished(uri=str(clip or self._clip), asset_id=self.newest, profile=profile, priority=lane)
            record = encode(Event(data, tenant, "bench", self.newest, SystemClock().now_ms()))
            self._producer.send(ASSETS.name, record.key, record.value, record.headers)
        self._producer.flush(PATIENCE_S)

    def latency_s(self, tenant: str, clip: Path | None = None, profile: Profile = "full") -> float:
        """From publishing one asset until it is ready."""
        start_s = time.monotonic()
        self.publish(tenant, clip=clip, profile=profile)
        while (tenant, self.newest) not in self._names:
            self.hear(0.1)
            if time.monotonic() - start_s > PATIENCE_S:
                raise Unavailable(f"{self.newest} is not ready after {PATIENCE_S:.0f} s", code="slow")
        return time.monotonic() - start_s

    def hear(self, timeout_s: float) -> None:
        for record in self._tail.poll(10_000, timeout_s):
            data = self._decoder.decode(record).data
            if isinstance(data, AssetChanged) and data.status.final:
                if data.status is not AssetStatus.READY:
                    raise RuntimeError(f"{data.asset.asset_id} is {data.status}: {data.code} {data.reason}")
                self._names.add((data.asset.tenant, data.asset.asset_id))
                self.ready[data.asset.tenant] += 1

    def hear_for(self, seconds: float) -> Counter[str]:
        """How many of each tenant were ready within so many seconds."""
        before, end_s = self.ready.copy(), time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.hear(0.1)
        return self.ready - before

    def hear_of(self, tenant: str, count: int) -> None:
        """Until so many of a tenant are ready."""
        start_s = time.monotonic()
        while self.ready[tenant] < count:
            self.hear(0.1)
            if time.monotonic() - start_s > PATIENCE_S:
                raise Unavailable(f"{tenant} has {self.ready[tenant]} assets ready", code="slow")

    def close(self) -> None:
        self._tail.close()
        self._producer.close()


@contextmanager
def desk(assets_a_partition: int | None) -> Iterator[Desk]:
    """A fresh roll-out, warm."""
    with tempfile.TemporaryDirectory() as name, kafka_node(folder := Path(name)) as node:
        clip = write_clip(folder / "clip.mp4", seconds=5, fps=4, scenes=2, size=(64, 48)).path
        broker = KafkaBroker(KafkaSettings(node.servers), SystemClock())
        prepare(broker, reference_topology(), Deployment(0, PARTITIONS))
        more = [] if assets_a_partition is None else ["--tenant-assets", assets_a_partition * PARTITIONS]
        command = roll_out(node, folder, WaitingShots.__name__, *more)
        with Fleet(command, ROLES, folder / "logs", folder / "scratch"):
            opened = Desk(broker, clip)
            for _ in range(WARM_UP):
                opened.latency_s("warm-up")
            yield opened
            opened.close()
        broker.close()


@dataclass(frozen=True, slots=True)
class Loud:
    """Latencies of a tenant's one asset while nobody else is there, and beside the hog; what the hog gets meanwhile."""

    quiet_s: Sequence[float]
    loud_s: Sequence[float]
    hog_per_s: float

    @property
    def ratio(self) -> float:
        return median(self.loud_s) / median(self.quiet_s)


def loud(opened: Desk, lane: Lane, probes: int) -> Loud:
    quiet_s = [opened.latency_s("quiet") for _ in range(probes)]
    opened.publish("hog", HOG_ASSETS, lane=lane)
    opened.hear_of("hog", STEADY_ASSETS)
    before, start_s = opened.ready["hog"], time.monotonic()
    loud_s = [opened.latency_s("one") for _ in range(probes)]
    return Loud(quiet_s, loud_s, (opened.ready["hog"] - before) / (time.monotonic() - start_s))


def measure(rounds: int) -> Report:
    probes = PROBES if rounds == ROUNDS else PROBES // 2
    report = Report(
        f"One asset beside {HOG_ASSETS} of another tenant ({PARTITIONS} partitions, 4 assets of a tenant for each,"
        f" {PARTITIONS} members of decode and understand, {WaitingShots.service_s} s a cell; {probes} probes, median of"
        f" {rounds})"
    )
    for lane in ("interactive", "batch"):
        found, shares = [], []
        for _ in range(rounds):
            with desk(None) as opened:
                found.append(loud(opened, lane, probes))
                if lane == "batch":
                    opened.publish("live", HOG_ASSETS)
                    opened.hear_of("live", STEADY_ASSETS)
                    shares.append(opened.hear_for(WINDOW_S))
        _add(report, lane, found)
        if shares:
            share = median(each["hog"] / (each["hog"] + each["live"]) for each in shares)
            report.add(
                "batch's share where both lanes wait", share, "", limit="0.2 by policy, at most 0.3", note="above 0"
            )
    return report


def _add(report: Report, lane: Lane, found: Sequence[Loud]) -> None:
    middle = sorted(found, key=lambda each: each.ratio)[len(found) // 2]
    report.add(
        f"one asset beside a hog in the {lane} lane, p50",
        median(middle.loud_s),
        "s",
        limit=f"alone {median(middle.quiet_s):.3g} s",
        note=f"{middle.ratio:.2f}x (at most 5), slowest {max(middle.loud_s):.3g} s",
    )
    report.add(f"the hog's own assets meanwhile, {lane}", middle.hog_per_s, "1/s")


def sweep(wanted: Sequence[int]) -> Report:
    report = Report(f"Assets a tenant may have at work ({PARTITIONS} partitions)")
    for count in wanted:
        with desk(count) as opened:
            found = loud(opened, "interactive", PROBES // 2)
        note = f"{found.ratio:.2f}x of {median(found.quiet_s):.3g} s, slowest {max(found.loud_s):.3g} s"
        report.add(f"{count} a partition: one asset beside a hog", median(found.loud_s), "s", note=note)
        report.add(f"{count} a partition: the hog's own assets", found.hog_per_s, "1/s")
    return report


def main() -> None:
    if sys.argv[1:2] == ["--sweep"]:
        sweep([int(count) for count in sys.argv[2:]]).show()
        return
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("fairness", rounds)


if __name__ == "__main__":
    main()
