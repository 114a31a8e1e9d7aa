"""What does the whole topology cost, beside bare decode and bare networks over the same footage? And its peak memory?

python -m benchmarks.topology_cost [--quick]
"""

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.bare_models import BareNetworks, Inputs
from benchmarks.bundle_cost import opened_bundle
from benchmarks.decode_cost import bare_fast, bare_full
from benchmarks.footage import DECODE_CHILDREN, MODEL_THREADS, decoded, long_clip, short_clip
from benchmarks.harness import Cost, Report, cpu_ratio, in_rounds, measured, median_cpu_s, median_wall_s
from benchmarks.options import rounds_wanted
from benchmarks.warm import WarmTopology, warm_topology
from decoders.sandbox import DecodePool
from stream.clock import SystemClock
from stream.events.asset import Profile
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS

VIDEO_S = 60.0
IDLE_S = 3.0
PROFILES: tuple[Profile, ...] = ("full", "fast")
BARE_DECODE: Mapping[Profile, Callable[[Path], None]] = {"full": bare_full, "fast": bare_fast}


def measure(rounds: int) -> Report:
    report = Report(
        f"The whole topology beside bare decode plus bare networks ({DECODE_CHILDREN} decode children, {MODEL_THREADS} "
        f"model threads, warm, 1280x720 H.264 of about {VIDEO_S:.0f} s, median of {rounds})"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = long_clip(Path(folder), VIDEO_S)
        with measured() as start, warm_topology(Path(folder), short_clip()) as topology:
            _memory_and_idle(report, topology, path, start)
            _profiles(report, topology, path, rounds)
    return report


def _memory_and_idle(report: Report, topology: WarmTopology, path: Path, start: Cost) -> None:
    """Before anything of the bare loops is loaded into this process."""
    with measured() as cost:
        topology.ingest(path, "memory", "full")
    topology.settle()
    peak = max(cost.peak_rss_bytes, start.peak_rss_bytes)
    report.add(
        "peak memory of the process tree, full",
        peak / 2**20,
        "MiB",
        limit="sum of RSS, shared pages counted in each process",
    )
    with measured() as idle:
        SystemClock().sleep(IDLE_S)
    report.add("idle and warm, CPU-s per second", idle.cpu_s / idle.wall_s, "s", limit="0")


def _profiles(report: Report, topology: WarmTopology, path: Path, rounds: int) -> None:
    pool, bare, bundle = topology.understanding.pool, BareNetworks(), opened_bundle()
    for profile in PROFILES:
        cells = decoded(pool, path, profile)
        inputs = Inputs.of(cells)
        numbers = itertools.count()
        costs = in_rounds(
            {
                "topology": lambda: _ingested(topology, path, f"{profile}-{next(numbers)}", profile),  # noqa: B023 - called within the turn
                "bare decode": lambda: BARE_DECODE[profile](path),  # noqa: B023
                "bare networks": lambda: bare.all(inputs),  # noqa: B023
            },
            rounds,
        )
        inside = in_rounds(
            {
                "decode": lambda: _through(pool, path, profile),  # noqa: B023
                "understand": lambda: bundle.annotate(cells, epoch_ms=1),  # noqa: B023
            },
            1,
        )
        _add(report, profile, cells, costs, inside)


def _add(
    report: Report,
    profile: Profile,
    cells: Sequence[Frames],
    costs: Mapping[str, Sequence[Cost]],
    inside: Mapping[str, Sequence[Cost]],
) -> None:
    video_s = cells[0].span.media.duration_ns / SECOND_NS
    bare_decode_s, networks_s = median_cpu_s(costs["bare decode"]), median_cpu_s(costs["bare networks"])
    topology_s = median_cpu_s(costs["topology"])
    report.add(
        f"{profile}: topology, CPU-s per video-second",
        topology_s / video_s,
        "s",
        limit=f"bare decode {bare_decode_s / video_s:.4g} s + networks {networks_s / video_s:.4g} s",
        note=f"{cpu_ratio(costs, 'topology', 'bare decode', 'bare networks'):.2f}x the sum",
    )
    report.add(
        f"{profile}: topology, wall-s per video-second",
        median_wall_s(costs["topology"]) / video_s,
        "s",
        limit="1 is real time",
        note=f"{sum(len(cell.samples) for cell in cells)} samples, {len(cells)} cells",
    )
    decode_s, understand_s = median_cpu_s(inside["decode"]), median_cpu_s(inside["understand"])
    report.add(
        f"{profile}: of which decode in its children",
        decode_s / video_s,
        "s",
        limit=f"bare {bare_decode_s / video_s:.4g} s",
    )
    report.add(
        f"{profile}: of which the bundle", understand_s / video_s, "s", limit=f"bare {networks_s / video_s:.4g} s"
    )
    per_cell_ms = 1000 * (topology_s - decode_s - understand_s) / len(cells)
    report.add(
        f"{profile}: the rest (plan, broker, workers, sinks)",
        (topology_s - decode_s - understand_s) / video_s,
        "s",
        note=f"a difference of figures: noisy; {per_cell_ms:.3g} CPU-ms a cell",
    )


def _ingested(topology: WarmTopology, path: Path, asset_id: str, profile: Profile) -> None:
    topology.ingest(path, asset_id, profile)
    topology.settle()


def _through(pool: DecodePool, path: Path, profile: Profile) -> None:
    decoded(pool, path, profile)


if __name__ == "__main__":
    found = measure(rounds_wanted(__doc__))
    found.show()
    found.write("topology_cost")
