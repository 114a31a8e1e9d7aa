"""kill -9 of a whole `rushes ingest` at random instants of its work, as often as it takes."""

import random
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.testbed.runs import Finished, assert_all_gone, cells_written, descendants, finish, start
from stream.events.grid import SEGMENT_NS
from stream.events.ids import Order
from stream.pipelines.stages import DECODE, INDEX, PARQUET, UNDERSTAND

STAGES = (DECODE, UNDERSTAND, INDEX, PARQUET)


@dataclass(frozen=True, slots=True)
class Work:
    """What is ingested, with which options, and how long it is: a multiple of a cell, or the last one counts whole."""

    clip: Path
    options: tuple[object, ...]
    length_s: float
    cell_s: float = SEGMENT_NS / 1e9


@dataclass(slots=True)
class Ordeal:
    """One state directory. `decoded_s` is what all its runs told, `in_flight_s` what each kill cost."""

    state: Path
    work: Work
    rng: random.Random
    decoded_s: float = 0.0
    in_flight_s: list[float] = field(default_factory=list)
    durable: set[tuple[int, Order]] = field(default_factory=set)

    @property
    def kills(self) -> int:
        return len(self.in_flight_s)

    @property
    def _log(self) -> Path:
        return self.state.parent / f"{self.state.name}.log"

    def run(self, *, kill: bool = True) -> bool:
        """A run, killed somewhere in its work unless it is over before the instant has come; whether it finished.

        The instant: a random stage has told of a random share of the footage, and then a random moment.
        """
        options = (*self.work.options, "--json", "--every", 0)
        process = start(self.state, "ingest", self.work.clip, *options, log=self._log)
        stage, goal_s = self.rng.choice(STAGES), self.rng.uniform(0.0, 0.2 * self.work.length_s)
        moment_s = self.rng.uniform(0.0, 0.15)
        while not kill or told(self._log).get(stage, -1) < goal_s:
            if _ended(process, 0.01 if kill else 3600):
                return self._finished(finish(process))
        if _ended(process, moment_s):
            return self._finished(finish(process))
        family = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        assert finish(process).code == -signal.SIGKILL
        assert_all_gone(family)
        self._killed()
        return False

    def _killed(self) -> None:
        written = cells_written(self.state)
        assert self.durable <= written, "what was durable is lost or was done again"
        decoded_s = told(self._log)["decode"]
        self.in_flight_s.append(max(0.0, decoded_s - self.work.cell_s * len(written - self.durable)))
        self.decoded_s += decoded_s
        self.durable = written

    def _finished(self, done: Finished) -> bool:
        """The run that nobody killed has done the rest and nothing else."""
        assert done.code == 0, self._log.read_text()
        assert [asset["status"] for asset in done.document["assets"]] == ["ready"]
        rest_s = self.work.length_s - self.work.cell_s * len(self.durable)
        assert abs(done.document["decoded_s"] - max(0.0, rest_s)) <= self.work.cell_s
        assert self.durable <= cells_written(self.state), "what was durable was done again"
        self.decoded_s += done.document["decoded_s"]
        return True


def told(log: Path) -> dict[str, int]:
    """Video seconds by stage as the last progress line has them; empty before there is one."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("of ")]
    found = re.findall(r"([a-z]+) (\d+)", lines[-1]) if lines else []
    return {stage: int(seconds) for stage, seconds in found if stage in STAGES}


def _ended(process: subprocess.Popen[str], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True
