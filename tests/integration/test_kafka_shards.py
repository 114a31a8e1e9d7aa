"""Processes on a real broker share the shards of a store by their group's assignment, also where one of them hangs."""

import signal
from functools import partial
from pathlib import Path

import lance
import pytest

from benchmarks import shards
from benchmarks.shards import IN, OUT, PARTITIONS, SHARDS, Trial, fill
from benchmarks.testbed.store_stream import MOMENTS_A_CELL, SPACE
from benchmarks.testbed.waiting import wait_for
from sinks.layout import Layout
from sinks.tables.names import moments_table
from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from tests.support.brokers import own_node

pytestmark = [pytest.mark.kafka, pytest.mark.long]

CELLS = 1_200


def test_a_process_that_hangs_past_its_session_harms_nothing_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "CELLS", CELLS)
    with own_node(tmp_path / "kafka") as servers:
        broker = KafkaBroker(KafkaSettings(servers), SystemClock())
        broker.ensure([IN.spec(PARTITIONS), TopicSpec(OUT.name, 1)])
        fill(broker)
        trial = Trial(servers, broker, tmp_path / "stores", 2, 0.05)
        (store,) = wait_for_store(tmp_path / "stores")
        try:
            trial.until_each_wrote(40)
            sleeper, other = trial.processes
            sleeper.send_signal(signal.SIGSTOP)
            wait_for(partial(lambda: broker.members([store.name]) == {store.name: 1}), "its session has ended")
            sleeper.send_signal(signal.SIGCONT)
            wait_for(lambda: not broker.backlog(IN.name, store.name).records, "all is acknowledged", within_s=120)
            assert [each.poll() for each in (sleeper, other)] == [None, None]
        finally:
            trial.close()
            broker.close()
    held = [lance.dataset(place.directory / f"{moments_table(SPACE.key)}.lance") for place in Layout.of(store).places]
    ids = [name for table in held for name in table.to_table(columns=["moment_id"])["moment_id"].to_pylist()]
    assert len(held) == SHARDS
    assert len(ids) == len(set(ids)) >= CELLS * MOMENTS_A_CELL


def wait_for_store(folder: Path) -> list[Path]:
    """The store that the processes make; its name is that of their group."""
    wait_for(lambda: folder.is_dir() and any(folder.iterdir()), "a store is made")
    return sorted(folder.iterdir())
