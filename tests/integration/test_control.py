"""The control plane on Kafka, killed at random points, with and without its local store, counts exactly."""

import random
import shutil
import signal
from pathlib import Path

import pytest

from stream.clock import SystemClock
from stream.codec import Decoder
from stream.control.state import completion_id
from stream.events.asset import AssetChanged, AssetStatus
from stream.kafka.broker import KafkaBroker
from stream.kafka.client import KafkaSettings
from stream.records import Record, TopicSpec
from stream.topics import COMPLETIONS, DEAD_LETTERS, PROGRESS
from tests.brokers import kafka_servers
from tests.control import ControlProcess, asset_ref, change, folded, life, publish, table
from tests.pipeline import rushes, wait_for

PARTITIONS = 2
SILENCE_MS = 1500


def kills(tmp_path: Path, *, seed: int, rounds: int) -> None:
    """Publish in parts; in each round kill the app when so many entries more are in the changelog, or none yet."""
    rng = random.Random(seed)
    servers = kafka_servers()
    broker = KafkaBroker(KafkaSettings(servers), SystemClock())
    broker.ensure(
        TopicSpec(topic.name, PARTITIONS, topic.max_message_bytes) for topic in (PROGRESS, COMPLETIONS, DEAD_LETTERS)
    )
    assets = [asset_ref(f"{seed}-{at}", tenant=f"tenant {at % 3}", hour=at) for at in range(30)]
    told = [payload for asset in assets for payload in life(asset, 12, rng)]
    rng.shuffle(told)
    expected = folded(told)
    properties = tmp_path / "client.properties"
    properties.write_text(f"session.timeout.ms={SILENCE_MS}\n")
    control = ControlProcess(servers, tmp_path / "state", "--client-properties", properties, partitions=PARTITIONS)

    def agreeing() -> int:
        held = table(servers)
        return sum(held.get(key) == value for key, value in expected.items())

    size = -(-len(told) // rounds)
    for at in range(0, len(told), size):
        publish(broker, told[at : at + size])
        more = rng.randrange(len(expected) // rounds // 2)
        before = len(table(servers))
        control.start()
        assert control.process is not None
        wait_for(control.process, lambda before=before, more=more: len(table(servers)) >= before + more)  # type: ignore[misc]
        control.end(signal.SIGKILL)
        if rng.random() < 0.5:
            shutil.rmtree(tmp_path / "state" / "control", ignore_errors=True)
    control.start()
    assert control.process is not None
    wait_for(control.process, lambda: agreeing() == len(expected))
    assert control.end(signal.SIGTERM) == 0, control.log()
    assert agreeing() == len(expected), "what is done after the end is not undone"
    wanted = {completion_id(change(asset, status)) for asset in assets for status in (AssetStatus.READY,)}
    assert wanted <= told_ids(broker)
    used = rushes(tmp_path / "other", "usage", "--broker", f"kafka://{servers}", "--tenant", "tenant 1", "--json")
    assert used.code == 0, used.err
    assert {row["tenant"] for row in used.document} == {"tenant 1"}
    assert {"plan", "decode", "understand", "index"} == {row["stage"] for row in used.document}
    broker.close()


def told_ids(broker: KafkaBroker) -> set[str]:
    """Ids in `completions`; whatever is there is a final status."""
    reader = broker.consumer([COMPLETIONS.name], f"test-{SystemClock().now_ms()}")
    decoder = Decoder([COMPLETIONS])
    found: set[str] = set()
    records: list[Record] = []
    while batch := reader.poll(1000, 5.0):
        records += batch
    for record in records:
        event = decoder.decode(record)
        assert isinstance(event.data, AssetChanged)
        assert event.data.status.final
        assert "sig=" not in event.data.uri
        found.add(event.id)
    reader.close()
    return found


def test_kills_and_lost_stores_change_no_value(tmp_path: Path) -> None:
    kills(tmp_path, seed=5, rounds=3)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_kills_and_lost_stores_change_no_value(tmp_path: Path, seed: int) -> None:
    kills(tmp_path, seed=seed, rounds=8)
