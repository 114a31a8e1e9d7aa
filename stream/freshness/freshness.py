"""Freshness and backlog as a fold over small records: requests of producers, progress, and offsets of groups. Pure.

The clock of a subject starts when the broker appended its event, whatever the producer's clock says (ADR 0019).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stream.broker.observation import GroupOffset
from stream.events.progress import PartReport, SubjectKey
from stream.freshness.group_offsets import GroupOffsets
from stream.freshness.open_subjects import MeanPart, OpenSubject
from stream.freshness.rates import BusyRate, RateMeter
from stream.freshness.snapshot import LaneFlow, Link, Snapshot, StageFlow
from stream.topology.lanes import LANES, Lane, lane_of
from stream.topology.unit import Unit

RATE_WINDOW_S = 60.0
ARRIVAL_WINDOW_S = 120.0
PRIOR_PARTS = 6
"""Parts of a subject without a plan, while none has been planned."""


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A record that the entry stage has not acknowledged. `work`: it asks for work, so it is no deletion and no invalid
    event. `published_ms`: where that is earlier than when this record was appended.
    """

    partition: int
    offset: int
    lane: Lane
    work: bool = True
    published_ms: int = 0


@dataclass(slots=True)
class StageWork:
    """The work of a stage, in its unit. `waiting`: by lane, the units that wait and the oldest clock among them."""

    waiting: dict[Lane, tuple[float, int | None]] = field(default_factory=lambda: dict.fromkeys(LANES, (0.0, None)))
    backlog: float = 0.0

    def wait(self, lane: Lane, units: float, clock_ms: int) -> None:
        before, oldest_ms = self.waiting[lane]
        self.waiting[lane] = before + units, clock_ms if oldest_ms is None else min(oldest_ms, clock_ms)


