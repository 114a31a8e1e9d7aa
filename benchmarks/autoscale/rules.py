"""Two ways to decide how many replicas: ours, and KEDA's offset lag through a Kubernetes HPA."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from benchmarks.autoscale.trace import Facts, Name, Trace
from benchmarks.autoscale.world import Queue, World
from stream.broker.observation import GroupOffset
from stream.freshness.autoscaler import ScalingPolicy, desired_replicas
from stream.freshness.freshness import ARRIVAL_WINDOW_S
from stream.freshness.group_offsets import GroupOffsets
from stream.freshness.rates import BusyRate, RateMeter
from stream.freshness.snapshot import LaneFlow, Snapshot, StageFlow

STAGES: tuple[Name, ...] = ("decode", "understand")
START_MS = 1_700_000_000_000


class Rule(Protocol):
    """Asked after every step; says what it wants changed."""

    def decide(self, world: World) -> dict[Name, int]: ...


def lived(trace: Trace, facts: Facts, rule: Rule) -> World:
    """The day under a rule, and on until nothing is left (at most another half)."""
    world = World(trace, facts, seed=7)
    while not world.over and world.now_s < 1.5 * trace.length_s:
        world.step()
        for name, count in rule.decide(world).items():
            world.stages[name].resize(count, world.now_s)
    return world


class Ours:
    """`desired_replicas` over a snapshot of what the exporter can see, every `interval_s`, applied as it is."""

    def __init__(self, policy: ScalingPolicy, *, interval_s: float = 15.0) -> None:
        self._policy = policy
        self._interval_s = interval_s
        self._due_s = 0.0
        self._turn = 0
        self._places = GroupOffsets()
        self._arrivals = {name: RateMeter(ARRIVAL_WINDOW_S) for name in STAGES}
        self._busy = {name: BusyRate() for name in STAGES}
        self._seen = dict.fromkeys(STAGES, (0.0, 0.0))
        self._worked_s = dict.fromkeys(STAGES, -math.inf)

    def decide(self, world: World) -> dict[Name, int]:
        if world.now_s < self._due_s:
            return {}
        self._due_s = world.now_s + self._interval_s
        self._turn += 1
        now_ms = START_MS + round(world.now_s * 1000)
        members: dict[str, int] = {name: queue.ready(world.now_s) for name, queue in world.stages.items()}
        places = [
            GroupOffset(name, name, partition, acked, acked + queue.records(partition))
            for name, queue in world.stages.items()
            for partition, acked in enumerate(queue.acked)
        ]
        self._places.observe(places, members, turn=self._turn, now_ms=now_ms)
        plan = StageFlow("plan", lanes={"batch": LaneFlow(waiting=world.held_s)})
        flows = [self._flow(name, world.stages[name], world, now_ms) for name in STAGES]
        found = desired_replicas(Snapshot(now_ms, (plan, *flows)), self._policy)
        return {name: found[name] for name in STAGES}

    def _flow(self, name: Name, queue: Queue, world: World, now_ms: int) -> StageFlow:
        arrived_s, served_s = self._seen[name]
        self._seen[name] = (queue.arrived_s, queue.served_s)
        self._arrivals[name].add(now_ms, queue.arrived_s - arrived_s)
        waiting = {lane: max(0.0, line.waiting_s) for lane, line in queue.lines.items()}
        busy = not queue.empty
        if busy or queue.served_s > served_s:
            self._worked_s[name] = world.now_s
        ready = queue.ready(world.now_s)
        served = queue.served_s - served_s
        standing = self._places.standing(name)
        self._busy[name].observe(now_ms=now_ms, replicas=ready, busy_partitions=standing.busy_partitions, served=served)
        arrival = self._arrivals[name].rate(now_ms, ARRIVAL_WINDOW_S)
        line = queue.lines["interactive"]
        oldest = min((line.queues[partition][0].asset for partition in line.busy), default=None)
        age_s = 0.0 if oldest is None else world.now_s - world.trace.clips[oldest].at_s
        return StageFlow(
            stage=name,
            upstream="plan" if name == "decode" else "decode",
            lanes={
                "interactive": LaneFlow(age_s, waiting["interactive"], arrival),
                "batch": LaneFlow(0.0, waiting["batch"]),
            },
            service_per_replica=self._busy[name].rate.per_replica,
            partitions=queue.facts.partitions,
            stuck_partitions=standing.stuck_partitions,
            stuck_share=standing.stuck_share,
            idle_s=world.now_s - self._worked_s[name],
            replicas=ready,
            max_replicas=queue.facts.max_replicas,
        )


@dataclass(frozen=True, slots=True)
class KedaSettings:
    """`threshold`: `lagThreshold`, records a replica, by stage. The rest as documented: HPA sync 15 s, tolerance 10 %,
    up at most by 4 or doubling in 15 s, down to the highest wish of `stabilisation_s` (default 300), `cooldown_s` (300)
    before zero; without `exclude_persistent` (default) a partition that does not move counts.
    """

    decode: float
    understand: float
    stabilisation_s: float = 300.0
    exclude_persistent: bool = False
    cooldown_s: float = 300.0

    def threshold(self, name: Name) -> float:
        return self.decode if name == "decode" else self.understand


class Keda:
    """KEDA's Kafka scaler: total offset lag of the group, at most partitions x threshold, through an HPA."""

    def __init__(self, settings: KedaSettings) -> None:
        self._settings = settings
        self._due_s = 0.0
        self._wishes: dict[Name, deque[tuple[float, int]]] = {name: deque() for name in STAGES}
        self._active_s = dict.fromkeys(STAGES, -math.inf)
        self._acked: dict[Name, list[int]] = {}

    def decide(self, world: World) -> dict[Name, int]:
        if world.now_s < self._due_s:
            return {}
        self._due_s = world.now_s + 15.0
        return {name: self._replicas(name, world.stages[name], world.now_s) for name in STAGES}

    def _replicas(self, name: Name, queue: Queue, now_s: float) -> int:
        threshold, current = self._settings.threshold(name), len(queue.ready_at_s)
        lag = self._lag(name, queue)
        if any(queue.records(at) for at in range(queue.facts.partitions)):  # what is persistent activates all the same
            self._active_s[name] = now_s
        elif now_s - self._active_s[name] > self._settings.cooldown_s:
            return 0
        lag = min(lag, queue.facts.partitions * threshold)
        wish = max(1, math.ceil(lag / threshold))
        if current and abs(lag / (threshold * current) - 1) <= 0.1:
            wish = current
        wishes = self._wishes[name]
        wishes.append((now_s, wish))
        while wishes[0][0] < now_s - self._settings.stabilisation_s:
            wishes.popleft()
        if wish > current:
            return min(wish, max(2 * current, current + 4))
        return min(current, max(count for _, count in wishes)) if current else 1

    def _lag(self, name: Name, queue: Queue) -> float:
        before = self._acked.get(name, [-1] * queue.facts.partitions)
        self._acked[name] = queue.acked.copy()
        return sum(
            queue.records(at)
            for at in range(queue.facts.partitions)
            if not (self._settings.exclude_persistent and queue.acked[at] == before[at])
        )
