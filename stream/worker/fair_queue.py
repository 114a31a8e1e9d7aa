"""Who is next and who may: deficit round robin over tenants and lanes, and credits. Pure: no broker, no clock.

An asset's length is known only once it has been inspected, so a flow pays after it was served: it may while its balance
is above zero, and what it overdrew is its debt (surplus round robin, Adiseshu, Parulkar and Varghese, "A Reliable and
Scalable Striping Protocol", SIGCOMM 1996; the quantum is Shreedhar and Varghese's, "Efficient Fair Queuing Using
Deficit Round Robin", SIGCOMM 1995).
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from stream.events.asset import AssetChanged, AssetRef, Outcome, SegmentProgressed
from stream.events.base import Payload
from stream.events.grid import SECOND_NS
from stream.events.ids import AssetVersion
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.lanes import LANES, Lane, lane_of
from stream.worker.outstanding import CellName

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class RoundRobin(Generic[K]):
    """Deficit round robin over flows that pay afterwards.

    Between two flows that always wait and always may, services differ by less than a quantum and one charge (quanta
    apart in proportion where they differ). A flow that comes back has the balance it left with, until a new round.
    """

    def __init__(self, quantum: Callable[[K], float]) -> None:
        self._quantum = quantum
        self._balances: dict[K, float] = {}

    def next(self, waiting: Iterable[K], may: Callable[[K], bool]) -> K | None:
        """The flow to serve: of those waiting that may, the one with most of its quantum left (so whoever comes new is
        next), in a new round if none has any. None if none may.
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
        """As many rounds at once as it takes until somebody able may be served. A full balance is forgotten."""
        rounds = min(math.floor(-self._balance(flow) / self._quantum(flow)) + 1 for flow in able)
        topped = {flow: left + rounds * self._quantum(flow) for flow, left in self._balances.items()}
        self._balances = {flow: left for flow, left in topped.items() if left < self._quantum(flow)}


class Claim(NamedTuple):
    """Whose a record is. Records of one asset are never reordered, whatever their lanes."""

    tenant: str
    lane: Lane
    asset: str


class FairQueue(Generic[T]):
    """Items by lane and tenant: in order within a tenant and lane, fair between tenants, shared between lanes."""

    def __init__(self, *, quantum_s: float, batch_share: float) -> None:
        shares: Mapping[Lane, float] = {"interactive": 1.0 - batch_share, "batch": batch_share}
        self._lanes: RoundRobin[Lane] = RoundRobin(lambda lane: 4 * quantum_s * shares[lane])
        self._tenants: dict[Lane, RoundRobin[str]] = {lane: RoundRobin(lambda _: quantum_s) for lane in LANES}
        self._waiting: dict[Lane, dict[str, deque[tuple[Claim, T]]]] = {lane: {} for lane in LANES}
        self._held: dict[tuple[str, str], tuple[Lane, int]] = {}  # an asset's lane, and how many of it wait
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, claim: Claim, *, first: bool = False) -> None:
        """An item goes where others of its asset wait. `first`: it was taken before and comes back."""
        lane, count = self._held.get((claim.tenant, claim.asset), (claim.lane, 0))
        self._held[claim.tenant, claim.asset] = (lane, count + 1)
        claim = claim._replace(lane=lane)
        queue = self._waiting[lane].setdefault(claim.tenant, deque())
        (queue.appendleft if first else queue.append)((claim, item))
        self._count += 1

    def waits(self, lane: Lane) -> bool:
        return bool(self._waiting[lane])

    def may_any(self, may: Callable[[str, Lane], bool]) -> bool:
        """Whether `take` would yield something."""
        return any(may(tenant, lane) for lane in LANES for tenant in self._waiting[lane])

    def take(self, may: Callable[[str, Lane], bool]) -> tuple[Claim, T] | None:
        """The next item among tenants that may; None if none may. `charge` what it cost once that is known."""
        lane = self._lanes.next(
            [lane for lane in LANES if self._waiting[lane]],
            lambda lane: any(may(tenant, lane) for tenant in self._waiting[lane]),
        )
        if lane is None:
            return None
        waiting = self._waiting[lane]
        tenant = self._tenants[lane].next(waiting, lambda tenant: may(tenant, lane))
        assert tenant is not None, "somebody in this lane may"
        queue = waiting[tenant]
        claim, item = queue.popleft()
        if not queue:
            del waiting[tenant]
        self._release(claim)
        return claim, item

    def charge(self, claim: Claim, cost_s: float) -> None:
        self._lanes.charge(claim.lane, cost_s)
        self._tenants[claim.lane].charge(claim.tenant, cost_s)

    def drop(self, gone: Callable[[T], bool]) -> list[T]:
        """Remove and return the items that are no longer ours."""
        kept = [(claim, item) for lane in LANES for queue in self._waiting[lane].values() for claim, item in queue]
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

    def _release(self, claim: Claim) -> None:
        self._count -= 1
        lane, count = self._held.pop((claim.tenant, claim.asset))
        if count > 1:
            self._held[claim.tenant, claim.asset] = (lane, count - 1)


