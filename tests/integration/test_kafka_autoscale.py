"""`rushes autoscale` on a real cluster: from no worker to a searchable clip, and nothing left behind."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.waiting import wait_for
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.errors import Fatal, Unavailable
from stream.events.asset import AssetChanged, AssetPublished, AssetStatus
from stream.events.base import Event
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import ASSETS, PROGRESS
from tests.support.brokers import own_node

pytestmark = pytest.mark.kafka

WAIT_S = 240.0
RUSHES = str(Path(sys.executable).parent / "rushes")


def publish(broker: KafkaBroker, clip: Path) -> None:
    producer = broker.producer()
    record = encode(Event(AssetPublished(uri=clip.as_uri(), asset_id="clip"), "t", "p", "clip", 1000))
    producer.send(ASSETS.name, record.key, record.value, record.headers)
    producer.flush(30.0)
    producer.close()


def prepared(broker: KafkaBroker) -> bool:
    try:
        broker.backlog(ASSETS.name, "plan")
    except (Fatal, Unavailable, TimeoutError):
        return False
    return True


def status_of_clip(broker: KafkaBroker, deadline_s: float) -> AssetStatus | None:
    """The first final status that the index announces."""
    clock, decoder = SystemClock(), EventDecoder([PROGRESS])
    consumer = broker.consumer([PROGRESS.name], "reader")
    try:
        while clock.monotonic_s() < deadline_s:
            for record in consumer.poll(100, 0.5):
                data = decoder.decode(record).data
                if isinstance(data, AssetChanged) and data.status.final:
                    return data.status
        return None
    finally:
        consumer.close()


@pytest.mark.long
def test_workers_come_for_footage_and_go_with_their_supervisor(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=3.0, fps=5, size=(64, 48)).path
    clock = SystemClock()
    with own_node(tmp_path / "kafka") as servers:
        options = ["--broker", f"kafka://{servers}", "--root", str(tmp_path), "--light", "--partitions", "2"]
        command = [RUSHES, "--state", str(tmp_path / "state"), "autoscale", *options, "--interval", "1"]
        process = subprocess.Popen(command, cwd=tmp_path)
        deadline_s = clock.monotonic_s() + WAIT_S
        broker = KafkaBroker(KafkaSettings(servers), clock)
        try:
            wait_for(lambda: prepared(broker), "the supervisor made the topics", within_s=WAIT_S)
            publish(broker, clip)
            found = status_of_clip(broker, deadline_s)
            workers = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.terminate()
            process.wait(WAIT_S)
            broker.close()
        assert found is AssetStatus.READY
        assert workers
        assert not [it for it in workers if it.is_running() and it.status() != psutil.STATUS_ZOMBIE]
        assert process.returncode == 0
