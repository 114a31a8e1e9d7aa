"""The client with which a member of a group reads. It is outside the group: so a slow reader delays no rebalance, and
no fetched record is thrown away to make the group's own client wait (ADR 0016).
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from confluent_kafka import Message

from stream.broker.acks import TopicPartition as Key
from stream.broker.kafka.client import MAX_RECORD_BYTES, KafkaSettings, standalone_consumer


class Reader:
    """Reads the partitions between `begin` and `end`. Any thread may call these two; they take effect in the next
    `read`, so that each message belongs to the assignment it is attributed to. `epochs` has the assignment under which
    the last `read` read each partition. `read` and `close` from one thread only.
    """

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._settings = settings
        self._client = standalone_consumer(settings, group, **FETCHING)
        self._changes: deque[Callable[[], None]] = deque()
        self._starts: dict[Key, int] = {}  # where each partition was assigned last
        self._aside: dict[Key, int] = {}  # where to resume once records of new partitions have come
        self.epochs: dict[Key, int] = {}

    def begin(self, starts: Mapping[Key, tuple[int, int]]) -> None:
        """Partition to the epoch of its assignment and the offset to begin at."""
        self._changes.append(partial(self._begin, dict(starts)))

    def end(self, keys: Iterable[Key]) -> None:
        """Partitions that are not read are ignored."""
        self._changes.append(partial(self._end, list(keys)))

    def read(self, max_messages: int, timeout_s: float) -> list[Message]:
        """All messages that have arrived, errors too. Waits only for the first one."""
        while self._changes:
            self._changes.popleft()()
        messages = self._client.consume(max_messages, 0.0)
        if not messages and timeout_s and (messages := self._client.consume(1, timeout_s)):
            # One call with the whole timeout would wait until it has `max_messages`.
            messages += self._client.consume(max_messages - 1, 0.0) if max_messages > 1 else []
        if self._aside and (messages or timeout_s):
            self._assign(self._aside)
            self._aside = {}
        return messages

    def close(self) -> None:
        self._client.close()

    def _begin(self, starts: Mapping[Key, tuple[int, int]]) -> None:
        """New partitions are read first: otherwise they would wait behind everything fetched of the others."""
        self._end(starts)
        held = self._positions()
        self._unassign(held)
        self._aside |= held
        self.epochs |= {key: epoch for key, (epoch, _) in starts.items()}
        self._assign({key: offset for key, (_, offset) in starts.items()})

    def _end(self, keys: Iterable[Key]) -> None:
        held = [key for key in keys if self.epochs.pop(key, None) is not None]
        self._unassign([key for key in held if self._aside.pop(key, None) is None])

    def _positions(self) -> dict[Key, int]:
        """The next offset to read of each partition that is assigned to the client. The client knows no position before
        the first record, so the start is used there.
        """
        asked = [self._settings.place(*key) for key in self.epochs.keys() - self._aside.keys()]
        keys = {self._settings.key(each): each.offset for each in self._client.position(asked)}
        return {key: offset if offset >= 0 else self._starts[key] for key, offset in keys.items()}

    def _assign(self, offsets: Mapping[Key, int]) -> None:
        self._starts |= offsets
        self._client.incremental_assign([self._settings.place(*key, offset) for key, offset in offsets.items()])

    def _unassign(self, keys: Collection[Key]) -> None:
        if keys:
            self._client.incremental_unassign([self._settings.place(*key) for key in keys])


FETCHING = {
    # An error instead of a silent jump, as in the group's own client.
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "fetch.message.max.bytes": 1024 * 1024,  # of a partition per fetch; a larger record comes alone
    "fetch.max.bytes": MAX_RECORD_BYTES,
    "queued.max.messages.kbytes": 16 * 1024,
    "queued.min.messages": 1000,
    "fetch.queue.backoff.ms": 100,
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 100,
}
