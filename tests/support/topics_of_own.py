"""Topics and a group of one's own on any broker, and reading them with a deadline."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from stream.broker.contract import Broker, Consumer, Follower, Record, TopicSpec
from stream.clock import SystemClock

WAIT_S = 20.0
SMALL = TopicSpec("small", partitions=4, max_message_bytes=1024)
SINGLE = TopicSpec("single", partitions=1, max_message_bytes=1024)

names = count(1)


@dataclass(frozen=True)
class Bench:
    """A broker with two fresh topics and the name of a fresh group."""

    broker: Broker
    many: str
    one: str
    group: str

    def send(self, topic: str, count: int, *, key: bytes | None = None, value: bytes = b"v") -> None:
        """`count` records, their number in header `n`; keys differ unless given."""
        producer = self.broker.producer()
        sent = [
            producer.send(topic, key if key is not None else b"key-%d" % number, value, {"n": b"%d" % number})
            for number in range(count)
        ]
        producer.flush(WAIT_S)
        assert all(delivery.done() and delivery.error() is None for delivery in sent)
        producer.close()


def read(members: Consumer | Sequence[Consumer], count: int) -> list[Record]:
    """Poll the members in turn until `count` records came; fails if they do not come in time."""
    several = [members] if not isinstance(members, Sequence) else members
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    records: list[Record] = []
    while len(records) < count:
        assert clock.monotonic_s() < deadline_s, f"{len(records)} of {count} records came"
        for member in several:
            records += member.poll(max(1, count - len(records)), 0.05)
    return records


def heard(follower: Follower, count: int) -> list[Record]:
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    records: list[Record] = []
    while len(records) < count:
        assert clock.monotonic_s() < deadline_s, f"{len(records)} of {count} records came"
        records += follower.poll(count, 0.05)
    return records


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(record.headers["n"]) for record in records]
