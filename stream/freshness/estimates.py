"""Flows of the stages that report no progress, estimated from the offsets of their groups. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence

from stream.broker.observation import GroupOffset
from stream.freshness.freshness import RATE_WINDOW_S
from stream.freshness.group_offsets import GroupOffsets
from stream.freshness.rates import BusyRate, RateMeter
from stream.freshness.snapshot import LaneFlow, StageFlow
from stream.topology.stage import Stage


class Estimates:
    """Such a stage reports no parts, so each record counts as one part, of the size in its unit. All of it counts as
    batch: nobody waits for it.
    """

    def __init__(self, stages: Sequence[Stage], *, stuck_after_s: float = 300.0) -> None:
        self._stages = stages
        self._places = GroupOffsets(stuck_after_s)
        self._replicas: dict[str, int] = {}
        self._acked: dict[str, int] = {}
        self._served = {stage.name: RateMeter(RATE_WINDOW_S) for stage in stages}
        self._busy = {stage.name: BusyRate() for stage in stages}
        self._worked_ms: dict[str, int] = {}

    def observe(self, places: Iterable[GroupOffset], members: Mapping[str, int], *, turn: int, now_ms: int) -> None:
        """One round, like `Freshness.observe`."""
        ours = [place for place in places if place.stage in self._served]
        self._places.observe(ours, members, turn=turn, now_ms=now_ms)
        for stage in self._stages:
            name = stage.name
            # Acknowledged beyond the committed offset counts as well: it will not be done again.
            acked = sum(it.acked + len(it.beyond) for it in ours if it.stage == name)
            # A group that was reset has acknowledged less than before. That is no negative work.
            served = max(0, acked - self._acked.get(name, acked)) * stage.unit.part
            self._acked[name] = acked
            self._replicas[name] = -(-members.get(name, 0) // stage.concurrency)
            self._served[name].add(now_ms, served)
            waiting = any(it.offset_lag for it in ours if it.stage == name)
            if waiting or served:
                self._worked_ms[name] = now_ms
            elif self._replicas[name]:
                # Seen for the first time: the idle time counts from here.
                self._worked_ms.setdefault(name, now_ms)
            self._busy[name].observe(
                now_ms=now_ms,
                replicas=self._replicas[name],
                busy_partitions=self._places.standing(name).busy_partitions,
                served=served,
            )

    def flows(self, now_ms: int) -> tuple[StageFlow, ...]:
        return tuple(self._flow(stage, now_ms) for stage in self._stages)

    def _flow(self, stage: Stage, now_ms: int) -> StageFlow:
        name, standing = stage.name, self._places.standing(stage.name)
        waiting = sum(standing.offset_lag.values()) * stage.unit.part
        return StageFlow(
            stage=name,
            lanes={"batch": LaneFlow(waiting=waiting)},
            backlog=waiting,
            service=self._served[name].rate(now_ms, RATE_WINDOW_S),
            service_per_replica=self._busy[name].rate.per_replica,
            offset_lag=standing.offset_lag,
            partitions=max(1, standing.partitions),
            stuck_partitions=standing.stuck_partitions,
            stuck_share=standing.stuck_share,
            idle_s=(now_ms - self._worked_ms[name]) / 1000 if name in self._worked_ms else math.inf,
            replicas=self._replicas.get(name, 0),
            concurrency=stage.concurrency,
            max_replicas=stage.max_replicas,
            role=stage.role,
            unit=stage.unit,
            part=stage.unit.part,
            scaling=stage.scaling,
        )
