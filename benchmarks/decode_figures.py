"""What does decode cost through the pool, its children included, beside a bare PyAV loop that makes the same pixels?

The loops are those of `benchmarks.decode_cost`; here they run over a pinned clip, round by round.
    python -m benchmarks.decode_figures [--quick]
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.decode_cost import bare_decode, bare_fast, bare_full, through_pool
from benchmarks.footage import long_clip
from benchmarks.harness import Cost, Report, cpu_ratio, in_rounds, median_cpu_s
from benchmarks.options import rounds_wanted
from decoders.sandbox import DecodePool
from decoders.source import SourcePolicy
from stream.events.grid import SECOND_NS

VIDEO_S = 60.0


def measure(rounds: int) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = long_clip(Path(folder), VIDEO_S)
        with DecodePool(children=1, policy=SourcePolicy(roots=(folder,))) as pool:
            found = pool.inspect(str(path))
            work: dict[str, Callable[[], object]] = {
                "decode only": lambda: bare_decode(path),
                "bare full": lambda: bare_full(path),
                "full": lambda: through_pool(pool, found, path, "full"),
                "bare fast": lambda: bare_fast(path),
                "fast": lambda: through_pool(pool, found, path, "fast"),
            }
            work["full"]()  # the child imports and opens once
            costs = in_rounds(work, rounds)
    return _report(costs, found.media.duration_ns / SECOND_NS, rounds)


def _report(costs: Mapping[str, Sequence[Cost]], video_s: float, rounds: int) -> Report:
    report = Report(
        f"Decode through the pool beside a bare PyAV loop (1 child, 1 decoder thread, 1280x720 H.264, {video_s:.0f} s, "
        f"median of {rounds})"
    )
    for profile in ("full", "fast"):
        report.add(
            f"{profile}, CPU-s per video-second",
            median_cpu_s(costs[profile]) / video_s,
            "s",
            limit=f"bare loop {median_cpu_s(costs[f'bare {profile}']) / video_s:.4g} s",
            note=f"{cpu_ratio(costs, profile, f'bare {profile}'):.2f}x",
        )
    report.add(
        "decoder alone, no pixels kept",
        median_cpu_s(costs["decode only"]) / video_s,
        "s",
        limit="the physical limit of full",
    )
    return report


if __name__ == "__main__":
    found_report = measure(rounds_wanted(__doc__))
    found_report.show()
    found_report.write("decode")
