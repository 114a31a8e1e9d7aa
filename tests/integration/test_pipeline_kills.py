"""kill -9 at random instants of an ingest, over and over: nothing is lost, nothing is there twice, no work that was
durable is done again.
"""

import random
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sinks.verify import verify
from stream.cli.live import STAGES
from stream.events.ids import Order
from tests.clips import write_clip
from tests.pipeline import (
    Finished,
    StoredRows,
    assert_all_gone,
    assert_same_rows,
    cells_written,
    descendants,
    finish,
    ingest,
    start,
    stored_rows,
)

SEED = 20_261_124
SECONDS = 600
KILLS = 20
CELL_S = 10


@dataclass(frozen=True, slots=True)
class Footage:
    clip: Path
    rows: StoredRows


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Ten minutes, and the rows of a run that nobody disturbed."""
    root = tmp_path_factory.mktemp("footage")
    clip = write_clip(root / "long.mp4", seconds=SECONDS, fps=2, scenes=80, gop=20, size=(64, 48))
    done = ingest(root / "state", clip.path)
    assert done.code == 0
    assert done.document["decoded_s"] == SECONDS
    return Footage(clip.path, stored_rows(root / "state"))


def told(log: Path) -> dict[str, int]:
    """Video seconds by stage as the last progress line has them; empty before there is one."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("of ")]
    if not lines:
        return {}
    return {stage: int(seconds) for stage, seconds in re.findall(r"([a-z]+) (\d+)", lines[-1]) if stage in STAGES}


def ended(process: subprocess.Popen[str], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


@dataclass(slots=True)
class Ordeal:
    """One state directory through as many kills as it takes. `decoded_s` is what all runs of it told."""

    state: Path
    clip: Path
    rng: random.Random
    kills: int = 0
    decoded_s: float = 0.0
    durable: set[tuple[int, Order]] = field(default_factory=set)

    def run(self) -> Finished | None:
        """A run, killed somewhere in its work (None), or finished before the instant had come."""
        log = self.state.parent / f"{self.state.name}.log"
        process = start(self.state, "ingest", self.clip, "--light", "--json", "--every", 0, "--span", 20, log=log)
        stage, goal_s = self.rng.choice(STAGES), CELL_S * self.rng.randint(0, 12)
        delay_s = self.rng.uniform(0.0, 0.15)
        while told(log).get(stage, -1) < goal_s:
            if ended(process, 0.01):
                return finish(process)
        if ended(process, delay_s):
            return finish(process)
        family = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        self._buried(finish(process), log)
        assert_all_gone(family)
        return None

    def _buried(self, dead: Finished, log: Path) -> None:
        assert dead.code == -signal.SIGKILL
        self.kills += 1
        self.decoded_s += told(log)["decode"]
        written = cells_written(self.state)
        assert self.durable <= written, "what was durable is lost or was done again"
        self.durable = written

    def end(self, done: Finished, expected: StoredRows) -> None:
        """The run that nobody killed has done the rest and nothing else."""
        assert done.code == 0, done.err
        assert [asset["status"] for asset in done.document["assets"]] == ["ready"]
        assert done.document["decoded_s"] == SECONDS - CELL_S * len(self.durable)
        assert self.durable <= cells_written(self.state), "what was durable was done again"
        assert_same_rows(stored_rows(self.state), expected)
        assert verify(self.state / "lancedb", self.state / "parquet").agrees
        self.decoded_s += done.document["decoded_s"]


@pytest.mark.timeout(600)
def test_kills_at_random_instants_lose_nothing_and_double_nothing(
    footage: Footage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    ordeals: list[Ordeal] = []
    kills = 0
    while kills < KILLS:
        ordeal = Ordeal(tmp_path / f"state-{len(ordeals)}", footage.clip, rng)
        ordeals.append(ordeal)
        while (done := ordeal.run() if kills < KILLS else None) is None and kills < KILLS:
            kills += 1
        ordeal.end(done or ingest(ordeal.state, footage.clip), footage.rows)
    again_s = sum(ordeal.decoded_s for ordeal in ordeals) - SECONDS * len(ordeals)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kills} kills over {len(ordeals)} ingests of {SECONDS} s: {again_s / kills:.0f} s were in flight at a"
            f" kill and decoded again, {again_s / (SECONDS * len(ordeals)):.0%} of the footage\n"
        )
    assert kills == sum(ordeal.kills for ordeal in ordeals) >= KILLS
