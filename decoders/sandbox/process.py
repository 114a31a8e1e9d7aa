"""The parent's side of one decode child: start, talk, time out, kill. Not thread-safe: one user at a time."""

import contextlib
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from decoders.sandbox.child import SLOT_BYTES, SLOTS
from decoders.sandbox.confinement import environment
from decoders.sandbox.messages import Messages
from decoders.sandbox.parent_source import SourceServer
from decoders.sources.counting_source import REPORT_EVERY_S
from decoders.sources.policy import SourcePolicy
from stream.clock import SystemClock

START_TIMEOUT_S = 120.0
SEND_TIMEOUT_S = 10.0
"""A child at rest reads at once, and a busy one gets less than its socket holds."""
NONSENSE = "it sent nonsense"
WORN_OUT_CPU_S = 3600.0
"""A child that has computed for so long is replaced when it rests."""
_MOST_CPU_S = 6 * 3600
"""What none may exceed, whatever it was allowed for one request: the hard limit."""
_BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from decoders.sandbox.child import main
main(*map(int, sys.argv[2:]))
"""


class ChildDied(Exception):
    """The child is gone; says how, in words. `hung` when it used up its CPU time."""

    def __init__(self, how: str, *, hung: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.hung = hung


class ChildHung(Exception):
    """The child did not answer in time."""


class ChildSlow(Exception):
    """The child progressed to the last, but its time for all of it is over."""


class ChildProcess:
    """A fresh interpreter with its own slab of memory, which this side owns: nothing is left when the child dies.

    It ends with the thread that makes it (`confinement.die_with`). `held` is what the kernel refuses it.

    Raises `OSError` where the system has no process, memory or descriptor for one; nothing is left then, either.
    """

    def __init__(self, setup: dict[str, Any], policy: SourcePolicy) -> None:
        with contextlib.ExitStack() as opened, contextlib.ExitStack() as passed:
            slab_fd = anonymous_memory(SLOTS * SLOT_BYTES)
            opened.callback(os.close, slab_fd)
            self._slab = opened.enter_context(mmap.mmap(slab_fd, SLOTS * SLOT_BYTES, prot=mmap.PROT_READ))
            ours, theirs = socket.socketpair()
            opened.enter_context(ours)
            self._messages = Messages(ours)
            passed.enter_context(theirs)
            source, asked = socket.socketpair()
            passed.enter_context(asked)
            given = opened.enter_context(contextlib.ExitStack())
            given.enter_context(source)
            lifeline_read, lifeline = os.pipe()
            opened.callback(os.close, lifeline)
            passed.callback(os.close, lifeline_read)
            self._process = _spawn((theirs.fileno(), asked.fileno(), lifeline_read, slab_fd))
            given.pop_all()  # the server closes it
            self._sources = SourceServer(source, policy)
            self._opened = opened.pop_all()
        self._clock = SystemClock()
        self.ready = False
        self._closed = self._group_ended = False
        self.held: dict[str, bool] = {}
        self.last_uri = ""
        self.busy = False
        self.send(setup | {"parent": os.getpid()})

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        return not self._closed and self._exit_code() is None

    @property
    def worn_out(self) -> bool:
        return self.cpu_s() > WORN_OUT_CPU_S

    def serve(self, uri: str) -> None:
        """Its next request is for this source."""
        self.last_uri = uri
        self._sources.serve(uri)

    def cpu_s(self) -> float:
        """CPU time that it has used, as the kernel counts it. 0 when it is gone."""
        with contextlib.suppress(OSError, psutil.Error):
            if sys.platform == "linux":
                return time.clock_gettime((~self.pid << 3) | 2)  # its clock, as clock_getcpuclockid(3) makes it
            used = psutil.Process(self.pid).cpu_times()
            return used.user + used.system
        return 0.0

    def allow_cpu(self, more_s: float) -> None:
        """SIGXCPU ends it when it has used this much more CPU time. Linux only; elsewhere other limits end it."""
        if sys.platform == "linux":
            soft = min(int(self.cpu_s() + more_s) + 1, _MOST_CPU_S)
            with contextlib.suppress(OSError):  # gone
                resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft, _MOST_CPU_S))

    def wait_ready(self) -> None:
        """Raises `ChildDied` or `ChildHung` if it does not come up."""
        if not self.ready:
            answer = self.receive(START_TIMEOUT_S)
            if answer["kind"] != "ready":
                raise ChildDied(NONSENSE)
            self.held = {str(name): held is True for name, held in dict(answer["held"]).items()}
            self.ready = True

    def rest(self, timeout_s: float) -> None:
        """Up, and through with what it was asked before: of a span that was given up, the frames that were on their way
        come first, at most as many as there are slots. Raises `ChildDied` and `ChildHung`.
        """
        self.wait_ready()
        deadline_s = self._clock.monotonic_s() + timeout_s
        for _ in range(SLOTS + 1):
            if self.busy:
                self.busy = self.receive(deadline_s - self._clock.monotonic_s())["kind"] == "frames"
        if self.busy or self._messages.pending():
            raise ChildDied(NONSENSE)

    def send(self, message: dict[str, Any]) -> None:
        """To a child that is gone or does not read, nothing: what it said before is still to be read, and its end is
        seen then.
        """
        with contextlib.suppress(OSError):
            self._messages.send(message, SEND_TIMEOUT_S)

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next message, whole within the time, with its `kind`. Raises `ChildDied` and `ChildHung`."""
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
        """The next message that is no report of progress; each report grants another silence and as much CPU time,
        within the longest time. Raises `ChildDied`, `ChildHung` and `ChildSlow`.
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
            if reports > 1 + (self._clock.monotonic_s() - start_s) / REPORT_EVERY_S:
                raise ChildDied(NONSENSE)

    def pixels(self, offset: int, size: int) -> bytes:
        """A copy of what the child wrote. A size or place that cannot be true counts as its death."""
        if offset not in range(0, SLOTS * SLOT_BYTES, SLOT_BYTES) or not 0 < size <= SLOT_BYTES:
            raise ChildDied(NONSENSE)
        return self._slab[offset : offset + size]

    def close(self) -> None:
        """Kill it and release everything. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._end_group()  # first: whoever waits for it then sees the connection end
        self._process.kill()
        self._process.wait()
        self._sources.close()
        self._opened.close()

    def _exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            self._end_group()
        return code

    def _end_group(self) -> None:
        """Whatever it started. It leads a group of its own, whose number is nobody else's while it is not forgotten."""
        if not self._group_ended:
            self._group_ended = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _death(self) -> ChildDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        code = self._exit_code()
        if code is None:
            return ChildDied("it closed its connection")
        if code < 0:
            name = signal.Signals(-code).name
            return ChildDied(f"killed by {name}", hung=-code == signal.SIGXCPU)
        return ChildDied(f"exit status {code}")


def _spawn(passed: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Not `multiprocessing`: its children import the parent's main module again, with all that it imports."""
    path = [str(Path(entry).absolute()) for entry in sys.path]
    command = [sys.executable, "-c", _BOOT, json.dumps(path), *(str(fd) for fd in passed)]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and code
        command,
        pass_fds=tuple(passed),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(os.environ),
        cwd="/",
        start_new_session=True,
    )


def anonymous_memory(size_bytes: int) -> int:
    """A file descriptor of memory without a name, gone with its last user. Nobody can make it smaller: reading what is
    no longer there would end this process.
    """
    sealed = hasattr(os, "memfd_create")
    if sealed:
        fd = os.memfd_create("rushes-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, size_bytes)
        if sealed:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(fd)
        raise
    return fd
