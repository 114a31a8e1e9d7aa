"""How a stage admits what it reads, as data."""

import math
from dataclasses import dataclass
from typing import NamedTuple


class Hop(NamedTuple):
    """A stage on the way of cells: it reads `topic`, where `after` puts them. `failures`: those that failed before it
    come to it too. One that reports nothing sends what it read round once more.
    """

    stage: str
    topic: str
    after: str
    failures: bool = False
    reports: bool = True


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """How a stage admits what it reads. Credit, quantum and cost are in the stage's unit.

    At most `read_ahead_records` (and bytes) wait inside the worker, where tenants overtake each other; the rest waits
    in the topic. A tenant is served while less than `tenant_credit` and fewer than `tenant_assets` of it are
    outstanding, anybody while less than `credit` and fewer than `assets` are in all: the credit bounds what long
    assets may have at work, the number what short ones may. One asset may overdraw the credit. The batch lane alone
    leaves half of what is for all to whoever comes; where interactive assets wait too, it gets `batch_share` of the
    turns and of what is outstanding, and so of the stages that work first come, first served.
    `record_cost` is what inspecting costs; no part counts less. A part is outstanding until a stage of `settled_by` or
    a failure reports it, or it is known to be lost on its `way`; the topology says both. A tenant that nothing was
    heard of for `lease_s` of real time has nothing outstanding.
    """

    tenant_credit: float
    credit: float
    tenant_assets: float = math.inf
    assets: float = math.inf
    batch_share: float = 0.2
    quantum: float = 10.0
    record_cost: float = 1.0
    settled_by: tuple[str, ...] = ()
    lease_s: float = 600.0
    read_ahead_records: int = 16_384
    read_ahead_bytes: int = 32 << 20
    way: tuple[Hop, ...] = ()
