"""A simulated day under three scaling rules: objective violations and replica-hours of each (`make bench-autoscale`).

python -m benchmarks.autoscale_simulation [--quick]
"""

import sys
from dataclasses import dataclass
from itertools import product

from benchmarks.autoscale.rules import Keda, KedaSettings, Oracle, Ours, Rule
from benchmarks.autoscale.trace import DAY_S, Facts, Trace, day
from benchmarks.autoscale.world import World
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from stream.scaling import ScalingPolicy

SEED = 7
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
    world = World(trace, facts, seed=SEED)
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


def swept(trace: Trace, facts: Facts, *, quick: bool) -> dict[KedaSettings, Outcome]:
    """KEDA's rule over thresholds of both stages, with and without its default stabilisation and stuck partitions."""
    decode = (1, 4) if quick else (1, 2, 3, 5)
    understand = (10, 40) if quick else (10, 20, 40)
    choices = (
        KedaSettings(spans, cells, stabilisation_s=hold, exclude_persistent=exclude)
        for spans, cells, hold, exclude in product(decode, understand, (60.0, 300.0), (False, True))
    )
    return {it: run(trace, facts, Keda(it)) for it in choices}


def bound_h(trace: Trace, facts: Facts) -> float:
    """No rule can pay less: all footage at full rate, nobody ever waiting for work."""
    video_s = sum(clip.video_s for clip in trace.clips)
    return video_s * (1 / facts.decode.rate + 1 / facts.understand.rate) / 3600


def main() -> int:
    rounds = rounds_wanted(__doc__)
    quick = rounds != ROUNDS
    trace, facts = day(SEED, length_s=DAY_S // 8 if quick else DAY_S), Facts()
    policy = ScalingPolicy(objective_s=facts.objective_s, batch_drain_s=BATCH_DRAIN_S, max_replicas=24, start_s=START_S)
    ours = run(trace, facts, Ours(policy))
    oracle = run(trace, facts, Oracle(trace, facts, batch_drain_s=BATCH_DRAIN_S))
    keda = swept(trace, facts, quick=quick)
    report = Report("which scaling rule keeps a day's interactive footage fresh, and what does it cost")
    bound = f"{bound_h(trace, facts):.1f} h if nobody ever waits"
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
