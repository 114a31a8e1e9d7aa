"""What a process runs, as data: `Operator`, `BatchPolicy` and `Stage`. No loop here; that is `stream.worker.worker`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from typing_extensions import TypeVar

from stream.errors import StageError
from stream.events.base import Event, Payload
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.unit import VIDEO_SECONDS, Unit

In_contra = TypeVar("In_contra", bound=Payload, contravariant=True, default=Payload)


class Operator(Protocol[In_contra]):
    """The one part that differs between stages. It receives only payloads that the topics of its stage carry.

    `process` turns a batch into output events. With a batch of one, outputs are sent as they are yielded, so a long
    record streams. With a larger batch, outputs are held back until the whole batch has succeeded. An output may be
    sent again after a retry, so outputs are deterministic and their effects idempotent.
    """

    def open(self) -> None:
        """Load weights, open connections. Called once, before the group is joined; again only after `Unavailable`."""

    def process(self, events: Sequence[Event[In_contra]]) -> Iterable[Event]:
        """Raises the kinds of `stream.errors`; any other exception counts as a defect of the operator or the record."""

    def failed(self, event: Event[In_contra], error: StageError) -> Iterable[Event]:
        """The events that inform the topology when `event` becomes a dead letter (such as `SegmentFailed`)."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """A batch is full at `max_records` or `max_bytes`, and due `max_wait_s` after its first record arrived.

    `min_interval_s` paces batches that are not full. `burst` of them may follow each other at once; after that they
    wait for more records, so that on average one leaves per interval. A batch after a quiet time is never delayed.
    """

    max_records: int = 1
    max_bytes: int = 32 * 1024 * 1024
    max_wait_s: float = 0.0
    min_interval_s: float = 0.0
    burst: int = 1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Attempt n (from 1) waits a random time up to min(max_delay_s, base_delay_s * 2**(n-1)) (full jitter)."""

    max_attempts: int = 4
    base_delay_s: float = 0.5
    max_delay_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica requests; deployment manifests derive from it. It may use `spare_bytes` of memory beyond its
    request, as for a hostile file: nothing is reserved for that, but its use ends no replica.
    """

    cpus: float = 1.0
    memory_bytes: int = 1 << 30
    spare_bytes: int = 0
    gpus: int = 0


class Role(StrEnum):
    """What limits a stage, and so which resource would help: reading and decoding of footage, models, or a store.
    `control` stages handle small events; `work` is none of these.
    """

    DECODE = "decode"
    MODEL = "model"
    SINK = "sink"
    CONTROL = "control"
    WORK = "work"


Volume = Literal["state", "cache", "media", "audit", "register", "scratch"]
"""What a stage needs on disk: the stores, the weights of models, the footage, an audit trail of its own, a register
that nobody else opens, or room for large temporary files.
"""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a stage is scaled. `prior_rate`: units per second of one replica on two cores, until it is measured. `share`:
    the part of the objective within which the stage aims to finish a subject, as other stages follow.
    """

    prior_rate: float = 1.0
    share: float = 0.6


@dataclass(frozen=True, slots=True)
class Launch:
    """How the stage's processes are started. `volumes`: see `Volume`. `same_models`: the result depends on the models
    of the roll-out, so a process with other models is refused. `command` of `rushes`, and extra `arguments` of it.
    `observed_with`: the option that tells observers of an optional stage, or how often it may run.
    """

    volumes: frozenset[Volume] = frozenset()
    same_models: bool = False
    arguments: tuple[str, ...] = ()
    command: tuple[str, ...] = ("run",)
    observed_with: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One node of a topology. Its consumer group has the stage's name.

    `sources` and `targets` are topic names; operators may emit only event types whose topic is in `targets`.
    `concurrency` is the number of group members one process runs. `max_replicas` None means unbounded; 1 marks a single
    writer. The stage does not pull while one of its `throttled_by` topics holds more than `max_unread_bytes` that some
    consuming stage has not acknowledged. With `admission` it reads ahead and serves tenants in turn, one record at a
    time. Records of `urgent_sources`, some of its sources, go before all others, in batches of their own. With
    `in_turn` it reads ahead too: lanes and tenants take turns, and so do the subjects of each tenant, record by record;
    a subject that had no turn yet does not wait for what others sent into a topic of `throttled_by`.

    Its work is counted in `unit`. It reports progress if one of its targets carries progress (see `Topology.reports`).
    With `settles`, its report ends the work of a part. `in_order`: where the broker refuses an output, what followed it
    is sent again too, so that the outputs of a partition's records never change their order.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    operator: Callable[[], Operator[Any]]
    batch: BatchPolicy = field(default_factory=BatchPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int = 1
    max_replicas: int | None = None
    urgent_sources: tuple[str, ...] = ()
    in_turn: bool = False
    throttled_by: tuple[str, ...] = ()
    max_unread_bytes: int = 64 * 1024 * 1024
    resources: Resources = field(default_factory=Resources)
    admission: AdmissionPolicy | None = None
    role: Role = Role.WORK
    unit: Unit = VIDEO_SECONDS
    settles: bool = False
    in_order: bool = False
    scaling: Scaling = field(default_factory=Scaling)
    launch: Launch = field(default_factory=Launch)
