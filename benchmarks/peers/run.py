"""`make bench-peers`: the same files, tagger, runtime and output through a plain script, Daft, Ray Data and rushes.

Each in an environment and process of its own, from start to exit, in turns. Settings for two cores: plain and Daft two
processes with one ONNX Runtime thread each; Ray two CPUs, one actor with two threads; rushes two decode children and
two model threads. One decoder thread each, except Ray's reader in `full`, which has no such setting.
    python -m benchmarks.peers.run [--quick]
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from benchmarks.footage import HD_FACTS, hd_clip
from benchmarks.harness import MEMORY_KIND, Cost, Report, in_rounds, median_cpu_s, median_wall_s
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.peers.environments import ROOT, python_of, tagger

PROFILES = ("full", "fast")
FILES = 4
TIMEOUT_S = 1800.0
_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Peer:
    """`environment` None: rushes' own."""

    module: str
    environment: str | None
    note: str = ""


PEERS: Mapping[str, Peer] = {
    "plain script": Peer("plain", "plain"),
    "Daft": Peer("daft_frames", "daft"),
    "Ray Data": Peer("ray_frames", "ray"),
    "rushes": Peer("rushes_topology", None, "also: dense view (full), sandbox, vectors, thumbnails, index, ledgers"),
}


def measure(rounds: int) -> Report:
    file_s = 150 if rounds == ROUNDS else 20
    model, pythons = tagger(), {name: _python(peer) for name, peer in PEERS.items()}
    report = Report(
        f"The same footage through other engines ({FILES} files of {file_s} s, {HD_FACTS}, EfficientNet-Lite0 through "
        f"ONNX Runtime, from start to exit, median of {rounds})"
    )
    _adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        clip, files = hd_clip(file_s), [Path(folder) / f"{number}.mp4" for number in range(FILES)]
        for file in files:
            shutil.copyfile(clip, file)
        for profile in PROFILES:
            outs = {name: Path(folder) / f"{profile}-{name}" for name in PEERS}
            jobs = {
                name: partial(
                    _run, pythons[name], peer.module, [profile, str(model), str(outs[name]), *map(str, files)]
                )
                for name, peer in PEERS.items()
            }
            costs = in_rounds(jobs, rounds)
            _add(report, profile, costs, {name: _frames(out) for name, out in outs.items()}, FILES * file_s)
    return report


def _python(peer: Peer) -> Path:
    return Path(sys.executable) if peer.environment is None else python_of(peer.environment)


def _run(python: Path, module: str, arguments: Sequence[str]) -> None:
    out = Path(arguments[2])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [str(python), "-m", f"benchmarks.peers.{module}", *arguments]
    environment = {"HOME": str(Path.home()), "PATH": os.environ["PATH"], "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed ({done.returncode}):\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    with suppress(ChildProcessError):  # what it started and left; the system counts their time with their end
        while True:
            os.wait()


def _adopt_orphans() -> None:
    """Processes that outlive their parent become ours, so that their CPU time is seen. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _frames(out: Path) -> int:
    """Frames that were tagged: rows, or what rushes says a moment was made of."""
    table = pq.read_table(out)
    return sum(table["frames"].to_pylist()) if "frames" in table.column_names else table.num_rows


def _add(
    report: Report, profile: str, costs: Mapping[str, Sequence[Cost]], frames: Mapping[str, int], video_s: float
) -> None:
    plain = costs["plain script"]
    for name, peer in PEERS.items():
        mine = costs[name]
        ratio = median(one.cpu_s / other.cpu_s for one, other in zip(mine, plain, strict=True))
        wall = median(one.wall_s / other.wall_s for one, other in zip(mine, plain, strict=True))
        report.add(
            f"{profile}: {name}, CPU-s per video-second",
            median_cpu_s(mine) / video_s,
            "s",
            limit=f"{ratio:.2f}x the plain script",
            note=f"{frames[name]} frames tagged",
        )
        report.add(f"{profile}: {name}, wall", median_wall_s(mine), "s", limit=f"{wall:.2f}x", note=peer.note)
        report.add(
            f"{profile}: {name}, peak memory", max(cost.peak_bytes for cost in mine) / 2**20, "MiB", limit=MEMORY_KIND
        )


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("peers", rounds)