class Freshness:
    """The state of the fold and its snapshot. Subjects without work are forgotten, so open ones bound the memory."""

    def __init__(self, links: Sequence[Link], *, stuck_after_s: float = 300.0) -> None:
        self._links = links
        self._entry = next(link for link in links if link.upstream is None)
        self._behind = tuple(link for link in links if link is not self._entry)
        self._last_first = self._behind[::-1]  # a subject is open longest at the last stage
        self._own = {link.stage: link for link in links}
        self._next = {it.stage: tuple(link for link in links if link.upstream == it.stage) for it in links}
        self._subjects: dict[SubjectKey, OpenSubject] = {}
        self._published: dict[SubjectKey, Unacknowledged] = {}
        self._places = GroupOffsets(stuck_after_s)
        self._replicas: dict[str, int] = {}
        self._arrived = {(link.stage, lane): RateMeter(ARRIVAL_WINDOW_S) for link in links for lane in LANES}
        self._served = {link.stage: RateMeter(RATE_WINDOW_S) for link in links}
        self._served_now = dict.fromkeys((link.stage for link in links), 0.0)
        self._busy = {link.stage: BusyRate() for link in links}
        self._worked_ms: dict[str, int] = {}
        self._means: defaultdict[str, MeanPart] = defaultdict(MeanPart)
        self._planned, self._planned_subjects = 0.0, 0

    def published(self, key: SubjectKey, record: Unacknowledged) -> None:
        """A subject's event was appended."""
        self._published[key] = record
        self._arrived[self._entry.stage, record.lane].add(key.version.append_ms, self._mean_subject())

    def progressed(self, event: PartReport, *, at_ms: int, place: tuple[int, int], turn: int) -> None:
        """A stage reported a part; `at_ms` and `place` (partition, offset) are the report's own, `turn` the round."""
        if not event.possible:
            return
        key = event.subject
        # The report shows that the entry stage has taken the event, before its acknowledgement does.
        if self._published:
            self._published.pop(key, None)
        subject = self._subjects.get(key)
        if subject is None:
            # Not planned as far as we know, so it is work done again: batch lane, from now (ADR 0019).
            subject = self._subjects[key] = OpenSubject("batch", at_ms, place)
        if event.stage == self._entry.stage:
            self._take_plan(subject, event)
        self._settle(subject, event, at_ms, turn)
        # Forgotten at once: open subjects bound the memory.
        if not subject.open(self._last_first, self._entry.stage):
            del self._subjects[key]

    def observe(self, places: Iterable[GroupOffset], members: Mapping[str, int], *, turn: int, now_ms: int) -> None:
        """End a round. The caller has folded every report that existed when the groups' offsets were read."""
        self._places.observe(places, members, turn=turn, now_ms=now_ms)
        self._replicas = {link.stage: -(-members.get(link.stage, 0) // link.of.concurrency) for link in self._links}
        # First the events and then the parts: `_published` decides below whether the entry stage has work.
        self._forget_acked()
        waited_for = self._forget_gone()
        for link in self._links:
            served, self._served_now[link.stage] = self._served_now[link.stage], 0.0
            if link.stage in waited_for or served or (link is self._entry and self._published):
                self._worked_ms[link.stage] = now_ms
            elif self._replicas[link.stage]:  # seen for the first time: when it last had work is not known
                self._worked_ms.setdefault(link.stage, now_ms)
            self._busy[link.stage].observe(
                now_ms=now_ms,
                replicas=self._replicas[link.stage],
                busy_partitions=self._places.standing(link.stage).busy_partitions,
                served=served,
            )

    def resume_at(self, partition: int, read: int) -> int:
        """The offset in `progress` from which a restart knows again what is open now; `read` if nothing is."""
        firsts = (subject.first[1] for subject in self._subjects.values() if subject.first[0] == partition)
        return min(firsts, default=read)

    def snapshot(self, now_ms: int, *, dead_letters: int = 0, others: tuple[StageFlow, ...] = ()) -> Snapshot:
        work = self._work()
        return Snapshot(
            at_ms=now_ms,
            stages=tuple(self._flow(link, work[link.stage], now_ms) for link in self._links),
            others=others,
            offset_lag={stage: self._places.standing(stage).offset_lag for stage in self._places.stages},
            open_assets=len(self._subjects) + len(self._published),
            dead_letters=dead_letters,
        )

    def _take_plan(self, subject: OpenSubject, event: PartReport) -> None:
        """A plan gives a subject its lane and clock. Any other report of a subject that is not open is repeated work (a
        replay, a redelivery): nobody has waited for it since its publication.
        """
        # The first plan counts. A later one of the same version is a redelivery.
        if not subject.parts(self._entry.stage).done:
            self._planned_subjects += 1
            subject.lane = lane_of(event.priority or "interactive")
            subject.clock_ms = event.published_ms or event.subject.version.append_ms

    def _settle(self, subject: OpenSubject, event: PartReport, at_ms: int, turn: int) -> None:
        fresh, newly_done = subject.settle(event, turn)
        own = self._own.get(event.stage)
        if own is None or not (fresh or newly_done):
            return
        unit = own.of.unit
        units = self._part_units(subject, event.part, unit)
        if fresh:
            self._served[own.stage].add(at_ms, units)
            # Counted here and emptied in `observe`, because a rate per replica needs whole rounds.
            self._served_now[own.stage] += units
            self._planned += units if own is self._entry else 0.0
            if newly_done and event.unit == unit.counts:
                self._means[unit.counts].put(units)
        for link in self._next[own.stage]:
            # Where failures arrive, each settled part is work for the next stage; else only what is done.
            if fresh if link.failures_arrive else newly_done:
                came = units if link.of.unit is unit else self._part_units(subject, event.part, link.of.unit)
                self._arrived[link.stage, subject.lane].add(at_ms, came)

    def _part_units(self, subject: OpenSubject, part: int, unit: Unit) -> float:
        return subject.part_units(part, unit, self._means[unit.counts])

    def _units(self, subject: OpenSubject, bits: int, unit: Unit) -> float:
        return subject.units(bits, unit, self._means[unit.counts]) if bits else 0.0

    def _forget_acked(self) -> None:
        """Forget events that the entry stage has acknowledged, whatever their result."""
        places = self._places.of(self._entry.stage, self._entry.of.sources[0])
        acked = [
            key
            for key, record in self._published.items()
            if (place := places.get(record.partition)) is not None and place.has_acked(record.offset)
        ]
        for key in acked:
            del self._published[key]

    def _forget_gone(self) -> set[str]:
        """Forget parts that a stage acknowledged without a report (a dropped subject). Two rounds after they arrived,
        everything in its topics is acknowledged and all its reports are read. Returns the stages that parts still wait
        for.
        """
        done = {link.stage: self._places.acked_round(link.stage) for link in self._behind}
        waited_for: set[str] = set()
        for key, subject in list(self._subjects.items()):
            for link in self._behind:
                if subject.parts(link.upstream).turn + 2 <= done[link.stage]:
                    subject.gone |= subject.waiting(link)
            if not subject.open(self._last_first, self._entry.stage):
                del self._subjects[key]
                continue
            for link in self._behind:
                # Once is enough: the answer is only whether anything waits.
                if link.stage not in waited_for and subject.waiting(link):
                    waited_for.add(link.stage)
        return waited_for

    def _mean_subject(self) -> float:
        """The mean size of subjects planned so far, in the entry stage's unit."""
        unit = self._entry.of.unit
        return self._planned / self._planned_subjects if self._planned_subjects else PRIOR_PARTS * unit.part

    def _flow(self, link: Link, work: StageWork, now_ms: int) -> StageFlow:
        stage, standing = link.of, self._places.standing(link.stage)
        lanes = {
            lane: LaneFlow(
                # Clocks of brokers differ a little, so an age is never negative.
                freshness_lag_s=max(0, now_ms - oldest_ms) / 1000 if oldest_ms is not None else 0.0,
                waiting=units,
                arrival=self._arrived[link.stage, lane].rate(now_ms, ARRIVAL_WINDOW_S),
            )
            for lane, (units, oldest_ms) in work.waiting.items()
        }
        return StageFlow(
            stage=link.stage,
            upstream=link.upstream,
            lanes=lanes,
            backlog=work.backlog,
            service=self._served[link.stage].rate(now_ms, RATE_WINDOW_S),
            service_per_replica=self._busy[link.stage].rate.per_replica,
            offset_lag=standing.offset_lag,
            partitions=max(1, standing.partitions),
            stuck_partitions=standing.stuck_partitions,
            stuck_share=standing.stuck_share,
            idle_s=(now_ms - self._worked_ms[link.stage]) / 1000 if link.stage in self._worked_ms else math.inf,
            replicas=self._replicas.get(link.stage, 0),
            concurrency=stage.concurrency,
            max_replicas=stage.max_replicas,
            role=stage.role,
            unit=stage.unit,
            part=self._means[stage.unit.counts].of(stage.unit),
            scaling=stage.scaling,
        )

    def _work(self) -> dict[str, StageWork]:
        """By stage, what waits for it. The subjects that are not planned yet, those of the entry stage, count with the
        mean size of those planned so far.
        """
        found = {link.stage: StageWork() for link in self._links}
        for subject in self._subjects.values():
            wanted = subject.wanted(self._entry.stage)
            for link in self._behind:
                work, unit = found[link.stage], link.of.unit
                waiting, backlog = subject.waiting(link), subject.backlog(link, wanted)
                units = self._units(subject, backlog, unit)
                work.backlog += units
                if waiting:
                    same = units if waiting == backlog else self._units(subject, waiting, unit)
                    work.wait(subject.lane, same, subject.clock_ms)
        entry, mean = found[self._entry.stage], self._mean_subject()
        # A deletion waits as well, but is no work: `record.work` is then 0.
        for key, record in self._published.items():
            entry.wait(record.lane, record.work * mean, record.published_ms or key.version.append_ms)
        entry.backlog = sum(units for units, _ in entry.waiting.values())
        return found
