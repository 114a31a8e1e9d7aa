"""The control plane on Kafka, killed at random points, with and without its local store, counts exactly."""

import random
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import ResourceType

from benchmarks.testbed.runs import rushes
from stream.broker.kafka.admin_queries import AdminQueries
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.node.local import free_port
from stream.clock import SystemClock
from stream.control.app import COMPACTION_LAG_MS
from stream.control.state import CHANGELOG, completion_id
from stream.events.asset import AssetStatus
from stream.pipelines.control import topics
from tests.support.brokers import own_node
from tests.support.control import ControlProcess, asset_ref, change, folded, life, publish, table
from tests.support.receivers import Receiver, receiving

pytestmark = pytest.mark.kafka

PARTITIONS = 2
SILENCE_MS = 1500
COUNTED = 'rushes_records_total{deployment="rushes",outcome="done",stage="rushes-control"}'


def kills(tmp_path: Path, *, seed: int, rounds: int, count: int) -> None:
    """Publish in parts; in each round kill the app when so many entries more are in the changelog, or none yet."""
    with own_node(tmp_path / "kafka") as servers:
        kills_on(servers, tmp_path, seed=seed, rounds=rounds, count=count)


def kills_on(servers: str, tmp_path: Path, *, seed: int, rounds: int, count: int) -> None:
    rng = random.Random(seed)
    broker = KafkaBroker(KafkaSettings(servers), SystemClock())
    broker.ensure(topics(lambda _: PARTITIONS))
    assets = [asset_ref(f"{seed}-{at}", tenant=f"tenant {at % 3}", hour=at) for at in range(count)]
    told = [payload for asset in assets for payload in life(asset, 12, rng)]
    rng.shuffle(told)
    expected = folded(told)

    def agreeing() -> int:
        held = table(servers)
        return sum(held.get(key) == value for key, value in expected.items())

    port = free_port()
    with ExitStack() as held:
        receiver = held.enter_context(receiving([503]))
        asked = [*options(tmp_path, receiver), "--port", port]
        control = held.enter_context(ControlProcess(servers, tmp_path / "state", *asked, partitions=PARTITIONS))
        size = -(-len(told) // rounds)
        for at in range(0, len(told), size):
            publish(broker, told[at : at + size])
            enough = len(table(servers)) + rng.randrange(len(expected) // rounds // 2)
            control.start()
            control.come_to(lambda enough=enough: len(table(servers)) >= enough, "the changelog grew")  # type: ignore[misc]
            control.end(signal.SIGKILL)
            if rng.random() < 0.5:
                shutil.rmtree(tmp_path / "state" / "control", ignore_errors=True)
        control.start()
        ready = {completion_id(change(asset, AssetStatus.READY)) for asset in assets}
        control.come_to(lambda: agreeing() == len(expected) and ready <= {*receiver.ids}, "all is counted and told")
        publish(broker, told[:1])  # once more: the last process may have had nothing to do
        control.come_to(lambda: COUNTED in metrics_page(port), "the metrics tell of a record")
        answers = {name: httpx.get(f"http://127.0.0.1:{port}/{name}") for name in ("healthz", "readyz")}
        assert {name: (it.status_code, it.text.strip()[:2]) for name, it in answers.items()} == {
            "healthz": (200, "ok"),
            "readyz": (200, "ok"),
        }
        assert control.end(signal.SIGTERM) == 0, control.log()
    assert agreeing() == len(expected), "what is done after the end is not undone"
    assert {body["data"]["status"] for body in receiver.bodies} <= {"ready", "partial"}
    assert not any("sig=" in body["data"]["uri"] for body in receiver.bodies)
    used = rushes(tmp_path / "other", "usage", "--broker", f"kafka://{servers}", "--tenant", "tenant 1", "--json")
    assert used.code == 0, used.err
    assert {row["tenant"] for row in used.document} == {"tenant 1"}
    assert {row["stage"] for row in used.document} == {"plan", "decode", "understand", "index"}
    far = rushes(tmp_path / "other", "progress", "--broker", f"kafka://{servers}", "--json").document
    mine = [row for row in far if row["asset_id"] in {asset.asset_id for asset in assets}]
    assert len(mine) == count
    assert {(row["status"], row["segments"]) for row in mine} == {("ready", 12)}
    assert all(0 < row["segments_done"]["decode"] <= 12 for row in mine)
    queries = AdminQueries(KafkaSettings(servers), SystemClock())
    assert queries.config_of(ResourceType.TOPIC, CHANGELOG)["max.compaction.lag.ms"] == str(COMPACTION_LAG_MS)
    broker.close()


def metrics_page(port: int) -> str:
    """Nothing while nobody answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return ""


def options(tmp_path: Path, receiver: Receiver) -> list[object]:
    """A short silence, so that who follows a killed app takes over soon; and who is to be told."""
    properties, secret = tmp_path / "client.properties", tmp_path / "secret"
    properties.write_text(f"session.timeout.ms={SILENCE_MS}\n")
    secret.write_text("sixteen or more bytes\n")
    return [
        *("--client-properties", properties),
        *("--webhook", receiver.url, "--webhook-secret-file", secret, "--private-network"),
    ]


def test_kills_and_lost_stores_change_no_value(tmp_path: Path) -> None:
    kills(tmp_path, seed=5, rounds=2, count=10)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_kills_and_lost_stores_change_no_value(tmp_path: Path, seed: int) -> None:
    kills(tmp_path, seed=seed, rounds=8, count=30)
