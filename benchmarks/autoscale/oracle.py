"""A schedule made with the whole day in view: what our rule would do if replicas started at once, every start ordered
as long before as it takes. Nothing ever waits for a start, so the objective may be put off until as much is late as
under the rule that is judged; what is saved by it is the price of not knowing.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.autoscale.rules import STAGES, Ours, lived
from benchmarks.autoscale.trace import Facts, Name, Trace
from benchmarks.autoscale.world import World
from stream.freshness.autoscaler import ScalingPolicy

SLOT_S = 15.0
Counts = NDArray[np.int64]


class Oracle:
    """Follows a schedule, asked for every step."""

    def __init__(self, schedule: dict[Name, Counts]) -> None:
        self._schedule = schedule

    def decide(self, world: World) -> dict[Name, int]:
        slot = int(world.now_s / SLOT_S)
        return {name: int(counts[min(slot, len(counts) - 1)]) for name, counts in self._schedule.items()}


class _Recorded(Ours):
    """Keeps what it said."""

    def __init__(self, policy: ScalingPolicy, slots: int) -> None:
        super().__init__(policy, interval_s=SLOT_S)
        self.said: dict[Name, Counts] = {name: np.zeros(slots, np.int64) for name in STAGES}

    def decide(self, world: World) -> dict[Name, int]:
        found = super().decide(world)
        for name, count in found.items():
            self.said[name][int(world.now_s / SLOT_S) :] = count
        return found


def planned(trace: Trace, facts: Facts, policy: ScalingPolicy) -> Oracle:
    """The schedule of both stages."""
    at_once = replace(
        facts, decode=replace(facts.decode, start_s=0.0), understand=replace(facts.understand, start_s=0.0)
    )
    rule = _Recorded(policy, round(1.5 * trace.length_s / SLOT_S))
    lived(trace, at_once, rule)
    return Oracle({name: _ordered(counts, facts.of(name).start_s) for name, counts in rule.said.items()})


def _ordered(working: Counts, start_s: float) -> Counts:
    """Replicas to have, so that so many work."""
    ahead = round(start_s / SLOT_S)
    known = np.concatenate([working, np.full(ahead, working[-1])])
    ordered: Counts = np.max([known[shift : shift + len(working)] for shift in range(ahead + 1)], axis=0)
    return ordered
