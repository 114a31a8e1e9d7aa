"""Real processes, started, replaced, drained and cleaned up by the fleet."""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import SystemClock
from stream.runtime.supervisor import Fleet, allotted
from stream.topology.stage import RetryPolicy

WAIT_S = 30.0
WORKER = "import signal, threading; e = threading.Event(); signal.signal(15, lambda *_: e.set()); e.wait()"
STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def running(code: str) -> Callable[[str], Sequence[str]]:
    return lambda stage: [sys.executable, "-c", code, stage]


def until(fleet: Fleet, true: Callable[[], bool]) -> bool:
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while not true() and clock.monotonic_s() < deadline_s:
        fleet.step()
        clock.sleep(0.02)
    return true()


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 20)), st.integers(0, 30))
def test_what_is_allotted_fits_and_leaves_nobody_out(desired: dict[str, int], most: int) -> None:
    given_ = allotted(desired, most)
    assert sum(given_.values()) == min(most, sum(desired.values()))
    assert all(given_[stage] <= desired[stage] for stage in desired)
    if most >= sum(count > 0 for count in desired.values()):
        assert all(given_[stage] > 0 for stage in desired if desired[stage])


def test_it_follows_what_is_wanted_and_leaves_nothing_behind() -> None:
    with Fleet(running(WORKER), SystemClock(), max_processes=4) as fleet:
        fleet.want({"decode": 2, "understand": 1})
        fleet.step()
        before = fleet.running()
        assert {name: len(pids) for name, pids in before.items()} == {"decode": 2, "understand": 1}
        fleet.want({"decode": 1, "understand": 2})
        assert until(fleet, lambda: len(fleet.running()["understand"]) == 2 and len(fleet.running()["decode"]) == 1)
        assert fleet.running()["decode"] == before["decode"][:1]
        pids = [pid for them in (*before.values(), *fleet.running().values()) for pid in them]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_dead_worker_is_replaced_after_a_delay_that_grows() -> None:
    clock = SystemClock()
    backoff = RetryPolicy(base_delay_s=0.05, max_delay_s=0.2)
    with Fleet(running(WORKER), clock, max_processes=4, backoff=backoff) as fleet:
        fleet.want({"decode": 1})
        for _ in range(3):
            assert until(fleet, lambda: len(fleet.running().get("decode", ())) == 1)
            (pid,) = fleet.running()["decode"]
            psutil.Process(pid).send_signal(signal.SIGKILL)
            assert until(fleet, lambda gone=pid: gone not in fleet.running()["decode"])  # type: ignore[misc]


def test_what_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "up"
    code = STUBBORN.replace("print('up', flush=True)", f"open({str(log)!r}, 'w').close()")
    with Fleet(running(code), SystemClock(), max_processes=1, drain_s=0.2) as fleet:
        fleet.want({"decode": 3})
        assert until(fleet, log.exists)
        ((pid,),) = fleet.running().values()
    assert not psutil.pid_exists(pid)
