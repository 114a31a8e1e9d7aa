"""Decides which record is next, by deficit round robin over tenants and lanes, and which tenant has credit. Pure: no
broker, no clock.

The length of an asset is known only after its inspection, so a flow pays after it was served. A flow may be served
while its balance is above zero; what it overdraws is its debt (surplus round robin, Adiseshu, Parulkar and Varghese, "A
Reliable and Scalable Striping Protocol", SIGCOMM 1996; the quantum is Shreedhar and Varghese's, "Efficient Fair Queuing
Using Deficit Round Robin", SIGCOMM 1995).
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, Literal, NamedTuple, TypeVar

from stream.events.asset import Outcome
from stream.events.base import Payload
from stream.events.ids import AssetVersion
from stream.events.progress import Owner, PartReport, SubjectKey, ended_by, progress_of
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.lanes import LANES, Lane, lane_of
from stream.topology.unit import VIDEO_SECONDS, Unit
from stream.worker.outstanding import PartName

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class RoundRobin(Generic[K]):
    """Deficit round robin over flows that pay after the service.

    For two flows that always wait and always may be served, the services differ by less than a quantum and one charge
    (in proportion where their quanta differ). A flow that returns has the balance that it left with, until a new round.
    """

    def __init__(self, quantum: Callable[[K], float]) -> None:
        self._quantum = quantum
        self._balances: dict[K, float] = {}

    def next(self, waiting: Iterable[K], may: Callable[[K], bool]) -> K | None:
        """The flow to serve, among the waiting flows that may be served: the one with the largest part of its quantum
        left, so a new flow is next. Begins a new round if none has any left. None if no flow may be served.
        """
        able = [flow for flow in waiting if may(flow)]
        if not able:
            return None
        if all(self._balance(flow) <= 0 for flow in able):
            self._begin(able)
        return max(able, key=lambda flow: self._balance(flow) / self._quantum(flow))

    def charge(self, flow: K, cost: float) -> None:
        self._balances[flow] = self._balance(flow) - cost

    def _balance(self, flow: K) -> float:
        return self._balances.get(flow, self._quantum(flow))

    def _begin(self, able: Iterable[K]) -> None:
        """Begins as many rounds at once as it takes until one of `able` may be served. A full balance is not stored."""
        rounds = min(math.floor(-self._balance(flow) / self._quantum(flow)) + 1 for flow in able)
        topped = {flow: left + rounds * self._quantum(flow) for flow, left in self._balances.items()}
        # A flow without an entry has a full balance, so tenants that went away leave nothing behind in memory.
        self._balances = {flow: left for flow, left in topped.items() if left < self._quantum(flow)}


class Claim(NamedTuple):
    """The owner of a record. Records of one subject keep their order, whatever their lanes."""

    tenant: str
    lane: Lane
    subject: str


Among = Callable[[Claim], bool]
Rank = Callable[[Claim], int]
Place = Literal["last", "next", "next of its subject"]


def _all(_claim: Claim) -> bool:
    return True


def _alike(_claim: Claim) -> int:
    return 0


class _Line(Generic[T]):
    """What waits of one tenant in one lane: by arrival, or one item of each subject after the other. Never empty for
    long: the queue drops a line that is.
    """

    def __init__(self, *, subjects_in_turn: bool) -> None:
        self._in_turn = subjects_in_turn
        self._flows: dict[str, deque[tuple[Claim, T]]] = {}  # by subject, or all in one; who is next comes first

    def __bool__(self) -> bool:
        return bool(self._flows)

    def __iter__(self) -> Iterator[tuple[Claim, T]]:
        return (entry for flow in self._flows.values() for entry in flow)

    def add(self, claim: Claim, item: T, place: Place) -> None:
        key = claim.subject if self._in_turn else ""
        if place == "last":
            self._flows.setdefault(key, deque()).append((claim, item))
            return
        flow = self._flows.pop(key, deque())
        flow.appendleft((claim, item))
        if place == "next":
            self._flows = {key: flow, **self._flows}
        else:
            self._flows[key] = flow

    def has(self, among: Among) -> bool:
        return among is _all or any(among(flow[0][0]) for flow in self._flows.values())

    def take(self, among: Among, rank: Rank) -> tuple[Claim, T]:
        able = [key for key, flow in self._flows.items() if among(flow[0][0])]
        key = min(able, key=lambda key: rank(self._flows[key][0][0]))  # the first of them, where several are alike
        flow = self._flows.pop(key)
        taken = flow.popleft()
        if flow:
            self._flows[key] = flow
        return taken


class FairQueue(Generic[T]):
    """Items by lane and tenant: fair between tenants, shared between lanes; within a tenant and lane in order, or
    subjects in turn. `among` of its methods: what may be given now, by the first item of a subject.
    """

    def __init__(self, *, quantum: float, batch_share: float, subjects_in_turn: bool = False) -> None:
        shares: Mapping[Lane, float] = {"interactive": 1.0 - batch_share, "batch": batch_share}
        self._in_turn = subjects_in_turn
        self._lanes: RoundRobin[Lane] = RoundRobin(lambda lane: 4 * quantum * shares[lane])
        self._tenants: dict[Lane, RoundRobin[str]] = {lane: RoundRobin(lambda _: quantum) for lane in LANES}
        self._waiting: dict[Lane, dict[str, _Line[T]]] = {lane: {} for lane in LANES}
        self._held: dict[tuple[str, str], tuple[Lane, int]] = {}  # the lane of a subject and how many of its items wait
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, claim: Claim, *, place: Place = "last") -> None:
        """An item waits where other items of its subject wait. One that was taken and is put back is `next`; or next of
        its subject, whose turn is over.
        """
        # Two lanes would reorder the events of one subject, such as a publication and its deletion.
        lane, count = self._held.get((claim.tenant, claim.subject), (claim.lane, 0))
        self._held[claim.tenant, claim.subject] = (lane, count + 1)
        claim = claim._replace(lane=lane)
        waiting = self._waiting[lane]
        if claim.tenant not in waiting:
            waiting[claim.tenant] = _Line(subjects_in_turn=self._in_turn)
        waiting[claim.tenant].add(claim, item, place)
        self._count += 1

    def waits(self, lane: Lane) -> bool:
        return bool(self._waiting[lane])

    def may_any(self, may: Callable[[str, Lane], bool], among: Among = _all) -> bool:
        """Whether `take` would return an item."""
        return any(self._may(may, among, tenant, lane) for lane in LANES for tenant in self._waiting[lane])

    def take(
        self, may: Callable[[str, Lane], bool], among: Among = _all, rank: Rank = _alike
    ) -> tuple[Claim, T] | None:
        """The next item among tenants that have credit; None if none has. Of its tenant those of the lowest `rank` come
        first. Call `charge` once its cost is known.
        """
        lane = self._lanes.next(
            [lane for lane in LANES if self._waiting[lane]],
            lambda lane: any(self._may(may, among, tenant, lane) for tenant in self._waiting[lane]),
        )
        if lane is None:
            return None
        waiting = self._waiting[lane]
        tenant = self._tenants[lane].next(waiting, lambda tenant: self._may(may, among, tenant, lane))
        assert tenant is not None, "a tenant of this lane has credit"
        claim, item = waiting[tenant].take(among, rank)
        if not waiting[tenant]:
            del waiting[tenant]
        self._release(claim)
        return claim, item

    def charge(self, claim: Claim, cost: float) -> None:
        self._lanes.charge(claim.lane, cost)
        self._tenants[claim.lane].charge(claim.tenant, cost)

    def drop(self, gone: Callable[[T], bool]) -> list[T]:
        """Remove and return the items for which `gone` is true."""
        kept = [entry for lane in LANES for line in self._waiting[lane].values() for entry in line]
        self._waiting = {lane: {} for lane in LANES}
        self._held.clear()
        self._count = 0
        dropped = []
        for claim, item in kept:
            if gone(item):
                dropped.append(item)
            else:
                self.add(item, claim)
        return dropped

    def _may(self, may: Callable[[str, Lane], bool], among: Among, tenant: str, lane: Lane) -> bool:
        return may(tenant, lane) and self._waiting[lane][tenant].has(among)

    def _release(self, claim: Claim) -> None:
        self._count -= 1
        lane, count = self._held.pop((claim.tenant, claim.subject))
        if count > 1:
            self._held[claim.tenant, claim.subject] = (lane, count - 1)


class _Held(NamedTuple):
    """The credit that a part uses."""

    cost: int
    lane: Lane


class Credits:
    """What is outstanding: the parts that are planned and not yet settled according to `progress`, of all planning
    processes. Amounts are whole numbers of the stage's unit. Duplicates change nothing. `now_s` is a monotonic time in
    seconds. A missed event costs time, never work: a part whose plan was missed is not counted; a part whose end was
    missed counts until its subject or its lease ends.
    """

    def __init__(self, policy: AdmissionPolicy, stage: str, unit: Unit = VIDEO_SECONDS) -> None:
        self._policy = policy
        self._stage = stage
        self._unit = unit
        self._parts: dict[Owner, dict[tuple[AssetVersion, int], _Held]] = {}
        self._whole: dict[Owner, int] = {}
        self._tenants: defaultdict[str, int] = defaultdict(int)
        self._subjects: defaultdict[str, int] = defaultdict(int)
        self._reported_s: dict[str, float] = {}
        self.outstanding = self.batch = 0

    def of_tenant(self, tenant: str) -> int:
        return self._tenants.get(tenant, 0)

    def may(self, tenant: str, lane: Lane = "interactive", *, contended: bool = False) -> bool:
        """Whether the tenant, all tenants together, and the lane have credit left. `contended`: interactive subjects
        wait, with or without credit.
        """
        # Turns alone do not hold batch back: tenants that are at their own credit take turns with nobody (ADR 0021).
        if lane == "batch" and contended and self.batch >= self._policy.batch_share * self.outstanding > 0:
            return False
        share = 0.5 if lane == "batch" and not contended else 1.0
        policy, scale = self._policy, self._unit.scale
        return (
            self._subjects.get(tenant, 0) < policy.tenant_assets
            and self.of_tenant(tenant) < policy.tenant_credit * scale
            and len(self._parts) < share * policy.assets
            and self.outstanding < share * policy.credit * scale
        )

    def cost(self, report: PartReport) -> int:
        """The cost of a part. A hostile size counts as the largest possible part."""
        unit = self._unit
        return max(round(self._policy.record_cost * unit.scale), round(min(report.quantity, unit.largest * unit.scale)))

    def apply(self, payload: Payload, now_s: float) -> None:
        """Apply one event of the topic `progress`."""
        if (report := progress_of(payload)) is not None:
            part = (report.subject.version, report.part)
            if report.stage == self._stage and report.outcome is Outcome.DONE:
                self._put(report, part, now_s)
            elif report.stage in self._policy.settled_by or report.outcome is not Outcome.DONE:
                self._settle(report.subject, [part], now_s)
        elif (ended := ended_by(payload)) is not None:
            parts = self._parts.get(ended.subject.owner, {})
            self._settle(ended.subject, [it for it in parts if it[0] <= ended.subject.version], now_s)

    def lost(self, parts: Iterable[PartName]) -> None:
        """Remove parts that will never be reported."""
        for name in parts:
            self._remove(name.subject.owner, [(name.subject.version, name.part)])

    def expire(self, now_s: float) -> None:
        """Forget tenants without a report for `lease_s`: the reports are lost, or their work waits in a later stage and
        is counted there.
        """
        lost = {tenant for tenant, reported_s in self._reported_s.items() if now_s - reported_s >= self._policy.lease_s}
        if not lost:
            return
        for owner in [owner for owner in self._parts if owner.tenant in lost]:
            self._remove(owner, list(self._parts[owner]))

    def _put(self, report: PartReport, part: tuple[AssetVersion, int], now_s: float) -> None:
        owner = report.subject.owner
        self._reported_s[owner.tenant] = now_s
        if owner not in self._parts:
            self._parts[owner] = {}
            self._subjects[owner.tenant] += 1
        parts = self._parts[owner]
        if part not in parts:
            held = parts[part] = _Held(self.cost(report), lane_of(report.priority or "interactive"))
            self._count(owner, [held], 1)

    def _settle(self, subject: SubjectKey, parts: Iterable[tuple[AssetVersion, int]], now_s: float) -> None:
        if subject.tenant in self._reported_s:
            self._reported_s[subject.tenant] = now_s
            self._remove(subject.owner, parts)

    def _remove(self, owner: Owner, parts: Iterable[tuple[AssetVersion, int]]) -> None:
        held, tenant = self._parts.get(owner, {}), owner.tenant
        freed = [found for part in parts if (found := held.pop(part, None)) is not None]
        self._count(owner, freed, -1)
        if not held and self._parts.pop(owner, None) is not None:
            self._subjects[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]
            self._subjects.pop(tenant, None)
            self._reported_s.pop(tenant, None)

    def _count(self, owner: Owner, held: Iterable[_Held], sign: int) -> None:
        """Of one subject no more than `asset_credit` counts, or nothing could be admitted beside a long one."""
        most = self._policy.asset_credit * self._unit.scale
        before = self._whole.pop(owner, 0)
        after = before + sign * sum(found.cost for found in held)
        if after:
            self._whole[owner] = after
        counted = round(min(after, most) - min(before, most))
        self._tenants[owner.tenant] += counted
        self.outstanding += counted
        self.batch += sign * sum(found.cost for found in held if found.lane == "batch")
