"""A simulated day under three scaling rules: objective violations and replica-hours of each (`make bench-autoscale`).

python -m benchmarks.autoscale_simulation [--quick]

KEDA's settings are chosen on days of their own, over a grid; on the days that count, nothing is chosen.
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product

from benchmarks.autoscale.oracle import planned
from benchmarks.autoscale.picture import Point, scatter
from benchmarks.autoscale.rules import Keda, KedaSettings, Ours, Rule, lived
from benchmarks.autoscale.trace import DAY_S, Facts, Trace, day
from benchmarks.harness import RESULTS, Report
from benchmarks.options import ROUNDS, rounds_wanted
from stream.freshness.autoscaler import ScalingPolicy

TUNING, SEEDS = (1, 2), (10, 11, 12)
SPANS, CELLS, HOLDS_S, COOL_DOWNS_S = (2, 4, 6, 10), (6, 12, 20, 32), (0.0, 60.0), (60.0, 300.0)
HINDSIGHT = tuple(product((300.0, 360.0, 420.0, 480.0), (3300.0, 3600.0, 3900.0), (0.85, 0.9)))
"""Objectives, times for batch footage, and `keep`, of the schedules made in foresight."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule made of the days. `late`: interactive assets searchable after the objective; `unfresh_h`: hours in
    which the oldest interactive asset was older than it; `replica_h`: paid from the order to the end; `batch_h`: hours
    that archives took, summed.
    """

    late: int = 0
    assets: int = 0
    unfresh_h: float = 0.0
    replica_h: float = 0.0
    starts: int = 0
    batch_h: float = 0.0
    archives: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(*(getattr(self, it.name) + getattr(other, it.name) for it in fields(self)))


def run(trace: Trace, facts: Facts, rule: Rule) -> Outcome:
    """What a rule makes of one day."""
    world = lived(trace, facts, rule)
    waits = [trace.clips[asset] for asset in world.open]
    return Outcome(
        late=world.late + len(world.waiting),
        assets=world.assets,
        unfresh_h=world.unfresh_s / 3600,
        replica_h=sum(queue.replica_s for queue in world.stages.values()) / 3600,
        starts=sum(queue.starts for queue in world.stages.values()),
        batch_h=(world.batch_wait_s + sum(world.now_s - it.at_s for it in waits if it.lane == "batch")) / 3600,
        archives=sum(clip.lane == "batch" for clip in trace.clips),
    )


def over(days: Sequence[Trace], facts: Facts, rule: Callable[[], Rule]) -> Outcome:
    """All days, each from the beginning."""
    return sum((run(trace, facts, rule()) for trace in days), Outcome())


def swept(days: Sequence[Trace], facts: Facts, *, quick: bool) -> dict[KedaSettings, Outcome]:
    """KEDA's rule over thresholds of both stages and stabilisation; its cool-down where the product is least."""
    spans, cells, holds = ((3,), (10,), (60.0,)) if quick else (SPANS, CELLS, HOLDS_S)
    choices = [KedaSettings(*it) for it in product(spans, cells, holds)]
    found = {it: over(days, facts, lambda it=it: Keda(it)) for it in choices}  # type: ignore[misc]
    best = min(found, key=lambda it: found[it].late * found[it].replica_h)
    for cooldown_s, excluded in product(COOL_DOWNS_S, (False, True)):
        tried = KedaSettings(best.decode, best.understand, best.stabilisation_s, excluded, cooldown_s)
        found[tried] = found.get(tried) or over(days, facts, lambda it=tried: Keda(it))  # type: ignore[misc]
    return found


def picks(found: dict[KedaSettings, Outcome], ours: Outcome) -> dict[str, KedaSettings]:
    """KEDA at its best three times: fewest late for our cost or less, cheapest for our lateness, and by itself the
    least product of both.
    """
    cheap = [it for it, made in found.items() if made.replica_h <= ours.replica_h]
    fresh = [it for it, made in found.items() if made.late <= ours.late]
    chosen = {
        "KEDA for our cost": min(cheap, key=lambda it: found[it].late, default=None),
        "KEDA as fresh": min(fresh, key=lambda it: found[it].replica_h, default=None),
        "KEDA, least product": min(found, key=lambda it: found[it].late * found[it].replica_h),
    }
    return {name: it for name, it in chosen.items() if it is not None}


