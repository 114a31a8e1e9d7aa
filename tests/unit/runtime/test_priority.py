"""What works beside a service lets it go first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.runtime.priority import BESIDE_NICE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_the_process_for_background_work_gives_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stream.cli.app", "--state", str(tmp_path), "service-work"]
    # As the service starts it.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    try:
        wait_for(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == BESIDE_NICE, "it gives way")
        group = Path(f"/proc/{process.pid}/autogroup")
        # Not in a kernel without such groups.
        if group.exists():
            wait_for(lambda: group.read_text().endswith(f"nice {BESIDE_NICE}\n"), "its session gives way")
    finally:
        process.stdin.close()
        assert process.wait(60) == 0
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0
