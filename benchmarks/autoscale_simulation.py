"""A simulated day under three scaling rules: objective violations and replica-hours of each (`make bench-autoscale`).

python -m benchmarks.autoscale_simulation [--quick]
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from benchmarks.autoscale.rules import Keda, KedaSettings, Oracle, Ours, Rule
from benchmarks.autoscale.trace import DAY_S, Facts, Trace, day
from benchmarks.autoscale.world import World
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from stream.scaling import ScalingPolicy

SEEDS = (7, 8, 9)
BATCH_DRAIN_S = 3600.0
START_S = 75.0  # the slower stage's start and one interval between decisions


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule made of the day. `late`: interactive assets searchable after the objective; `unfresh_h`: hours in
    which the oldest interactive asset was older than it; `replica_h`: paid from the order to the end.
    """

    late: int
    assets: int
    unfresh_h: float
    replica_h: float
    starts: int
    ended_h: float


def run(trace: Trace, facts: Facts, rule: Rule) -> Outcome:
    """The day, and on until nothing is left (at most another half)."""
    world = World(trace, facts, seed=7)
    while not world.over and world.now_s < 1.5 * trace.length_s:
        world.step()
        for name, count in rule.decide(world).items():
            world.stages[name].resize(count, world.now_s)
    return Outcome(
        late=world.late + sum(asset not in world.stranded for asset in world.open),
        assets=world.assets,
        unfresh_h=world.unfresh_s / 3600,
        replica_h=sum(queue.replica_s for queue in world.stages.values()) / 3600,
        starts=sum(queue.starts for queue in world.stages.values()),
        ended_h=world.now_s / 3600,
    )


def summed(days: Sequence[Outcome]) -> Outcome:
    """Over all days; `ended_h` of the longest."""
    return Outcome(
        late=sum(it.late for it in days),
        assets=sum(it.assets for it in days),
        unfresh_h=sum(it.unfresh_h for it in days),
        replica_h=sum(it.replica_h for it in days),
        starts=sum(it.starts for it in days),
        ended_h=max(it.ended_h for it in days),
    )


def swept(trace: Trace, facts: Facts, *, quick: bool) -> dict[KedaSettings, Outcome]:
    """KEDA's rule over the thresholds of both stages that a wider sweep found worth it, with a stabilisation of 60 s,
    and once with the default one of 300 s.
    """
    spans, cells = ((3,), (10,)) if quick else ((3, 5), (10, 15, 20))
    choices = [KedaSettings(it[0], it[1], stabilisation_s=60.0) for it in product(spans, cells)]
    choices.append(KedaSettings(5, 10))
    return {it: run(trace, facts, Keda(it)) for it in choices}


def bound_h(trace: Trace, facts: Facts) -> float:
    """No rule can pay less: all footage at full rate, nobody ever waiting for work."""
    video_s = sum(clip.video_s for clip in trace.clips)
    return video_s * (1 / facts.decode.rate + 1 / facts.understand.rate) / 3600


def main() -> int:
    rounds = rounds_wanted(__doc__)
    quick = rounds != ROUNDS
    facts = Facts()
    policy = ScalingPolicy(
        objective_s=facts.objective_s, batch_drain_s=BATCH_DRAIN_S, max_replicas=24, start_s=START_S, keep=1.0
    )
    days = [day(seed, length_s=DAY_S // 8 if quick else DAY_S) for seed in (SEEDS[:1] if quick else SEEDS)]
    ours = summed([run(trace, facts, Ours(policy)) for trace in days])
    oracle = summed([run(trace, facts, Oracle(trace, facts, batch_drain_s=BATCH_DRAIN_S)) for trace in days])
    sweeps = [swept(trace, facts, quick=quick) for trace in days]
    keda = {settings: summed([sweep[settings] for sweep in sweeps]) for settings in sweeps[0]}
    report = Report("which scaling rule keeps the interactive footage of three days fresh, and what does it cost")
    bound = f"{sum(bound_h(trace, facts) for trace in days):.1f} h if nobody ever waits"
    rows = {"ours": ours, "oracle": oracle} | _chosen(keda, ours)
    for name, it in rows.items():
        report.add(f"{name}: replica-hours", it.replica_h, "h", limit=bound, note=f"{it.starts} starts")
        report.add(f"{name}: late assets", it.late, "assets", limit=f"of {it.assets}")
        report.add(f"{name}: over the objective", it.unfresh_h * 60, "min", limit=f"objective {facts.objective_s:g} s")
    report.add("ours / oracle, replica-hours", ours.replica_h / oracle.replica_h, "", limit="≤ 1.2")
    better = [it for it in keda.values() if it.late <= ours.late and it.replica_h <= ours.replica_h]
    report.add("KEDA settings no worse in both", len(better), "", limit=f"of {len(keda)}")
    report.publish("autoscale_simulation", rounds)
    return 0


def _chosen(keda: dict[KedaSettings, Outcome], ours: Outcome) -> dict[str, Outcome]:
    """KEDA at its best three times: fewest late for our cost or less, cheapest for our lateness, and by itself the
    least product of both.
    """
    found: dict[str, Outcome] = {}
    cheap = [item for item in keda.items() if item[1].replica_h <= ours.replica_h]
    fresh = [item for item in keda.items() if item[1].late <= ours.late]
    picks = {
        "KEDA for our cost": min(cheap, key=lambda item: item[1].late, default=None),
        "KEDA as fresh": min(fresh, key=lambda item: item[1].replica_h, default=None),
        "KEDA, least product": min(keda.items(), key=lambda item: (item[1].late + 1) * item[1].replica_h),
    }
    for name, item in picks.items():
        if item is not None:
            it = item[0]
            label = f"{name} (spans {it.decode:g}, cells {it.understand:g}, hold {it.stabilisation_s:g} s"
            found[label + (", stuck excluded)" if it.exclude_persistent else ")")] = item[1]
    return found


if __name__ == "__main__":
    sys.exit(main())
