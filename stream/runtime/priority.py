"""How much of the processor a process asks for beside others."""

import os
import sys
from contextlib import suppress
from pathlib import Path

BESIDE_NICE = 19
"""The least weight, a seventieth of that of a process that does not say so: alone it has all of a processor, as any
other."""
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Let others go first: this process and its children use what nobody else wants. Call it before there are threads.
    Changes nothing where the system knows no such thing.
    """
    if not hasattr(os, "setpriority"):
        return
    os.setpriority(os.PRIO_PROCESS, 0, max(BESIDE_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    # Linux weighs sessions before processes, and then only the session's own number counts. One that it does not lead
    # holds others.
    if sys.platform.startswith("linux") and os.getsid(0) == os.getpid():
        with suppress(OSError):
            _AUTOGROUP.write_text(str(BESIDE_NICE))
