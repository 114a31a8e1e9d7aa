"""A roll-out on a real broker under kills, restarts, a frozen member, a full disk and a store that refuses.
`make chaos` does much more of the same.
"""

import random
from pathlib import Path

import pytest

from benchmarks.testbed.chaos import ROLES, Chaos, Plan, assert_nothing_left, assert_undisturbed
from benchmarks.testbed.disks import small_disk
from benchmarks.testbed.fleet import Fleet, fleet_command
from benchmarks.testbed.observers import watched
from benchmarks.testbed.permissions import BOUND_BY_PERMISSIONS
from benchmarks.testbed.workload import mixed, undisturbed
from stream.broker.node.local import LocalNode, free_port
from stream.clock import SystemClock
from tests.support.brokers import kafka_jars, up

pytestmark = pytest.mark.kafka

SEED = 7
DISK_MIB = 256
PLAN = Plan(
    {
        "kill": 8,
        "restart": 1,
        "crash": 1,
        "join": 1,
        "leave": 1,
        "freeze": 1,
        "full disk": 1,
        "refusal": 1,
        "transaction": 2,
        "aborted transaction": 1,
        "more partitions": 1,
    },
    lasting_s=5.0,
    longest_pause_s=1.5,
)


@pytest.mark.timeout(600)
def test_whatever_befalls_a_roll_out_it_ends_as_if_nothing_had(tmp_path: Path) -> None:
    load = mixed(tmp_path / "clips", 16)
    calm = undisturbed(tmp_path / "calm", load)
    clock = SystemClock()
    node = LocalNode(tmp_path / "kafka", clock, port=free_port())
    state = tmp_path / "state"
    state.mkdir()
    up(node)
    try:
        with small_disk(state / "parquet", DISK_MIB) as disk:
            command = fleet_command(state, load.roots, node.servers, clock.now_ms(), BOUND_BY_PERMISSIONS)
            with (
                Fleet(command, ROLES, tmp_path / "logs", tmp_path / "scratch", named=True) as fleet,
                watched(node.servers, tmp_path) as observers,
            ):
                chaos = Chaos(state, node, kafka_jars(), disk, fleet, PLAN, random.Random(SEED), watched=observers)
                chaos.run(load.events)
                chaos.settle(load.assets, within_s=240)
                chaos.see_the_end()
                assert observers.left() == {}
                assert len(chaos.blind_s) == 2
            assert_undisturbed(state, calm.rows, calm.statuses, load.bad)
            assert_nothing_left(chaos)
            assert fleet.unasked == []  # first, as it has their last words
            assert not fleet.tracebacks()
    finally:
        node.down()
