"""Jobs for a process beside the service: none is lost before it began, and none begins twice."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.errors import Unavailable
from stream.sessions import job_process
from stream.sessions.job_process import JobProcess
from tests.support.programs import program


@contextmanager
def beside(end: str, notes: Path) -> Iterator[JobProcess]:
    with closing(JobProcess(program("take_jobs", end, notes))) as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_process, "_FIRST_DELAY_S", 0.01)


def test_what_was_not_begun_is_given_to_the_next_process(tmp_path: Path) -> None:
    with beside("before", tmp_path / "notes") as jobs:
        jobs.replay(["a", "b", "a"])
        jobs.replay(["b"])
        assert jobs.replaying() == {"a", "b"}
        wait_for(lambda: not jobs.replaying(), "no job is left")
    assert (tmp_path / "notes").read_text() == "a b\na b\n"


def test_what_was_begun_is_not_begun_again(tmp_path: Path) -> None:
    with beside("within", tmp_path / "notes") as jobs:
        jobs.replay(["a"])
        wait_for(lambda: not jobs.replaying(), "no job is left")
        # It can be asked for again.
        jobs.replay(["a"])
        wait_for(lambda: not jobs.replaying(), "no job is left")
    assert (tmp_path / "notes").read_text() == "a\na\n"


def test_only_so_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_process, "MOST_WAITING", 2)
    with beside("never", tmp_path / "notes") as jobs:
        with pytest.raises(Unavailable) as refused:
            jobs.replay(["a", "b", "c"])
        assert refused.value.code == "too_many_jobs"
        assert not jobs.replaying()
