"""Records and the broker contract. Every broker passes `tests/contract/test_brokers.py`; no client library here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

IN_HAND = 128
"""More records of a partition than this no worker holds that takes them in order (see `stream.worker.buffer`)."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic partition.

    `append_time_ms` is the broker's; `epoch` is the assignment under which this consumer received it, so that
    an acknowledgement that outlives the assignment can be recognised and ignored. `deaths` is None unless workers died
    with it: then it must be tried alone, and `deaths` is how many died having it alone in their hands. `unreadable`: a
    header's name is no UTF-8, so none of them is known, and the record is no event.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)
    append_time_ms: int = 0
    epoch: int = 0
    deaths: int | None = None
    unreadable: bool = False


def record_size(key: bytes, value: bytes, headers: Mapping[str, bytes]) -> int:
    """What counts against `max_message_bytes` and the backlog."""
    return len(key) + len(value) + sum(map(len, headers)) + sum(map(len, headers.values()))


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a broker must know of a topic to create or check it. `max_message_bytes` bounds key, value and headers.

    `retention_ms` None keeps records until every declared group has acknowledged them and `Broker.trim` frees them; a
    number keeps each that long, read or not.
    """

    name: str
    partitions: int = 1
    max_message_bytes: int = 8 * 1024 * 1024
    retention_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a group has not acknowledged of a topic: unread and in flight.

    `oldest_append_time_ms` is None when nothing is left.
    """

    records: int
    bytes: int
    oldest_append_time_ms: int | None


class Delivery(Protocol):
    """The fate of one sent record of `size` bytes (see `record_size`), known after `Producer.flush`."""

    @property
    def size(self) -> int: ...
    def done(self) -> bool: ...
    def error(self) -> str | None:
        """None when durable; a reason otherwise. Only meaningful once `done()`."""


class Consumer(Protocol):
    """One member of a consumer group over fixed topics. Used from one thread, but `ack` may come from any."""

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Up to `max_records`, in offset order within a partition; empty after `timeout_s` or while paused.

        Must be called regularly, also while the caller is busy: it keeps the membership alive and serves rebalances.
        """

    @property
    def trouble(self) -> str | None:
        """Why no record can come now (`unavailable: …`), although nothing failed. From any thread."""

    def ack(self, records: Iterable[Record]) -> None:
        """The records' effects are durable. Any order; duplicates and stale epochs are ignored."""

    def owns(self, record: Record) -> bool:
        """Whether the assignment that delivered the record still holds; if not, another member gets it again."""

    def try_alone(self, record: Record) -> None:
        """Leave word that nothing but this record is in hand, should the process die now; waits until that is durable.
        Raises `Unavailable`.
        """

    def put_off(self, record: Record) -> None:
        """What `try_alone` left word of is over, without a result: nothing is being tried."""

    def pause(self) -> None:
        """`poll` returns nothing until `resume`, also across a rebalance."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """Commit what is acknowledged and leave the group. Idempotent. Unacknowledged records go to the next member."""


class Follower(Protocol):
    """Reads all partitions of a topic outside any group: for news that may be missed. Used from one thread.

    `behind`: records of its history that it has not given yet.
    """

    @property
    def behind(self) -> int: ...

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As `Consumer.poll`. Raises nothing while the broker is away."""

    def close(self) -> None: ...


class Producer(Protocol):
    """Thread-safe. Never blocks for ever, never drops silently."""

    def send(self, topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> Delivery:
        """Queue one record. Raises `Unavailable` when the local queue is full, `BadEvent` when it is too large."""

    def flush(self, timeout_s: float) -> None:
        """Wait until everything sent is durable. Raises `Unavailable` if it is not within `timeout_s`."""

    def close(self) -> None: ...


class Broker(Protocol):
    def ensure(self, topics: Iterable[TopicSpec]) -> None:
        """Create what is missing and check what exists. Raises `Fatal` on a mismatch, never alters a topic. Another
        number of partitions is none: whoever runs the broker may add some at any time.
        """

    def declare(self, topic: str, group: str) -> None:
        """Records of `topic` are kept until `group` has acknowledged them, though it may have no member yet."""

    def consumer(self, topics: Sequence[str], group: str, *, in_hand: int = IN_HAND) -> Consumer:
        """A new member of `group`. A group that was never seen starts at the first kept record of each partition.

        `in_hand`: as many records of a partition, and no more, may be delivered and wait in no particular order.
        """

    def follow(self, topic: str, history: int) -> Follower:
        """From `history` records before the end of each partition, as far as they are kept; none is kept for it."""

    def producer(self) -> Producer: ...

    def backlog(self, topic: str, group: str) -> Backlog: ...

    def unread_bytes(self, topic: str, group: str) -> int:
        """`backlog(topic, group).bytes`, asked often: a broker may estimate it."""

    def cluster(self) -> str:
        """What tells it from every other one; empty for one that ends with its process."""

    def trim(self, topic: str, groups: Sequence[str], *, kept_ms: int = 0) -> int:
        """Free what every one of `groups` has acknowledged and came more than `kept_ms` ago; how many records went.

        A group without a place keeps everything, and so does an empty list. A broker that frees by itself returns 0.
        """

    def close(self) -> None: ...
