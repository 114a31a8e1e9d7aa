"""How a stage admits the records that it reads, as data."""

import math
from dataclasses import dataclass
from typing import NamedTuple

BATCH_SHARE = 0.2
"""Of the turns, where interactive work waits too."""


class Hop(NamedTuple):
    """A stage on the way of planned cells. It reads `topic`, where stage `after` puts them. `failures`: it also
    receives cells that failed before it. A stage that reports nothing sends its input back into the same topic.
    """

    stage: str
    topic: str
    after: str
    failures: bool = False
    reports: bool = True


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """How a stage admits the records that it reads. Credit, quantum and cost are in the stage's unit (ADR 0021).

    At most `read_ahead_records` (and bytes) wait inside the worker, where tenants overtake each other; the rest waits
    in the topic. A tenant is served while it has less than `tenant_credit` and fewer than `tenant_assets` outstanding,
    and while all tenants together have less than `credit` and fewer than `assets`. The credit bounds the work of long
    assets, the number that of short ones (ADR 0026). One asset may overdraw the credit, and counts for
    no more than `asset_credit`. The batch lane alone leaves
    half of the common limits free. Where interactive assets wait too, it gets `batch_share` of the turns and of what is
    outstanding, and so of the later stages. `record_cost` is the cost of an inspection;
    no part counts less. A part is outstanding until a stage of `settled_by` or a failure reports it, or until it is
    known to be lost on its `way`; the topology sets both. A tenant without a report for `lease_s` of real time has
    nothing outstanding.
    """

    tenant_credit: float
    credit: float
    tenant_assets: float = math.inf
    assets: float = math.inf
    asset_credit: float = math.inf
    batch_share: float = BATCH_SHARE
    quantum: float = 10.0
    record_cost: float = 1.0
    settled_by: tuple[str, ...] = ()
    lease_s: float = 600.0
    # Below the 22,800 offsets that the bitmap of a commit holds (ADR 0021).
    read_ahead_records: int = 16_384
    read_ahead_bytes: int = 32 << 20
    way: tuple[Hop, ...] = ()
