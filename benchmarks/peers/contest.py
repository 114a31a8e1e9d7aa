"""One contender at work: a module of this package in a process of its own, from start to exit."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import Cost, measured
from benchmarks.peers.environments import ROOT

TIMEOUT_S = 3600.0
ATTEMPTS = 3
_SUBREAPER = 36


class PeerDied(RuntimeError):
    """By a signal."""


def cost_of(python: Path, module: str, arguments: Sequence[str], out: Path) -> Cost:
    """Of the first run that ends well: Daft 0.7.26 aborts now and then as its interpreter ends. Each finds the folder
    `out` empty.
    """
    for attempt in range(ATTEMPTS):
        try:
            with measured() as cost:
                _run(python, module, arguments, out)
        except PeerDied as death:
            print(f"{module}, attempt {attempt + 1}: {death}", flush=True)
        else:
            return cost
    raise RuntimeError(f"{module} died {ATTEMPTS} times")


def _run(python: Path, module: str, arguments: Sequence[str], out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [str(python), "-m", f"benchmarks.peers.{module}", *arguments]
    environment = {"HOME": str(Path.home()), "PATH": os.environ["PATH"], "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode:
        error = PeerDied if done.returncode < 0 else RuntimeError
        raise error(f"{module} failed ({done.returncode}):\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    with suppress(ChildProcessError):  # what it started and left; the system counts their time with their end
        while True:
            os.wait()


def adopt_orphans() -> None:
    """Processes that outlive their parent become ours, so that their CPU time is seen. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
