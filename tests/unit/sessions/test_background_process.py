"""Background work beside the service: none is lost before it began, and none begins twice."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.errors import Unavailable
from stream.sessions import background_process
from stream.sessions.background_process import BackgroundProcess
from tests.support.programs import program


@contextmanager
def beside(end: str, notes: Path) -> Iterator[BackgroundProcess]:
    with closing(BackgroundProcess(program("take_work", end, notes))) as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_process, "_FIRST_DELAY_S", 0.01)


def test_what_was_not_begun_is_given_to_the_next_process(tmp_path: Path) -> None:
    with beside("before", tmp_path / "notes") as background:
        background.replay(["a", "b", "a"])
        background.replay(["b"])
        assert background.replaying() == {"a", "b"}
        wait_for(lambda: not background.replaying(), "nothing is left")
    assert (tmp_path / "notes").read_text() == "a b\na b\n"


def test_what_was_begun_is_not_begun_again(tmp_path: Path) -> None:
    with beside("within", tmp_path / "notes") as background:
        background.replay(["a"])
        wait_for(lambda: not background.replaying(), "nothing is left")
        # It can be asked for again.
        background.replay(["a"])
        wait_for(lambda: not background.replaying(), "nothing is left")
    assert (tmp_path / "notes").read_text() == "a\na\n"


def test_only_so_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_process, "MOST_WAITING", 2)
    with beside("never", tmp_path / "notes") as background:
        with pytest.raises(Unavailable) as refused:
            background.replay(["a", "b", "c"])
        assert refused.value.code == "too_much_waiting"
        assert not background.replaying()


def test_a_process_that_dies_at_its_start_is_told_of() -> None:
    with closing(BackgroundProcess(["false"])) as background:
        assert background.trouble() is None
        background.replay(["a"])
        # Each time it is looked at it may have died once more.
        wait_for(lambda: bool(re.search("died [3-9] times", background.trouble() or "")), "it died three times")
        assert background.replaying() == {"a"}


def test_one_that_works_again_is_not(tmp_path: Path) -> None:
    with beside("before", tmp_path / "notes") as background:
        background.replay(["a"])
        wait_for(lambda: not background.replaying(), "nothing is left")
        wait_for(lambda: background.trouble() is None, "its end is seen")
