"""The records that wait for their first attempt, as the worker sees them: by arrival, or by admission."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from stream.broker.contract import IN_HAND, Broker, Record
from stream.events.base import Event
from stream.topology.stage import BatchPolicy
from stream.worker.batching import Batcher
from stream.worker.work import Work

MIN_RECORDS = 16
MIN_QUICK_RECORDS = 64
"""One poll costs as much as a few records that take no time."""


class Queue(Protocol):
    """A queue of a worker's buffer. The worker calls the hooks of every queue; most queues do nothing in most of them.

    `capacity` and `max_bytes` bound what waits. `in_hand` is how many records the group may hand out ahead of
    acknowledgements. `takes_suspects`: records that may have killed their reader wait in this queue as well.
    """

    @property
    def bytes(self) -> int: ...

    capacity: int
    max_bytes: int
    in_hand: int
    takes_suspects: bool

    def __len__(self) -> int: ...
    def add(self, item: Work, *, size: int, now_s: float) -> None: ...
    def put_back(self, items: Sequence[tuple[Work, int]]) -> None: ...
    def due_s(self) -> float | None: ...
    def ready(self, now_s: float) -> bool: ...
    def take(self, now_s: float) -> list[Work]: ...

    def low(self) -> bool:
        """Whether the worker should poll more although records wait."""

    def quick(self) -> None:
        """Called when all records of the queue were processed at once."""

    def open(self, broker: Broker) -> None:
        """Called before the group is joined. Raises `Unavailable`."""

    def charging(self, work: Work, outputs: Iterable[Event]) -> Iterable[Event]:
        """The unchanged outputs of the batch that begins with `work`."""

    def newcomer(self) -> bool:
        """Whether a record waits for which the one in hand should stop."""

    def hold_back(self, held: bool) -> bool:
        """Called with `held` while outputs are not read fast enough. Returns whether something need not wait for that;
        until it is called without `held`, the queue gives nothing else.
        """

    def drop(self, gone: Callable[[Record], bool]) -> int:
        """Forget records that belong to another member by now. Returns how many. A queue may leave them for `take`."""

    def close(self) -> None: ...


class PlainQueue:
    """What most queues do in the hooks of `Queue`: nothing."""

    takes_suspects = False

    def quick(self) -> None: ...

    def open(self, broker: Broker) -> None: ...

    def charging(self, work: Work, outputs: Iterable[Event]) -> Iterable[Event]:  # noqa: ARG002
        return outputs

    def newcomer(self) -> bool:
        return False

    def hold_back(self, held: bool) -> bool:  # noqa: ARG002
        return False

    def drop(self, gone: Callable[[Record], bool]) -> int:  # noqa: ARG002
        return 0

    def close(self) -> None: ...


class BatchQueue(PlainQueue, Batcher[Work]):
    """By arrival. Holds two batches, but at least `MIN_RECORDS`; of quick records at least `MIN_QUICK_RECORDS`."""

    in_hand = IN_HAND

    def __init__(self, policy: BatchPolicy) -> None:
        super().__init__(policy)
        self.max_bytes = policy.max_bytes
        self.capacity = max(2 * policy.max_records, MIN_RECORDS)

    def low(self) -> bool:
        return len(self) < self._max_records

    def quick(self) -> None:
        """Hold more from now on: quick records do not make others wait long."""
        self.capacity = max(self.capacity, MIN_QUICK_RECORDS)