def cheapest(trace: Trace, facts: Facts, policy: ScalingPolicy, ours: Outcome, *, quick: bool) -> Outcome:
    """Of the schedules made in foresight and of ours the cheapest that has no more late assets than ours and no slower
    archives.
    """
    ladder = HINDSIGHT[:1] if quick else HINDSIGHT
    policies = [
        replace(policy, objective_s=objective_s, batch_drain_s=batch_s, keep=keep)
        for objective_s, batch_s, keep in ladder
    ]
    with ProcessPoolExecutor() as beside:
        made = [ours, *beside.map(partial(_foreseen, trace, facts), policies)]
    fair = [it for it in made if it.late <= ours.late and it.batch_h <= ours.batch_h]
    return min(fair, key=lambda it: it.replica_h)


def _foreseen(trace: Trace, facts: Facts, policy: ScalingPolicy) -> Outcome:
    return run(trace, facts, planned(trace, facts, policy))


def bound_h(trace: Trace, facts: Facts) -> float:
    """No rule can pay less: all footage at full rate, nobody ever waiting for work."""
    video_s = sum(clip.video_s for clip in trace.clips)
    return video_s * (1 / facts.decode.rate + 1 / facts.understand.rate) / 3600


def main() -> int:
    rounds = rounds_wanted(__doc__)
    quick = rounds != ROUNDS
    facts = Facts()
    # As shipped, but for what a deployment says of itself.
    policy = ScalingPolicy(objective_s=facts.objective_s, max_replicas=facts.understand.max_replicas)
    length_s = DAY_S // 8 if quick else DAY_S
    tuning, days = ([day(seed, length_s=length_s) for seed in (it[:1] if quick else it)] for it in (TUNING, SEEDS))
    ours_tuning = over(tuning, facts, lambda: Ours(policy))
    grid = swept(tuning, facts, quick=quick)
    each = [run(trace, facts, Ours(policy)) for trace in days]
    ours = sum(each, Outcome())
    rows = {"ours": ours}
    judged = zip(days, each, strict=True)
    rows["oracle"] = sum((cheapest(trace, facts, policy, made, quick=quick) for trace, made in judged), Outcome())
    for name, it in {"KEDA as documented": KedaSettings(10, 10), **picks(grid, ours_tuning)}.items():
        cell = f"{name} (spans {it.decode:g}, cells {it.understand:g}, hold {it.stabilisation_s:g} s"
        rows[cell + (", stuck excluded)" if it.exclude_persistent else ")")] = over(days, facts, lambda it=it: Keda(it))  # type: ignore[misc]
    report = Report("which scaling rule keeps interactive footage fresh, and what does it cost, over days not tuned on")
    bound = f"{sum(bound_h(trace, facts) for trace in days):.1f} h if nobody ever waits"
    for name, made in rows.items():
        report.add(f"{name}: replica-hours", made.replica_h, "h", limit=bound, note=f"{made.starts} starts")
        report.add(f"{name}: late assets", made.late, "assets", limit=f"of {made.assets}")
        report.add(
            f"{name}: over the objective", made.unfresh_h * 60, "min", limit=f"objective {facts.objective_s:g} s"
        )
        report.add(f"{name}: an archive of 5 h takes", made.batch_h / max(1, made.archives), "h", limit="no objective")
    report.add("ours / oracle, replica-hours", ours.replica_h / rows["oracle"].replica_h, "", limit="≤ 1.2")
    better = [it for it in grid.values() if it.late <= ours_tuning.late and it.replica_h <= ours_tuning.replica_h]
    report.add("KEDA settings no worse than ours in both, tuning days", len(better), "", limit=f"of {len(grid)}")
    report.publish("autoscale_simulation", rounds)
    if not quick:
        _draw(grid, ours_tuning, rows)
    return 0


def _draw(grid: dict[KedaSettings, Outcome], ours_tuning: Outcome, rows: dict[str, Outcome]) -> None:
    """Each point a day's mean: the grid and ours on the days tuned on (small), the rest on the days that count."""
    points = [
        Point(it.replica_h / len(TUNING), it.late / len(TUNING), "KEDA, grid", small=True) for it in grid.values()
    ]
    points.append(Point(ours_tuning.replica_h / len(TUNING), ours_tuning.late / len(TUNING), "ours", small=True))
    for name, it in rows.items():
        points.append(Point(it.replica_h / len(SEEDS), it.late / len(SEEDS), name.split(" (")[0]))
    scatter(points, "replica-hours a day", "late assets a day", RESULTS / "autoscale_simulation.png")


if __name__ == "__main__":
    sys.exit(main())
