"""What does the whole topology cost, beside bare decode and bare networks over the same footage? And how busy are the
cores meanwhile?

    python -m benchmarks.topology_cost [--quick]
"""

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.bare_models import BareNetworks, Inputs
from benchmarks.bundle_cost import opened_bundle
from benchmarks.decode_cost import bare_fast, bare_full
from benchmarks.footage import DECODE_CHILDREN, HD_FACTS, MODEL_THREADS, decoded, footage_dir, hd_clip
from benchmarks.harness import MEMORY_KIND, Cost, Report, cpu_ratio, in_rounds, measured, median_cpu_s, median_wall_s
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.warm import WarmTopology, warm_topology
from stream.clock import SystemClock
from stream.events.asset import Profile
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS

CORES = 2
IDLE_S = 3.0
PROFILES: tuple[Profile, ...] = ("full", "fast")
BARE_DECODE: Mapping[Profile, Callable[[Path], None]] = {"full": bare_full, "fast": bare_fast}
Costs = Mapping[str, Sequence[Cost]]


def measure(rounds: int) -> Report:
    """The bare loops do a part of the footage, which repeats itself, and are scaled."""
    video_s, part_s = (600, 120) if rounds == ROUNDS else (120, 60)
    report = Report(
        f"The whole topology beside bare decode plus bare networks ({DECODE_CHILDREN} decode children, {MODEL_THREADS} "
        f"model threads, warm, {HD_FACTS}, {video_s} s, the bare loops over {part_s} s and scaled, median of {rounds})"
    )
    path, part = hd_clip(video_s), hd_clip(part_s)
    with (
        tempfile.TemporaryDirectory() as folder,
        measured() as start,
        warm_topology(Path(folder), hd_clip(), footage_dir()) as topology,
    ):
        _memory_and_idle(report, topology, part, start)
        for profile in PROFILES:
            _profile(report, topology, path, part, profile, rounds)
    return report


def _memory_and_idle(report: Report, topology: WarmTopology, path: Path, start: Cost) -> None:
    """Before anything of the bare loops is loaded into this process."""
    with measured() as cost:
        ingested(topology, path, "memory", "full")
    peak = max(cost.peak_bytes, start.peak_bytes)
    report.add("peak memory of the process tree, full", peak / 2**20, "MiB", limit=MEMORY_KIND)
    with measured() as idle:
        SystemClock().sleep(IDLE_S)
    report.add("idle and warm, CPU-s per second", idle.cpu_s / idle.wall_s, "s", limit="0")


def _profile(report: Report, topology: WarmTopology, path: Path, part: Path, profile: Profile, rounds: int) -> None:
    pool, bare, bundle = topology.understanding.pool, BareNetworks(), opened_bundle()
    cells = decoded(pool, part, profile)
    inputs = Inputs.of(cells)
    numbers = itertools.count()
    costs = in_rounds(
        {
            "topology": lambda: ingested(topology, path, f"{profile}-{next(numbers)}", profile),
            "bare decode": lambda: BARE_DECODE[profile](part),
            "bare networks": lambda: bare.all(inputs),
            "decode": lambda: decoded(pool, part, profile),
            "understand": lambda: bundle.annotate(cells, epoch_ms=1),
        },
        rounds,
    )
    _add(report, profile, cells, costs, pool.inspect(str(path)).media.duration_ns / SECOND_NS)


def _add(report: Report, profile: Profile, cells: Sequence[Frames], costs: Costs, video_s: float) -> None:
    part_s = cells[0].span.media.duration_ns / SECOND_NS
    bare_decode_s, networks_s = (median_cpu_s(costs[name]) / part_s for name in ("bare decode", "bare networks"))
    topology_s = median_cpu_s(costs["topology"]) / video_s
    ratio = cpu_ratio(costs, "topology", "bare decode", "bare networks", scale=video_s / part_s)
    report.add(
        f"{profile}: topology, CPU-s per video-second",
        topology_s,
        "s",
        limit=f"bare decode {bare_decode_s:.4g} s + networks {networks_s:.4g} s",
        note=f"{ratio:.2f}x the sum",
    )
    busy = median(CORES * cost.wall_s / cost.cpu_s for cost in costs["topology"])
    report.add(
        f"{profile}: topology, wall-s per video-second",
        median_wall_s(costs["topology"]) / video_s,
        "s",
        limit=f"CPU-s over {CORES} cores {topology_s / CORES:.4g} s",
        note=f"{busy:.2f}x",
    )
    decode_s, understand_s = (median_cpu_s(costs[name]) / part_s for name in ("decode", "understand"))
    report.add(f"{profile}: of which decode in its children", decode_s, "s", limit=f"bare {bare_decode_s:.4g} s")
    report.add(f"{profile}: of which the bundle", understand_s, "s", limit=f"bare {networks_s:.4g} s")
    rest_s = topology_s - decode_s - understand_s
    cells_per_s = len(cells) / part_s
    report.add(
        f"{profile}: the rest (plan, broker, workers, sinks)",
        rest_s,
        "s",
        note=f"a difference of figures: noisy; {1000 * rest_s / cells_per_s:.3g} CPU-ms a cell",
    )


def ingested(topology: WarmTopology, path: Path, asset_id: str, profile: Profile) -> None:
    """Until both stores hold every cell."""
    topology.ingest(path, asset_id, profile)
    topology.settle()


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("topology_cost", rounds)
