"""The broker in memory: one process, no files. It frees a record once all groups of its topic have acknowledged it."""

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stream.broker.contract import IN_HAND, Backlog, Record, TopicSpec, record_size
from stream.broker.memory.group import Group
from stream.broker.memory.log import Cursor, Log
from stream.clock import Clock
from stream.errors import BadEvent, Fatal
from stream.events.murmur2 import partition_of

MAX_UNREAD_RECORDS = 100_000
"""Records that a follower may leave unread."""


@dataclass(slots=True)
class _Topic:
    spec: TopicSpec
    logs: list[Log]
    groups: dict[str, list[Cursor]] = field(default_factory=dict)
    followers: list["MemoryFollower"] = field(default_factory=list)


class MemoryBroker:
    """A `Broker` for one process; thread-safe.

    `partitions` overrides the partition count of every topic, as one process needs no more than it has members. Records
    of a topic without groups wait for the first group, or are dropped at once without `keep_unclaimed`. Append times
    come from the clock, start at `append_floor_ms` or later and never go back. So (append time, offset) orders a
    partition, also across processes if the floor is above the highest time used before.
    """

    def __init__(
        self, clock: Clock, *, partitions: int | None = None, keep_unclaimed: bool = True, append_floor_ms: int = 0
    ) -> None:
        self._clock = clock
        self._partitions = partitions
        self._keep_unclaimed = keep_unclaimed
        self._append_ms = append_floor_ms
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, Group[MemoryConsumer]] = {}
        self._epochs = itertools.count(1)
        # Two conditions over one lock: an acknowledgement must not wake every consumer that waits for records.
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        self._acked = threading.Condition(lock)

    def ensure(self, topics: Iterable[TopicSpec]) -> None:
        with self._changed:
            for spec in topics:
                known = self._topics.get(spec.name)
                if known is None:
                    count = self._partitions or spec.partitions
                    self._topics[spec.name] = _Topic(spec, [Log() for _ in range(count)])
                elif replace(known.spec, partitions=spec.partitions) != spec:
                    raise Fatal(f"topic {spec.name!r} exists as {known.spec}, not {spec}", code="topic_mismatch")

    def declare(self, topic: str, group: str) -> None:
        with self._changed:
            self._declare(topic, group)

    def consumer(self, topics: Sequence[str], group: str, *, in_hand: int = IN_HAND) -> "MemoryConsumer":  # noqa: ARG002 - acknowledgements need no room here
        with self._changed:
            for topic in topics:
                self._declare(topic, group)
            joined = self._groups[group]
            member = MemoryConsumer(joined, tuple(topics), self._changed, self._acked)
            joined.join(member)
            self._changed.notify_all()
            return member

    def follow(self, topic: str, history: int) -> "MemoryFollower":
        with self._changed:
            known = self._topic(topic)
            follower = MemoryFollower(self._changed, known.followers)
            known.followers.append(follower)
            for log in known.logs:
                follower.unread.extend(stored.record for stored in list(log.kept.values())[-history or len(log.kept) :])
            return follower

    def producer(self) -> "MemoryProducer":
        return MemoryProducer(self)

    def backlog(self, topic: str, group: str) -> Backlog:
        """The group's backlog; for a group that was never declared, everything kept."""
        with self._changed:
            known = self._topic(topic)
            cursors = known.groups.get(group)
            if cursors is None:
                return _kept(known.logs)
            oldest = [at for cursor in cursors if (at := cursor.oldest_append_time_ms()) is not None]
            return Backlog(
                sum(cursor.unacked_records for cursor in cursors),
                sum(cursor.unacked_bytes for cursor in cursors),
                min(oldest, default=None),
            )

    def unread_bytes(self, topic: str, group: str) -> int:
        return self.backlog(topic, group).bytes

    def cluster(self) -> str:
        return ""

    def trim(self, topic: str, groups: Sequence[str], *, kept_ms: int = 0) -> int:  # noqa: ARG002 - the contract's
        """Nothing to do: records that all groups have acknowledged are freed at once."""
        return 0

    def quiescent(self) -> bool:
        """Whether every declared group has acknowledged everything.

        A worker acknowledges only after it has sent its outputs, so work in flight is counted.
        """
        with self._changed:
            return self._quiescent()

    def wait_quiescent(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` of real time until everything is acknowledged; returns whether it is."""
        with self._changed:
            return self._acked.wait_for(self._quiescent, timeout_s)

    def kept(self, topic: str) -> Backlog:
        """All records that the broker still holds of a topic."""
        with self._changed:
            return _kept(self._topic(topic).logs)

    def close(self) -> None:
        with self._changed:
            members = [member for group in self._groups.values() for member in group.members]
        for member in members:
            member.close()

    def _topic(self, name: str) -> _Topic:
        known = self._topics.get(name)
        if known is None:
            raise Fatal(f"topic {name!r} does not exist: call ensure() first", code="unknown_topic")
        return known

    def _declare(self, topic: str, group: str) -> None:
        known = self._topic(topic)
        if group not in known.groups:
            cursors = [Cursor(log) for log in known.logs]
            known.groups[group] = cursors
            self._groups.setdefault(group, Group(self._epochs)).add(topic, cursors)

    def _least_busy(self, topic: _Topic) -> int:
        """The partition whose readers have the fewest records that are not acknowledged; of equal ones the emptiest."""
        loads: list[tuple[int, int]] = [(0, 0)] * len(topic.logs)
        for group, cursors in topic.groups.items():
            of_member = self._groups[group].unacked_records()
            for at, (cursor, (busy, own)) in enumerate(zip(cursors, loads, strict=True)):
                loads[at] = busy + of_member[cursor.owner], own + cursor.unacked_records
        return loads.index(min(loads))

    def _quiescent(self) -> bool:
        groups = (cursors for topic in self._topics.values() for cursors in topic.groups.values())
        return not any(cursor.unacked_records for cursors in groups for cursor in cursors)

    def append(self, topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Append one record, for `MemoryProducer.send`. Its partition is the one that Kafka's clients choose, but for
        topics whose records may come in any order.
        """
        size = record_size(key, value, headers)
        with self._changed:
            known = self._topic(topic)
            if size > known.spec.max_message_bytes:
                raise BadEvent(
                    f"a record of {size} bytes is over the {known.spec.max_message_bytes} bytes of topic {topic!r}",
                    code="record_too_large",
                )
            partition = self._least_busy(known) if known.spec.in_any_order else partition_of(key, len(known.logs))
            log = known.logs[partition]
            self._append_ms = max(self._append_ms, self._clock.now_ms())
            record = Record(topic, partition, log.end, key, value, dict(headers), self._append_ms)
            for follower in known.followers:
                follower.unread.append(record)
            if not known.groups and not self._keep_unclaimed:
                log.skip()
            else:
                log.append(record, size, len(known.groups))
            for cursors in known.groups.values():
                cursors[partition].appended(size)
            self._changed.notify_all()


class MemoryConsumer:
    """A group member. Made by `MemoryBroker.consumer`."""

    def __init__(
        self,
        group: "Group[MemoryConsumer]",
        topics: tuple[str, ...],
        changed: threading.Condition,
        acked: threading.Condition,
    ) -> None:
        self.topics = topics
        self._group = group
        self._changed = changed
        self._acked = acked
        self._paused = False
        self._closed = False
        self._turn = 0

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        with self._changed:
            if timeout_s > 0:
                self._changed.wait_for(lambda: self._closed or self._readable(), timeout_s)
            return self._take(max_records)

    def ack(self, records: Iterable[Record]) -> None:
        with self._changed:
            for record in records:
                if self._owns(record):
                    self._group.cursors[record.topic, record.partition].ack(record.offset)
            self._acked.notify_all()

    def keep_alive(self) -> None:
        """Does nothing: no member is taken for dead here."""

    @property
    def trouble(self) -> str | None:
        return None

    def owns(self, record: Record) -> bool:
        return self._owns(record)  # without the lock: the answer may be outdated as soon as it is given

    def try_alone(self, record: Record) -> None:
        """Does nothing: state does not outlive the process, so there is no next owner to inform."""

    def put_off(self, record: Record) -> None:
        """Does nothing, like `try_alone`."""

    def pause(self) -> None:
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False

    def close(self) -> None:
        with self._changed:
            if not self._closed:
                self._closed = True
                self._group.leave(self)
                self._changed.notify_all()

    def _owns(self, record: Record) -> bool:
        cursor = self._group.cursors.get((record.topic, record.partition))
        return cursor is not None and cursor.owner is self and cursor.epoch == record.epoch

    def _readable(self) -> bool:
        return not self._paused and any(cursor.unread() for cursor in self._group.held(self))

    def _take(self, limit: int) -> list[Record]:
        """Up to `limit` records. Begins with another partition each time, so that none starves."""
        taken: list[Record] = []
        if self._paused or self._closed:
            return taken
        held = self._group.held(self)
        self._turn += 1
        for step in range(len(held)):
            taken += held[(self._turn + step) % len(held)].take(limit - len(taken))
            if len(taken) >= limit:
                break
        return taken


class MemoryFollower:
    """Made by `MemoryBroker.follow`. If it does not keep up, the oldest records are lost."""

    def __init__(self, changed: threading.Condition, siblings: list["MemoryFollower"]) -> None:
        self._changed = changed
        self._siblings = siblings
        self.unread: deque[Record] = deque(maxlen=MAX_UNREAD_RECORDS)

    @property
    def behind(self) -> int:
        return len(self.unread)

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        with self._changed:
            if timeout_s > 0:
                self._changed.wait_for(lambda: self.unread, timeout_s)
            return [self.unread.popleft() for _ in range(min(max_records, len(self.unread)))]

    def close(self) -> None:
        with self._changed:
            if self in self._siblings:
                self._siblings.remove(self)


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """Durable (as far as memory is) as soon as it was sent."""

    size: int

    def done(self) -> bool:
        return True

    def error(self) -> str | None:
        return None


class MemoryProducer:
    """Appends at once; there is no queue to flush."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def send(self, topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> MemoryDelivery:
        self._broker.append(topic, key, value, headers)
        return MemoryDelivery(record_size(key, value, headers))

    def flush(self, timeout_s: float) -> None:
        """Nothing to wait for."""

    def close(self) -> None:
        """Nothing to release."""


def _kept(logs: Sequence[Log]) -> Backlog:
    times = [stored.record.append_time_ms for log in logs for stored in log.kept.values()]
    return Backlog(len(times), sum(log.bytes for log in logs), min(times, default=None))
