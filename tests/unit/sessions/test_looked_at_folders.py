"""Who looks whether a folder of jobs is held holds it for a moment: whoever begins work then waits for that."""

import threading
from pathlib import Path

import pytest

from stream.clock import SystemClock
from stream.pipelines.jobs import JobSettings
from stream.sessions import jobs_embedded
from stream.sessions.jobs_embedded import EmbeddedJobs, home_of
from stream.sessions.state_lock import state_lock


def test_who_begins_work_waits_for_one_who_only_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_embedded, "_LOOKED_AT_S", 60.0)
    settings, held, begun = JobSettings.under(tmp_path), threading.Event(), threading.Event()

    def look() -> None:
        with state_lock(home_of(settings)):
            held.set()
            begun.wait(0.2)

    looking = threading.Thread(target=look)
    looking.start()
    assert held.wait(10)
    with EmbeddedJobs(settings, SystemClock(), rendering=False):
        begun.set()
    looking.join()
    assert not looking.is_alive()
