"""A library that makes threads of this process real-time ones does not keep them so."""

import os
import subprocess
import sys

import pytest

from stream.children.scheduling import schedule_as_others_do

# In a process of its own, as whoever is real-time makes all that it starts so.
ENCODES = (sys.executable, "-m", "tests.support.programs.encode_av1")


def test_nothing_is_done_where_all_is_as_usual() -> None:
    assert not schedule_as_others_do()


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_an_av1_encoder_is_no_real_time_process() -> None:
    done = subprocess.run(ENCODES, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == f"1 {os.SCHED_OTHER}"
