"""What does decode cost through the pool, its children included, beside a bare PyAV loop that makes the same pixels?
What do spans cost beyond one plain pass, what does a plan, and what is saved where nobody looks for shots?

The loops are those of `benchmarks.decode_cost`; here they run over 1080p footage, round by round.
    python -m benchmarks.decode_figures [--quick]
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.decode_cost import bare_decode, bare_fast, bare_full, through_pool
from benchmarks.footage import HD_FACTS, footage_dir, hd_clip, hd_film
from benchmarks.harness import Cost, Report, cpu_ratio, in_rounds, median_cpu_s
from benchmarks.options import ROUNDS, rounds_wanted
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.plan import plan_spans
from decoders.protocol import Inspection
from decoders.sandbox.pool import DecodePool
from decoders.sources.counting_source import CountingSource
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.events.grid import CONTEXT_NS, SECOND_NS, SEGMENT_NS, segment_count

HOUR_S = 3600
FILM_S = 20
PLANS = 5


def measure(rounds: int) -> Report:
    path = hd_clip(600 if rounds == ROUNDS else 60)
    policy = SourcePolicy(roots=(str(footage_dir()),))
    with DecodePool(children=1, policy=policy) as pool:
        found = pool.inspect(str(path))
        video_s = found.media.duration_ns / SECOND_NS
        work: dict[str, Callable[[], object]] = {
            "bare full": lambda: bare_full(path),
            "full": lambda: through_pool(pool, found, path, "full"),
            "bare fast": lambda: bare_fast(path),
            "fast": lambda: through_pool(pool, found, path, "fast"),
        }
        work["full"]()  # the child imports and opens once
        costs = in_rounds(work, rounds) | in_rounds({"decode only": lambda: bare_decode(path)}, 1)
        report = Report(
            f"Decode through the pool beside a bare PyAV loop (1 child, 1 decoder thread, {HD_FACTS}, {video_s:.0f} s, "
            f"median of {rounds})"
        )
        _costs(report, costs, video_s)
        report.add(
            "full: decoded beyond one plain pass (run-in and context)", 100 * _beyond(found), "%", limit="at most 10 %"
        )
        _samples_alone(report, pool, rounds)
        _plan(report, pool, hd_clip(HOUR_S), policy)
    return report


def _costs(report: Report, costs: Mapping[str, Sequence[Cost]], video_s: float) -> None:
    for profile in ("full", "fast"):
        report.add(
            f"{profile}, CPU-s per video-second",
            median_cpu_s(costs[profile]) / video_s,
            "s",
            limit=f"bare loop {median_cpu_s(costs[f'bare {profile}']) / video_s:.4g} s",
            note=f"bare / pool {1 / cpu_ratio(costs, profile, f'bare {profile}'):.2f} (at least 0.95)",
        )
    report.add(
        "decoder alone, no pixels kept",
        median_cpu_s(costs["decode only"]) / video_s,
        "s",
        limit="the physical limit of full",
    )
    report.add("full / fast", cpu_ratio(costs, "full", "fast"), "x", limit="at least 8")


def _samples_alone(report: Report, pool: DecodePool, rounds: int) -> None:
    """What a run without shots decodes (ADR 0075), beside all of it."""
    for codec, name in (("libx264", "H.264"), ("libx265", "H.265")):
        for group_s in (2, 10):
            path = hd_film(codec, group_s, FILM_S)
            found = pool.inspect(str(path))
            costs = in_rounds(
                {
                    "all": partial(through_pool, pool, found, path, "full"),
                    "samples": partial(through_pool, pool, found, path, "full", dense=False),
                },
                rounds,
            )
            report.add(
                f"without shots, {name} in groups of {group_s} s, by all of it",
                cpu_ratio(costs, "samples", "all"),
                "x",
                limit=f"all of it {median_cpu_s(costs['all']) / FILM_S:.4g} CPU-s per video-second",
                note=f"{FILM_S} s, one picture a second",
            )


def _beyond(found: Inspection) -> float:
    """Share of asset time that the planned spans decode more than once, from their key frames and context."""
    media, keys = found.media, found.keyframes_ns
    spans = plan_spans(media, keys, range(segment_count(media.duration_ns)))
    twice_ns = 0
    for before, after in pairwise(spans):
        edge_ns = after.start * SEGMENT_NS
        run_in_ns = edge_ns - max(key for key in keys if key <= edge_ns - CONTEXT_NS)
        twice_ns += run_in_ns + CONTEXT_NS
        assert before.stop == after.start
    return twice_ns / media.duration_ns


def _plan(report: Report, pool: DecodePool, path: Path, policy: SourcePolicy) -> None:
    taken_s = []
    for _ in range(PLANS):
        started_s = time.monotonic()
        found = pool.inspect(str(path))
        plan_spans(found.media, found.keyframes_ns, range(segment_count(found.media.duration_ns)))
        taken_s.append(time.monotonic() - started_s)
    counted = CountingSource(open_source(str(path), policy), path.stat().st_size)
    PyAVDecoder().inspect(counted)
    counted.close()
    report.add("plan of one hour, warm child, wall", median(taken_s), "s", limit="less than 0.5 s")
    share = 100 * counted.read_bytes / path.stat().st_size
    report.add("plan of one hour, bytes read", share, "%", limit=f"less than 5 % of {path.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(rounds).publish("decode", rounds)
