"""The parent's side of one child process: start, messages, timeouts, kill. Not thread-safe: one user at a time."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from stream.children.confinement import environment
from stream.children.messages import REPORT_EVERY_S, Messages
from stream.clock import SystemClock

START_TIMEOUT_S = 120.0
SEND_TIMEOUT_S = 10.0
"""An idle child reads immediately, and a busy one gets less data than its socket buffer holds."""
NONSENSE = "it sent an invalid message"
_MAX_CPU_S = 6 * 3600
"""The hard CPU limit, whatever one request allows."""
# Nothing is collected before the child has `loaded`.
_BOOT = """
import gc, importlib, json, sys
gc.disable()
sys.path[:] = json.loads(sys.argv[1])
importlib.import_module(sys.argv[2]).main(*map(int, sys.argv[3:]))
"""


class ChildDied(Exception):
    """The child ended; `how` says in words how. `hung`: it used up its CPU time."""

    def __init__(self, how: str, *, hung: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.hung = hung


class ChildHung(Exception):
    """The child did not answer in time."""


class ChildSlow(Exception):
    """The child made progress until the end of its total time."""


class Child:
    """A fresh interpreter that runs `main` of a module, with sockets and descriptors as its arguments. It ends with the
    thread that starts it (`confinement.die_with`). `held` says which measures the kernel enforces. `main` calls
    `loading.loaded` before it says that it is ready.

    `passed`: open descriptors that the child gets, between its connection and its lifeline; the caller closes its own.
    Raises `OSError` where the system has no process, memory or descriptor for it; then nothing stays behind.
    """

    def __init__(self, module: str, setup: dict[str, Any], passed: Sequence[int] = ()) -> None:
        with contextlib.ExitStack() as opened, contextlib.ExitStack() as given:
            ours, theirs = socket.socketpair()
            opened.enter_context(ours)
            self._messages = Messages(ours)
            given.enter_context(theirs)
            lifeline_read, lifeline = os.pipe()
            opened.callback(os.close, lifeline)
            given.callback(os.close, lifeline_read)
            self._process = _spawn(module, (theirs.fileno(), lifeline_read, *passed))
            self._opened = opened.pop_all()
        self._clock = SystemClock()
        self.ready = False
        self._closed = self._group_ended = False
        self.held: dict[str, bool] = {}
        # `parent` lets the child notice a parent that ended before `prctl` took effect.
        self.send(setup | {"parent": os.getpid()})

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        return not self._closed and self._exit_code() is None

    def cpu_s(self) -> float:
        """CPU seconds that the child has used, as the kernel counts them; 0 when it is gone."""
        with contextlib.suppress(OSError, psutil.Error):
            # Not psutil: this runs twice a cell, and psutil reads files for it.
            if sys.platform == "linux":
                return time.clock_gettime((~self.pid << 3) | 2)  # the id that clock_getcpuclockid(3) returns
            used = psutil.Process(self.pid).cpu_times()
            return used.user + used.system
        return 0.0

    def allow_cpu(self, more_s: float) -> None:
        """SIGXCPU ends the child after this much more CPU time. Linux only; elsewhere the wall-clock limits end it."""
        if sys.platform == "linux":
            # Only the soft limit moves. A hard limit, once lowered, could not be raised again.
            soft = min(int(self.cpu_s() + more_s) + 1, _MAX_CPU_S)
            with contextlib.suppress(OSError):  # the child is gone
                resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft, _MAX_CPU_S))

    def wait_ready(self) -> None:
        """Waits until the child has started. Raises `ChildDied` or `ChildHung`."""
        if not self.ready:
            answer = self.receive(START_TIMEOUT_S)
            if answer["kind"] != "ready":
                raise ChildDied(NONSENSE)
            self.held = {str(name): held is True for name, held in dict(answer["held"]).items()}
            self.ready = True

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message. Does nothing if the child is gone or does not read: `receive` still returns its earlier
        messages and then reports its end.
        """
        with contextlib.suppress(OSError):
            self._messages.send(message, SEND_TIMEOUT_S)

    def waits(self, timeout_s: float) -> bool:
        """Whether a message, or the child's end, is there to be received within this time."""
        return self._messages.wait(timeout_s)

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next message, complete within the timeout, with a `kind`. Raises `ChildDied` and `ChildHung`."""
        try:
            answer = self._messages.receive(timeout_s)
        except TimeoutError:
            raise ChildHung from None
        except (EOFError, OSError):
            raise self._death() from None
        except ValueError:
            raise ChildDied(NONSENSE) from None
        if not isinstance(answer.get("kind"), str):
            raise ChildDied(NONSENSE)
        return answer

    def follow(self, silence_s: float, cpu_s: float, longest_s: float) -> dict[str, Any]:
        """The next message that is not a progress report. Each report allows another `silence_s` and `cpu_s`, up to
        `longest_s` in total. Raises `ChildDied`, `ChildHung` and `ChildSlow`.
        """
        start_s = self._clock.monotonic_s()
        reports = 0
        while True:
            left_s = start_s + longest_s - self._clock.monotonic_s()
            try:
                answer = self.receive(min(silence_s, left_s))
            except ChildHung:
                raise ChildSlow if reports and left_s <= silence_s else ChildHung from None
            if answer["kind"] != "progress":
                return answer
            self.allow_cpu(cpu_s)
            reports += 1
            # Reports extend the child's time, so a child that sends more than its rate is not trusted.
            if reports > 1 + (self._clock.monotonic_s() - start_s) / REPORT_EVERY_S:
                raise ChildDied(NONSENSE)

    def close(self) -> None:
        """Kills the child and releases everything. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._end_group()  # first: a thread that waits for the child then sees the connection end
        self._process.kill()
        self._process.wait()
        self._opened.close()

    def _exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            self._end_group()
        return code

    def _end_group(self) -> None:
        """Kills everything that the child started. It leads its own process group, and the kernel does not reuse the
        group's number before the child is reaped.
        """
        if not self._group_ended:
            self._group_ended = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _death(self) -> ChildDied:
        # A closed pipe comes before the exit status. The wait bounds a child that closed it and lives on.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        code = self._exit_code()
        if code is None:
            return ChildDied("it closed its connection")
        if code < 0:
            name = signal.Signals(-code).name
            return ChildDied(f"killed by {name}", hung=-code == signal.SIGXCPU)
        return ChildDied(f"exit status {code}")


def _spawn(module: str, passed: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Starts the child. Not with `multiprocessing`: its children import the parent's main
    module and all its imports.
    """
    path = [str(Path(entry).absolute()) for entry in sys.path]
    command = [sys.executable, "-c", _BOOT, json.dumps(path), module, *(str(fd) for fd in passed)]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and code
        command,
        pass_fds=tuple(passed),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(os.environ),
        # Nothing under it keeps a mounted volume or a deleted folder busy.
        cwd="/",
        # Its own process group, so that it can be killed with everything that it started.
        start_new_session=True,
    )
