"""What a process runs, as data: `Operator`, `BatchPolicy` and `Stage`. No loop here; that is `stream.worker.worker`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stream.errors import StageError
from stream.events.base import Event
from stream.topology.admission_policy import AdmissionPolicy


class Operator(Protocol):
    """The one thing that differs between stages.

    `process` turns a batch into output events. With a batch of one, outputs are sent as they are yielded, so a long
    record streams; with more, they are withheld until the whole batch succeeded. An output may therefore be sent
    again after a retry: outputs are deterministic and their effects idempotent.
    """

    def open(self) -> None:
        """Load weights, open connections. Called once, before the group is joined; again only after `Unavailable`."""

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """Raises the kinds of `stream.errors`; any other exception counts as a defect of the operator or the record."""

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
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


@dataclass(frozen=True, slots=True)
class Stage:
    """One node of a topology. The consumer group carries the stage's name.

    `sources` and `targets` are topic names; operators may emit only event types whose topic is in `targets`.
    `concurrency` is the number of group members one process runs. `max_replicas` None means unbounded; 1 marks a
    single writer. The stage does not pull while any of its `throttled_by` topics holds more than `max_unread_bytes`
    that some consuming stage has not acknowledged. With `admission` it reads ahead and serves tenants in turn, one
    record at a time.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    operator: Callable[[], Operator]
    batch: BatchPolicy = field(default_factory=BatchPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int = 1
    max_replicas: int | None = None
    throttled_by: tuple[str, ...] = ()
    max_unread_bytes: int = 64 * 1024 * 1024
    resources: Resources = field(default_factory=Resources)
    admission: AdmissionPolicy | None = None
