"""Records and the broker contract. Every broker passes `tests/contract/test_brokers.py`; no client library here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

IN_HAND = 128
"""The most records of a partition that a worker holds if it takes them in order (see `stream.worker.buffer`)."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic partition.

    `append_time_ms` is the broker's. `epoch` is the assignment under which this consumer received it, so that a late
    acknowledgement can be recognised and ignored. `deaths` is None unless workers died with the record: then it must be
    tried alone, and `deaths` is how many died while they tried it alone. `unreadable`: the name of a header is no
    UTF-8, so no header is known and the record is no event.
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
    """The size that counts against `max_message_bytes` and in the backlog."""
    return len(key) + len(value) + sum(map(len, headers)) + sum(map(len, headers.values()))


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a broker must know of a topic to create or check it. `max_message_bytes` bounds key, value and headers.

    With `retention_ms` None, records are kept until every declared group has acknowledged them and `Broker.trim`
    deletes them. A number keeps each record that long, read or not. `in_any_order`: no record has to come before
    another, so a broker that sees how much each member has may give a record to who has least, whatever its key.
    """

    name: str
    partitions: int = 1
    max_message_bytes: int = 8 * 1024 * 1024
    retention_ms: int | None = None
    in_any_order: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """The records of a topic that a group has not acknowledged: unread and in flight.

    `oldest_append_time_ms` is None when nothing is left.
    """

    records: int
    bytes: int
    oldest_append_time_ms: int | None


class Delivery(Protocol):
    """The result of sending one record of `size` bytes (see `record_size`), known after `Producer.flush`."""

    @property
    def size(self) -> int: ...
    def done(self) -> bool: ...
    def error(self) -> str | None:
        """None when durable, else the reason. Valid only once `done()` is true."""


class Consumer(Protocol):
    """One member of a consumer group over fixed topics. Used from one thread, but `ack` may come from any."""

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Up to `max_records`, in offset order within a partition; empty after `timeout_s` or while paused.

        Must be called regularly, also while the caller is busy: it keeps the membership alive and serves rebalances.
        """

    def keep_alive(self) -> None:
        """The caller is at work and polls later: its membership lasts as if it had polled now. From any thread."""

    @property
    def trouble(self) -> str | None:
        """The reason why no record can come now (`unavailable: …`) although no call failed. From any thread."""

    def ack(self, records: Iterable[Record]) -> None:
        """The effects of the records are durable. Any order; duplicates and stale epochs are ignored."""

    def owns(self, record: Record) -> bool:
        """Whether the assignment that delivered the record still holds. If not, another member receives it again."""

    def try_alone(self, record: Record) -> None:
        """Record durably that this process now holds nothing but this record, in case it dies. Waits until that is
        stored. Raises `Unavailable`.
        """

    def put_off(self, record: Record) -> None:
        """The attempt announced by `try_alone` is over without a result: no record is being tried."""

    def pause(self) -> None:
        """`poll` returns nothing until `resume`, also across a rebalance."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """Commit what is acknowledged and leave the group. Idempotent. Unacknowledged records go to the next member."""


class Follower(Protocol):
    """Reads all partitions of a topic outside any group, for records that may be missed. Used from one thread.

    `behind`: records of its history that it has not returned yet.
    """

    @property
    def behind(self) -> int: ...

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As `Consumer.poll`. Raises nothing while the broker is unavailable."""

    def close(self) -> None: ...


class Producer(Protocol):
    """Thread-safe. Never blocks for ever and never drops a record silently."""

    def send(self, topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> Delivery:
        """Queue one record. Raises `Unavailable` when the local queue is full, `BadEvent` when it is too large."""

    def flush(self, timeout_s: float) -> None:
        """Wait until everything sent is durable. Raises `Unavailable` if that takes longer than `timeout_s`."""

    def close(self) -> None: ...


class Broker(Protocol):
    def ensure(self, topics: Iterable[TopicSpec]) -> None:
        """Create missing topics and check existing ones. Raises `Fatal` on a mismatch and never alters a topic. Another
        number of partitions is no mismatch: whoever runs the broker may add some at any time.
        """

    def declare(self, topic: str, group: str) -> None:
        """Keep the records of `topic` until `group` has acknowledged them, even if it has no member yet."""

    def consumer(self, topics: Sequence[str], group: str, *, in_hand: int = IN_HAND) -> Consumer:
        """A new member of `group`. An unknown group starts at the first kept record of each partition.

        `in_hand`: at most this many records of a partition are delivered and wait in no particular order.
        """

    def follow(self, topic: str, history: int) -> Follower:
        """Starts `history` records before the end of each partition, as far as they are kept. It keeps none itself."""

    def producer(self) -> Producer: ...

    def backlog(self, topic: str, group: str) -> Backlog: ...

    def unread_bytes(self, topic: str, group: str) -> int:
        """`backlog(topic, group).bytes`. It is called often, so a broker may estimate it."""

    def cluster(self) -> str:
        """An id that tells this broker from every other; empty for one that ends with its process."""

    def trim(self, topic: str, groups: Sequence[str], *, kept_ms: int = 0) -> int:
        """Delete records that all `groups` have acknowledged and that were appended more than `kept_ms` ago. Returns
        how many.

        A group without a commit keeps everything, and so does an empty list. A broker that deletes by itself returns 0.
        """

    def close(self) -> None: ...
