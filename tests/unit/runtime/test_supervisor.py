"""Real processes, started, replaced, drained and cleaned up by the fleet."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.testbed.waiting import wait_for
from stream.clock import SystemClock
from stream.runtime.supervisor import Fleet, allotted
from stream.topology.stage import RetryPolicy
from tests.support.programs import ROOT, program


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fleet starts its processes where it is itself."""
    monkeypatch.chdir(ROOT)


def waiting(ignoring: Path | None = None) -> Callable[[str], Sequence[str]]:
    """Commands of processes that end when told to; `ignoring` is made by one that does not."""
    return lambda stage: program("wait_for_signal", ignoring or "-", stage)


def come_to(fleet: Fleet, reached: Callable[[], bool]) -> None:
    wait_for(reached, "the fleet is as wanted", meanwhile=fleet.step)


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 20)), st.integers(0, 30))
def test_what_is_allotted_fits_and_leaves_nobody_out(desired: dict[str, int], most: int) -> None:
    given_ = allotted(desired, most)
    assert sum(given_.values()) == min(most, sum(desired.values()))
    assert all(given_[stage] <= desired[stage] for stage in desired)
    if most >= sum(count > 0 for count in desired.values()):
        assert all(given_[stage] > 0 for stage in desired if desired[stage])


def test_it_follows_what_is_wanted_and_leaves_nothing_behind() -> None:
    with Fleet(waiting(), SystemClock(), max_processes=4) as fleet:
        fleet.want({"decode": 2, "understand": 1})
        fleet.step()
        before = fleet.running()
        assert {name: len(pids) for name, pids in before.items()} == {"decode": 2, "understand": 1}
        fleet.want({"decode": 1, "understand": 2})
        come_to(fleet, lambda: len(fleet.running()["understand"]) == 2 and len(fleet.running()["decode"]) == 1)
        assert fleet.running()["decode"] == before["decode"][:1]
        pids = [pid for them in (*before.values(), *fleet.running().values()) for pid in them]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_dead_worker_is_replaced_after_a_delay_that_grows() -> None:
    clock = SystemClock()
    backoff = RetryPolicy(base_delay_s=0.05, max_delay_s=0.2)
    with Fleet(waiting(), clock, max_processes=4, backoff=backoff) as fleet:
        fleet.want({"decode": 1})
        for _ in range(3):
            come_to(fleet, lambda: len(fleet.running().get("decode", ())) == 1)
            (pid,) = fleet.running()["decode"]
            psutil.Process(pid).send_signal(signal.SIGKILL)
            come_to(fleet, lambda gone=pid: gone not in fleet.running()["decode"])  # type: ignore[misc]


def test_what_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "up"
    with Fleet(waiting(ignoring=log), SystemClock(), max_processes=1, drain_s=0.2) as fleet:
        fleet.want({"decode": 3})
        come_to(fleet, log.exists)
        ((pid,),) = fleet.running().values()
    assert not psutil.pid_exists(pid)