class _Held(NamedTuple):
    """What a cell holds of the credit."""

    cost_ns: int
    lane: Lane


class Credits:
    """What is outstanding: cells that `progress` says are planned and not yet settled, of all planning processes.

    Duplicates change nothing. `now_s` is a monotonic time in seconds. What is missed costs time, never work: a cell
    whose plan is missed is not counted, one whose end is missed counts until its asset or its lease ends.
    """

    def __init__(self, policy: AdmissionPolicy, stage: str) -> None:
        self._policy = policy
        self._stage = stage
        self._cells: dict[tuple[str, str], dict[tuple[AssetVersion, int], _Held]] = {}
        self._tenants: defaultdict[str, int] = defaultdict(int)
        self._assets: defaultdict[str, int] = defaultdict(int)
        self._heard_s: dict[str, float] = {}
        self.outstanding_ns = self.batch_ns = 0

    def tenant_ns(self, tenant: str) -> int:
        return self._tenants.get(tenant, 0)

    def may(self, tenant: str, lane: Lane = "interactive", *, contended: bool = False) -> bool:
        """Whether the tenant has credit left, all together have, and so has its lane. `contended`: interactive assets
        wait, whether they may or not.
        """
        if lane == "batch" and contended and self.batch_ns >= self._policy.batch_share * self.outstanding_ns > 0:
            return False
        share = 0.5 if lane == "batch" and not contended else 1.0
        policy = self._policy
        return (
            self._assets.get(tenant, 0) < policy.tenant_assets
            and self.tenant_ns(tenant) < policy.tenant_credit_s * SECOND_NS
            and len(self._cells) < share * policy.assets
            and self.outstanding_ns < share * policy.credit_s * SECOND_NS
        )

    def cost_ns(self, event: SegmentProgressed) -> int:
        """What a segment counts; hostile lengths count as what a segment can be."""
        return max(round(self._policy.record_cost_s * SECOND_NS), min(event.video_ns, 10 * SECOND_NS))

    def apply(self, payload: Payload, now_s: float) -> None:
        """Fold in an event of the `progress` topic."""
        if isinstance(payload, SegmentProgressed):
            cell = (payload.asset.version, payload.segment)
            if payload.stage == self._stage and payload.outcome is Outcome.DONE:
                self._put(payload, cell, now_s)
            elif payload.stage == self._policy.settled_by or payload.outcome is not Outcome.DONE:
                self._settle(payload.asset, [cell], now_s)
        elif isinstance(payload, AssetChanged) and payload.status.final:
            cells = self._cells.get(_owner(payload.asset), {})
            self._settle(payload.asset, [it for it in cells if it[0] <= payload.asset.version], now_s)

    def lost(self, cells: Iterable[CellName]) -> None:
        """Cells that will not come."""
        for name in cells:
            self._remove(name[:2], [(name.version, name.segment)])

    def expire(self, now_s: float) -> None:
        """Forget tenants that nothing was heard of: their news is lost, or their work waits and is counted there."""
        lost = {tenant for tenant, heard_s in self._heard_s.items() if now_s - heard_s >= self._policy.lease_s}
        if not lost:
            return
        for owner in [owner for owner in self._cells if owner[0] in lost]:
            self._remove(owner, list(self._cells[owner]))

    def _put(self, event: SegmentProgressed, cell: tuple[AssetVersion, int], now_s: float) -> None:
        ref, owner = event.asset, _owner(event.asset)
        self._heard_s[ref.tenant] = now_s
        if owner not in self._cells:
            self._cells[owner] = {}
            self._assets[ref.tenant] += 1
        cells = self._cells[owner]
        if cell not in cells:
            held = cells[cell] = _Held(self.cost_ns(event), lane_of(event.priority or "interactive"))
            self._tenants[ref.tenant] += held.cost_ns
            self._count(held, 1)

    def _settle(self, ref: AssetRef, cells: Iterable[tuple[AssetVersion, int]], now_s: float) -> None:
        if ref.tenant in self._heard_s:
            self._heard_s[ref.tenant] = now_s
            self._remove(_owner(ref), cells)

    def _remove(self, owner: tuple[str, str], cells: Iterable[tuple[AssetVersion, int]]) -> None:
        held = self._cells.get(owner, {})
        freed = [found for cell in cells if (found := held.pop(cell, None)) is not None]
        for found in freed:
            self._count(found, -1)
        self._tenants[owner[0]] -= sum(found.cost_ns for found in freed)
        if not held and self._cells.pop(owner, None) is not None:
            self._assets[owner[0]] -= 1
        if not self._tenants[owner[0]]:
            del self._tenants[owner[0]]
            self._assets.pop(owner[0], None)
            self._heard_s.pop(owner[0], None)

    def _count(self, held: _Held, sign: int) -> None:
        self.outstanding_ns += sign * held.cost_ns
        if held.lane == "batch":
            self.batch_ns += sign * held.cost_ns


def _owner(ref: AssetRef) -> tuple[str, str]:
    return ref.tenant, ref.asset_id
