"""Upkeep beside commits: one run at a time, and what fails in it fails nothing else."""

import threading

import pytest

from sinks.upkeep_thread import UpkeepThread
from stream.errors import Unavailable


def test_one_run_at_a_time() -> None:
    go, runs = threading.Event(), []

    def work() -> None:
        go.wait()
        runs.append(threading.current_thread().name)

    upkeep = UpkeepThread("the index", work)
    assert upkeep.start()
    assert not upkeep.start()
    go.set()
    upkeep.join()
    assert upkeep.start()
    upkeep.join()
    assert runs == ["upkeep of the index"] * 2
    assert not upkeep.running
    upkeep.join()


@pytest.mark.parametrize("error", [Unavailable("the disk is full", code="store_unavailable"), KeyError("x")])
def test_what_fails_is_logged_and_put_off(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def work() -> None:
        raise error

    upkeep = UpkeepThread("the index", work)
    assert upkeep.start()
    upkeep.join()
    assert "the index: upkeep is put off" in caplog.text
    assert upkeep.start()
    upkeep.join()
