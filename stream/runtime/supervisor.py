"""Runs worker processes on one machine: the wanted number for each stage within a limit, drained and cleaned up."""

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from stream.clock import Clock
from stream.topology.stage import RetryPolicy
from stream.worker.retries import ceiling_s

_log = logging.getLogger(__name__)
SETTLED_S = 30.0
"""After a process that lived this long, the series of deaths counts from one again."""


def allotted(desired: Mapping[str, int], max_processes: int) -> dict[str, int]:
    """The processes for each stage, at most `max_processes` in total. Each stage that wants any gets one, in order.
    Then the stage with the smallest share of its wish gets one more, repeatedly.
    """
    given = dict.fromkeys(desired, 0)
    for _ in range(min(max_processes, sum(desired.values()))):
        short = [stage for stage in desired if given[stage] < desired[stage]]
        # A stage without a process comes first: a line of stages is as slow as its empty one.
        given[min(short, key=lambda stage: (given[stage] > 0, given[stage] / desired[stage]))] += 1
    return given


@dataclass(slots=True)
class _Stage:
    """The processes of a stage: `running` (oldest first, with start times) and `ending` (with kill times)."""

    running: list[tuple[subprocess.Popen[bytes], float]] = field(default_factory=list)
    ending: list[tuple[subprocess.Popen[bytes], float]] = field(default_factory=list)
    deaths: int = 0
    not_before_s: float = 0.0


class Fleet:
    """Use as a context manager: leaving drains everything. `command` gives a stage's command line. `step()` starts and
    ends processes towards the wanted numbers. A process that dies is replaced after a delay that doubles with every
    death. A process that does not end within `drain_s` after SIGTERM is killed with its children.
    """

    def __init__(
        self,
        command: Callable[[str], Sequence[str]],
        clock: Clock,
        *,
        max_processes: int,
        drain_s: float = 30.0,
        backoff: RetryPolicy = RetryPolicy(base_delay_s=1.0, max_delay_s=60.0),  # noqa: B008 - frozen
    ) -> None:
        self._command = command
        self._clock = clock
        self._max_processes = max_processes
        self._drain_s = drain_s
        self._backoff = backoff
        self._stages: dict[str, _Stage] = {}
        self._wanted: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wanted = {}
        self.step()
        while any(stage.ending for stage in self._stages.values()):
            self._clock.sleep(0.05)
            self.step()

    def want(self, desired: Mapping[str, int]) -> None:
        """Sets the wanted processes by stage, from the next step."""
        self._wanted = allotted(desired, self._max_processes)

    def running(self) -> dict[str, list[int]]:
        """Process ids of the running processes by stage."""
        return {name: [process.pid for process, _ in stage.running] for name, stage in self._stages.items()}

    def step(self) -> None:
        now_s = self._clock.monotonic_s()
        for name in {**self._wanted, **self._stages}:
            stage = self._stages.setdefault(name, _Stage())
            self._reap(name, stage, now_s)
            self._end_surplus(stage, self._wanted.get(name, 0), now_s)
        # After every stage has ended its surplus: what is ending still takes room.
        for name, wanted in self._wanted.items():
            self._start_missing(name, self._stages[name], wanted, now_s)

    def _reap(self, name: str, stage: _Stage, now_s: float) -> None:
        for process, started_s in [it for it in stage.running if it[0].poll() is not None]:
            stage.running.remove((process, started_s))
            stage.deaths = 1 if now_s - started_s >= SETTLED_S else stage.deaths + 1
            # A process that dies at once would else be started in a tight loop.
            stage.not_before_s = now_s + ceiling_s(self._backoff, stage.deaths)
            _log.warning("autoscale: a worker of %s ended with %s", name, process.returncode)
            _kill_group(process)  # children that it left behind
        for process, give_up_s in list(stage.ending):
            if process.poll() is not None:
                _kill_group(process)
                stage.ending.remove((process, give_up_s))
            elif now_s >= give_up_s:
                _kill_group(process)

    def _end_surplus(self, stage: _Stage, wanted: int, now_s: float) -> None:
        while len(stage.running) > wanted:
            process, _ = stage.running.pop()
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            stage.ending.append((process, now_s + self._drain_s))

    def _start_missing(self, name: str, stage: _Stage, wanted: int, now_s: float) -> None:
        while len(stage.running) < wanted and now_s >= stage.not_before_s and self._room():
            # Its own session: a Ctrl-C at the terminal reaches only this process, which drains the others.
            process = subprocess.Popen(self._command(name), stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
            stage.running.append((process, now_s))
            _log.info("autoscale: started a worker of %s", name)

    def _room(self) -> bool:
        """Whether another process may start. Processes that are ending count: they still use memory."""
        return sum(len(it.running) + len(it.ending) for it in self._stages.values()) < self._max_processes


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # Nobody may be left in the group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
