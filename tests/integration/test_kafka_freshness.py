"""The exporter's view of a real cluster: without workers, across restarts, and unmoved by clocks and replays."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.broker.contract import Record
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.watch import KafkaWatch
from stream.clock import SystemClock
from stream.errors import Unavailable
from stream.events.asset import AssetPublished, AssetRef, Priority, SegmentProgressed
from stream.events.base import Event, Payload
from stream.events.grid import SEGMENT_NS
from stream.events.ids import AssetVersion
from stream.freshness.autoscaler import ScalingPolicy
from stream.freshness.observer import Observer
from stream.freshness.snapshot import Snapshot
from stream.pipelines.understanding import reference_topology
from stream.sessions.stage_process import Deployment, prepare
from stream.topology.codec import encode
from stream.topology.topics import ASSETS, PROGRESS
from tests.support.brokers import own_node

pytestmark = pytest.mark.kafka

WAIT_S = 30.0
RUSHES = str(Path(sys.executable).parent / "rushes")
TOPOLOGY = reference_topology()
STAGES = ("decode", "understand", "index", "parquet")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_node(tmp_path_factory.mktemp("kafka")) as servers:
        _prepare(servers)
        yield servers


def _prepare(servers: str) -> None:
    """A new node on a busy machine makes its offsets topic for longer than one call waits."""
    clock = SystemClock()
    broker = KafkaBroker(KafkaSettings(servers), clock)
    deadline_s = clock.monotonic_s() + 3 * WAIT_S
    while True:
        try:
            prepare(broker, TOPOLOGY, Deployment(0, partitions=2))
        except (TimeoutError, Unavailable):
            if clock.monotonic_s() > deadline_s:
                raise
        else:
            break
    broker.close()


class Cluster:
    """What producers, plan and stages leave on the topics, by hand; one `plan` that acknowledges."""

    def __init__(self, servers: str) -> None:
        self.clock = SystemClock()
        self.servers = servers
        self.broker = KafkaBroker(KafkaSettings(servers, commit_interval_s=0.1), self.clock)
        self._producer = self.broker.producer()

    def close(self) -> None:
        self._producer.close()
        self.broker.close()

    def send(self, topic: str, data: Payload, *, event_time_ms: int) -> None:
        record = encode(Event(data, "t", "p", "a", event_time_ms))
        self._producer.send(topic, record.key, record.value, record.headers)
        self._producer.flush(WAIT_S)

    def report(self, stage: str, asset: str, append_ms: int, priority: Priority | None = None) -> None:
        ref = AssetRef(tenant="t", project="p", asset_id=asset, version=AssetVersion(append_ms, 0))
        data = SegmentProgressed(
            asset=ref, stage=stage, segment=0, segment_count=1, video_ns=SEGMENT_NS, priority=priority
        )
        self.send(PROGRESS.name, data, event_time_ms=0)

    def take_all(self, count: int) -> list[Record]:
        """Plan acknowledges what there is."""
        consumer = self.broker.consumer([ASSETS.name], "plan")
        deadline_s = self.clock.monotonic_s() + WAIT_S
        records: list[Record] = []
        while len(records) < count and self.clock.monotonic_s() < deadline_s:
            records += consumer.poll(100, 0.2)
        consumer.ack(records)
        consumer.close()
        return records

    def observer(self, *, remembers: bool = True) -> tuple[Observer, KafkaWatch]:
        groups = {stage.name: stage.sources for stage in TOPOLOGY.stages}
        watch = KafkaWatch(KafkaSettings(self.servers), self.clock, groups)
        return Observer(watch, TOPOLOGY, self.clock, ScalingPolicy(), remembers=remembers), watch

    def seen(self) -> Snapshot:
        observer, watch = self.observer()
        found = observer.step().snapshot
        watch.close()
        return found


@pytest.fixture
def cluster(servers: str) -> Iterator[Cluster]:
    made = Cluster(servers)
    yield made
    made.close()


def test_freshness_of_a_cluster_from_beside(cluster: Cluster) -> None:
    now_ms = cluster.clock.now_ms()
    # A clock of 1970 and one of 2100, footage of last year: all of them have waited since the broker has them.
    for name, event_time_ms in (("old", 1000), ("young", 4_102_444_800_000), ("archive", now_ms - 365 * 86_400_000)):
        cluster.send(ASSETS.name, AssetPublished(uri=f"file:///{name}.mp4"), event_time_ms=event_time_ms)
    plan = cluster.seen().stage("plan")
    assert plan.offset_lag == {"assets": 3}
    assert 0 <= plan.lane("interactive").freshness_lag_s < 120
    assert plan.lane("interactive").waiting == pytest.approx(180)

    (first, *_) = cluster.take_all(3)
    assert cluster.seen().stage("plan").lane("interactive").waiting == 0

    two_days_ms = 2 * 86_400_000
    cluster.report("plan", "open", first.append_time_ms, "interactive")
    cluster.report("plan", "backfill", now_ms - two_days_ms, "batch")
    cluster.report("decode", "replayed", now_ms - two_days_ms)
    decode, understand = (cluster.seen().stage(stage) for stage in ("decode", "understand"))
    assert decode.lane("interactive").waiting == pytest.approx(10)
    assert 0 <= decode.lane("interactive").freshness_lag_s < 120
    assert decode.lane("batch").freshness_lag_s >= two_days_ms / 1000
    assert understand.lane("interactive").freshness_lag_s == 0
    assert 0 < understand.lane("batch").freshness_lag_s < 120

    # A restarted exporter begins at the oldest open asset, and knows the same.
    for stage in STAGES:
        cluster.report(stage, "backfill", now_ms - two_days_ms)
        cluster.report(stage, "replayed", now_ms - two_days_ms)
    observer, watch = cluster.observer()
    again = observer.step().snapshot
    assert again.open_assets == 1
    for stage in STAGES:
        cluster.report(stage, "open", first.append_time_ms)
    assert observer.step().snapshot.open_assets == 0
    watch.close()
    observer, watch = cluster.observer()
    assert observer.step().snapshot.open_assets == 0
    assert cluster.broker.backlog(PROGRESS.name, "freshness").records == 0
    watch.close()


def test_the_exporter_lives_without_workers_and_lag_says_the_same(servers: str, tmp_path: Path) -> None:
    command = [RUSHES, "exporter", "--broker", f"kafka://{servers}", "--port", "0", "--interval", "0.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stdout is not None
        (port,) = re.findall(r":(\d+)/metrics", process.stdout.readline())
        page = ""
        clock, deadline_s = SystemClock(), SystemClock().monotonic_s() + WAIT_S
        while "rushes_desired_replicas{" not in page and clock.monotonic_s() < deadline_s:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                page = answer.read().decode()
        assert 'rushes_freshness_lag_seconds{deployment="rushes",lane="interactive",stage="decode"} 0.0' in page
        assert 'rushes_backlog_video_seconds{deployment="rushes",stage="index"}' in page
        assert 'rushes_offset_lag_records{deployment="rushes",stage="dead-letters",topic="dead-letters"} 0.0' in page
        assert 'rushes_desired_replicas{deployment="rushes",stage="dead-letters"} 0.0' in page
        assert not re.search('rushes_freshness_lag_seconds.*stage="dead-letters"', page)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    shown = subprocess.run(
        [RUSHES, "lag", "--broker", f"kafka://{servers}", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert [row["stage"] for row in json.loads(shown.stdout)["stages"]] == ["plan", *STAGES, "dead-letters"]
