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
    """The one thing that differs between stages. It is given what the topics of its stage carry, and nothing else.

    `process` turns a batch into output events. With a batch of one, outputs are sent as they are yielded, so a long
    record streams; with more, they are withheld until the whole batch succeeded. An output may therefore be sent
    again after a retry: outputs are deterministic and their effects idempotent.
    """

    def open(self) -> None:
        """Load weights, open connections. Called once, before the group is joined; again only after `Unavailable`."""

    def process(self, events: Sequence[Event[In_contra]]) -> Iterable[Event]:
        """Raises the kinds of `stream.errors`; any other exception counts as a defect of the operator or the record."""

    def failed(self, event: Event[In_contra], error: StageError) -> Iterable[Event]:
        """What the rest of the topology must learn when `event` becomes a dead letter (such as `SegmentFailed`)."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """A batch is full at `max_records` or `max_bytes`, and due `max_wait_s` after its first record arrived.

    `min_interval_s` paces batches that are not full: `burst` of them may follow each other as they come, more wait for
    company until on average one an interval has passed. What comes after a rest is never held up.
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
    """What one replica asks for; deployment manifests derive from it. It may take `spare_bytes` of memory beyond what
    it asks for, as for a hostile file: nothing is reserved for that, but taking it ends no replica.
    """

    cpus: float = 1.0
    memory_bytes: int = 1 << 30
    spare_bytes: int = 0
    gpus: int = 0


class Role(StrEnum):
    """What a stage lives on, and so what would help it: reading and decoding of footage, models, a store. `control`
    moves small events about; `work` is none of these.
    """

    DECODE = "decode"
    MODEL = "model"
    SINK = "sink"
    CONTROL = "control"
    WORK = "work"


Volume = Literal["state", "cache", "media"]
"""What a stage needs on disk: the stores, the models' weights, the footage itself."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a stage is scaled. `prior_rate`: units a second of one replica on two cores, until it is measured. `share`:
    of the objective, the age by which the stage aims to be done with a subject, as others come after it.
    """

    prior_rate: float = 1.0
    share: float = 0.6


@dataclass(frozen=True, slots=True)
class Launch:
    """How the stage's processes are started. `volumes`: see `Volume`. `same_models`: what it does depends on the
    models of the roll-out, so a process that has others is refused. `arguments`: of its own, for `rushes run`.
    `observed_with`: of an optional stage, the option by which observers know that it is there.
    """

    volumes: frozenset[Volume] = frozenset()
    same_models: bool = False
    arguments: tuple[str, ...] = ()
    observed_with: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One node of a topology. The consumer group carries the stage's name.

    `sources` and `targets` are topic names; operators may emit only event types whose topic is in `targets`.
    `concurrency` is the number of group members one process runs. `max_replicas` None means unbounded; 1 marks a
    single writer. The stage does not pull while any of its `throttled_by` topics holds more than `max_unread_bytes`
    that some consuming stage has not acknowledged. With `admission` it reads ahead and serves tenants in turn, one
    record at a time.

    Its work counts in `unit`. It reports progress where one of its targets carries that (see `Topology.reports`); its
    report ends the work of a part where it `settles`.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    operator: Callable[[], Operator[Any]]
    batch: BatchPolicy = field(default_factory=BatchPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int = 1
    max_replicas: int | None = None
    throttled_by: tuple[str, ...] = ()
    max_unread_bytes: int = 64 * 1024 * 1024
    resources: Resources = field(default_factory=Resources)
    admission: AdmissionPolicy | None = None
    role: Role = Role.WORK
    unit: Unit = VIDEO_SECONDS
    settles: bool = False
    scaling: Scaling = field(default_factory=Scaling)
    launch: Launch = field(default_factory=Launch)
