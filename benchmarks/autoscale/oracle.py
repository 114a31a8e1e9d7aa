"""A schedule made with the whole day in view: the cheapest that dynamic programming finds, stage after stage.

Footage is a fluid here. What waits of the interactive lane may never be more than what came lately enough to be in
time; what is above it costs `penalty`. Capacity beyond it does batch footage, worth `batch_value` of its price where
there is any. A start costs what a starting replica costs, and is ordered so early that it works when it is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.autoscale.trace import Facts, Name, StageFacts, Trace
from benchmarks.autoscale.world import World

SLOT_S = 15.0
QUANTA = 2
"""A replica of understand does so many quanta of footage a slot, one of decode twice as many."""
DEPTH = 240
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aim:
    """What is tried: the objective is divided at `decode_s`, and `understand_s` is where the whole aims. `batch_s`:
    so long is batch footage expected to last after it was published.
    """

    decode_s: float
    understand_s: float
    batch_value: float
    batch_s: float
    penalty: float = 20.0


class Oracle:
    """Follows a schedule, asked for every step."""

    def __init__(self, schedule: dict[Name, NDArray[np.int64]]) -> None:
        self._schedule = schedule

    def decide(self, world: World) -> dict[Name, int]:
        slot = int(world.now_s / SLOT_S)
        return {name: int(counts[min(slot, len(counts) - 1)]) for name, counts in self._schedule.items()}


def planned(trace: Trace, facts: Facts, aim: Aim) -> Oracle:
    """The schedule of both stages; understand is given what decode is through with."""
    slots = round(1.05 * trace.length_s / SLOT_S)
    came, batch = _arrivals(trace, slots), _batch(trace, slots, aim.batch_s)
    quantum_s = facts.understand.rate * SLOT_S / QUANTA
    decode, through = _stage(facts.decode, came, _late(came, aim.decode_s), batch, quantum_s, aim, np.inf, None)
    slow = _slowed(trace, slots)
    room_s = facts.unread_video_s - facts.credit_video_s  # beyond it decode pauses
    understand, _ = _stage(
        facts.understand, through, _late(came, aim.understand_s), batch, quantum_s, aim, room_s, slow
    )
    return Oracle({"decode": decode, "understand": understand})


def _arrivals(trace: Trace, slots: int) -> Array:
    """Interactive footage published by the end of each slot, cumulated."""
    found = np.zeros(slots)
    for clip in trace.clips:
        if clip.lane == "interactive":
            found[int(clip.at_s / SLOT_S)] += clip.video_s
    return np.cumsum(found)


def _batch(trace: Trace, slots: int, lasts_s: float) -> NDArray[np.bool_]:
    """Where batch footage is expected to wait."""
    found = np.zeros(slots, dtype=bool)
    for clip in trace.clips:
        if clip.lane == "batch":
            found[int(clip.at_s / SLOT_S) : int((clip.at_s + lasts_s) / SLOT_S)] = True
    return found


def _slowed(trace: Trace, slots: int) -> Array:
    times = np.arange(slots) * SLOT_S
    return np.where((times >= trace.slow_s[0]) & (times < trace.slow_s[1]), trace.slow, 1.0)


def _late(came: Array, within_s: float) -> Array:
    """What has to be done by the end of each slot."""
    shift = max(1, round(within_s / SLOT_S))
    return np.concatenate([np.zeros(shift), came[:-shift]])


def _stage(
    facts: StageFacts,
    through: Array,
    due: Array,
    batch: NDArray[np.bool_],
    quantum_s: float,
    aim: Aim,
    room_s: float,
    factor: Array | None,
) -> tuple[NDArray[np.int64], Array]:
    """Replicas ordered by slot, and what is done of the interactive lane by the end of each, cumulated."""
    came = np.diff(np.ceil(through / quantum_s), prepend=0.0).astype(np.int64)
    spare = np.maximum(0.0, np.minimum(room_s / quantum_s, np.ceil(through / quantum_s) - np.ceil(due / quantum_s)))
    each = facts.rate * SLOT_S / quantum_s * (np.ones(len(came)) if factor is None else factor)
    choices = _backward(facts, came, spare, batch, each, aim)
    working = np.zeros(len(came), dtype=np.int64)
    done = np.zeros(len(came))
    replicas, waiting = 1, 0
    useful = _useful(facts.partitions, np.arange(1, facts.max_replicas + 1))
    for slot in range(len(came)):
        replicas = working[slot] = int(choices[slot][replicas - 1, min(waiting, DEPTH - 1)])
        served = min(waiting + int(came[slot]), int(useful[replicas - 1] * each[slot]))
        waiting += int(came[slot]) - served
        done[slot] = served
    ahead = round(facts.start_s / SLOT_S)
    known = np.concatenate([working, np.ones(ahead, dtype=np.int64)])
    ordered = np.max([known[shift : shift + len(working)] for shift in range(ahead + 1)], axis=0)
    return ordered, np.cumsum(done) * quantum_s


def _backward(
    facts: StageFacts, came: NDArray[np.int64], spare: Array, batch: NDArray[np.bool_], each: Array, aim: Aim
) -> Sequence[NDArray[np.int8]]:
    """For each slot: replicas to have, by replicas before and quanta that wait. Cost in replica-slots."""
    counts, depths = np.arange(1, facts.max_replicas + 1)[:, None], np.arange(DEPTH)[None, :]
    useful = _useful(facts.partitions, counts)
    start = facts.start_s / SLOT_S
    value = np.zeros((len(counts), DEPTH))
    found: list[NDArray[np.int8]] = []
    for slot in range(len(came) - 1, -1, -1):
        able = np.floor(useful * each[slot]).astype(np.int64)
        there = depths + came[slot]
        left = np.maximum(0, there - able)
        cost = counts + aim.penalty * np.maximum(0.0, left - spare[slot]) / each[slot]
        if batch[slot]:
            cost = cost - aim.batch_value * np.maximum(0, able - there) / each[slot]
        cost = cost + np.take_along_axis(value, np.minimum(left, DEPTH - 1), axis=1)
        fewer, which_fewer = _least(cost)
        more, which_more = (it[::-1] for it in _least((cost + start * counts)[::-1]))
        more = more - start * counts
        value = np.minimum(fewer, more)
        found.append(np.where(fewer <= more, which_fewer, len(counts) - 1 - which_more).astype(np.int8) + 1)
    return found[::-1]


def _useful(partitions: int, counts: NDArray[np.int64]) -> Array:
    """Replicas that do as much with a partition each as these do with one more for some than for others."""
    return partitions / np.ceil(partitions / counts)


def _least(cost: Array) -> tuple[Array, NDArray[np.int64]]:
    """The least of each row and those before it, and in which row it is."""
    least = np.minimum.accumulate(cost, axis=0)
    rows = np.where(cost == least, np.arange(len(cost))[:, None], 0)
    return least, np.maximum.accumulate(rows, axis=0)
