"""`make bench-long`: does memory grow with the length of the footage? Peaks over five minutes and over one hour of
1080p, each in a process of its own. Takes as long as an hour of footage takes.

    python -m benchmarks.memory_growth [--quick]   (one minute and four instead)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.footage import DECODE_CHILDREN, HD_FACTS, MODEL_THREADS, footage_dir, hd_clip
from benchmarks.harness import MEMORY_KIND, Report, measured
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.warm import warm_topology

PART = "--seconds"


def peak_bytes(seconds: int) -> int:
    """Of a fresh process tree, from its start to the last acknowledgement."""
    command = [sys.executable, "-m", "benchmarks.memory_growth", PART, str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.splitlines()[-1])


def one(seconds: int) -> None:
    path = hd_clip(seconds)
    with (
        tempfile.TemporaryDirectory() as folder,
        measured() as cost,
        warm_topology(Path(folder), hd_clip(), footage_dir()) as topology,
    ):
        topology.ingest(path, "memory", "full")
        topology.settle()
    print(cost.peak_bytes)


def measure(rounds: int) -> Report:
    short_s, long_s = (300, 3600) if rounds == ROUNDS else (60, 240)
    report = Report(
        f"Peak memory of the process tree by length ({MEMORY_KIND}, full, {HD_FACTS}, {DECODE_CHILDREN} decode "
        f"children, {MODEL_THREADS} model threads)"
    )
    short, long = (peak_bytes(seconds) for seconds in (short_s, long_s))
    report.add(f"{short_s} s", short / 2**20, "MiB")
    report.add(f"{long_s} s", long / 2**20, "MiB", limit="at most 1.2x", note=f"{long / short:.2f}x")
    return report


if __name__ == "__main__":
    if sys.argv[1:2] == [PART]:
        one(int(sys.argv[2]))
    else:
        rounds = rounds_wanted(__doc__)
        measure(rounds).publish("memory_growth", rounds)
