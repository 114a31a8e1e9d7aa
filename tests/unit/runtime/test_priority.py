"""What works beside a service lets it go first."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.runtime.priority import BESIDE_NICE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_the_process_for_background_work_gives_way(tmp_path: Path) -> None:
    with started(tmp_path, "service-work") as process:
        expect_to_give_way(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0


@pytest.mark.parametrize("gives_way", [True, False])
def test_a_stage_gives_way_where_it_is_told_to(tmp_path: Path, gives_way: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        words = ["run", "index", "--broker", f"kafka://127.0.0.1:{silent.getsockname()[1]}"]
        with started(tmp_path, *words, *["--give-way"] * gives_way) as process:
            silent.accept()[0].close()  # it asks the broker, so it has decided
            if gives_way:
                expect_to_give_way(process)
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == (BESIDE_NICE if gives_way else 0)


@contextmanager
def started(state: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own, as the service and units of systemd start processes."""
    command = [sys.executable, "-m", "stream.cli.app", "--state", str(state), *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def expect_to_give_way(process: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == BESIDE_NICE, "it gives way")
    group = Path(f"/proc/{process.pid}/autogroup")
    # Not in a kernel without such groups.
    if group.exists():
        wait_for(lambda: group.read_text().endswith(f"nice {BESIDE_NICE}\n"), "its session gives way")
