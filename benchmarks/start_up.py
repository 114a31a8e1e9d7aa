"""What does it cost to begin? A clip of 0.12 s from start to exit, a search in a process of its own, and a warm process
that waits for work.

    python -m benchmarks.start_up [--quick]
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.footage import DECODE_CHILDREN, MODEL_THREADS, cache, footage_dir, hd_clip
from benchmarks.harness import Cost, Report, measured
from benchmarks.options import rounds_wanted
from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import rushes
from benchmarks.warm import warm_topology
from stream.clock import SystemClock

CLIP_S = 0.12
WORDS = "a rabbit in a meadow"
RUNS = 3
"""In each round."""
IDLE_S = 10.0
_NEVER_S = 600.0


def measure(rounds: int) -> Report:
    report = Report(
        f"What it costs to begin: processes from start to exit, real weights, median of {RUNS * rounds}; and a warm "
        f"process without work ({DECODE_CHILDREN} decode children, {MODEL_THREADS} model threads, {IDLE_S:.0f} s)"
    )
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", seconds=CLIP_S, size=(1280, 720), scenes=1).path
        states = [Path(folder) / f"state-{number}" for number in range(RUNS * rounds)]
        whole = [_cost(state, "ingest", clip) for state in states]
        searched = [_cost(state, "search", WORDS) for state in states]
    _add(report, f"a clip of {CLIP_S} s, ingested into an empty state", whole, cpu_s=4, wall_s=3)
    _add(report, "a search by words", searched, cpu_s=1.2, wall_s=1.0)
    with tempfile.TemporaryDirectory() as folder, warm_topology(Path(folder), hd_clip(), footage_dir()):
        with measured() as idle:
            SystemClock().sleep(IDLE_S)
        report.add("warm and without work, CPU-s a second", idle.cpu_s / idle.wall_s, "s", limit="at most 0.02 s")
    return report


def _cost(state: Path, *command: object) -> Cost:
    """Raises `RuntimeError` for a command that failed: what it cost says nothing."""
    # Without looks at its memory: each stops a process for as long as it takes, and this one runs for a second.
    with measured(interval_s=_NEVER_S) as cost:
        done = rushes(state, *command, cache=cache().directory)
    if done.code:
        raise RuntimeError(f"exit code {done.code}: {done.err[-2000:]}")
    return cost


def _add(report: Report, name: str, costs: Sequence[Cost], *, cpu_s: float, wall_s: float) -> None:
    for what, most_s, taken_s in (
        ("CPU-s", cpu_s, [cost.cpu_s for cost in costs]),
        ("wall", wall_s, [cost.wall_s for cost in costs]),
    ):
        spread = f"{min(taken_s):.2f} to {max(taken_s):.2f} s"
        report.add(f"{name}: {what}", median(taken_s), "s", limit=f"at most {most_s} s", note=spread)


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("start_up", rounds)
