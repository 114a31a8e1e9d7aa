"""Real-time scheduling is taken back from threads that a library has given it to."""

import os
import sys
from contextlib import suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


def schedule_as_others_do() -> bool:
    """Every thread of this process has the system's usual scheduling afterwards; whether one had another one. Does
    nothing elsewhere than on Linux.
    """
    if sys.platform != "linux":
        return False
    found = False
    # A confined child may not ask, and what it runs may not have changed anything either.
    with suppress(PermissionError):
        for thread in [int(path.name) for path in _THREADS.iterdir()]:
            # It may have ended.
            with suppress(ProcessLookupError):
                if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                    os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
                    found = True
    return found
