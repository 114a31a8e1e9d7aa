"""Are two replicas of a stage that waits twice as fast as one? And how soon are a dead one's partitions taken over?

python -m benchmarks.kafka_replicas [--quick]

Replicas are processes of their own; each record takes a fixed time, so that the machine's cores do not matter.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from prometheus_client import CollectorRegistry

from benchmarks.cluster import fill, kafka_node
from benchmarks.harness import Report
from benchmarks.options import rounds_wanted
from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.errors import StageError
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.observability.metrics import Metrics
from stream.topology.codec import encode
from stream.topology.stage import Stage
from stream.topology.topics import DEAD_LETTERS, Topic
from stream.worker.worker import Worker

WAIT_S = 0.02
PARTITIONS = 8
SESSION_S = 6.0
PATIENCE_S = 120.0
RECORDS = 1_200
IN, OUT = Topic("waits", (AssetDeleted,)), Topic("waited", (AssetDeleted,))
clock = SystemClock()
numbers = count()


class Wait:
    """Takes `WAIT_S` for each record, and tells which process saw it and in which partition."""

    def open(self) -> None: ...

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            clock.sleep(WAIT_S)
            assert event.position is not None
            told = f"{os.getpid()} {event.position.partition}"
            yield event.derive(AssetDeleted(asset_id=told), id=event.id)

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        raise AssertionError(f"{event.type}: {error.code}")

    def close(self) -> None: ...


def serve(servers: str, group: str) -> None:
    """What a replica runs, until it is killed."""
    broker = KafkaBroker(KafkaSettings(servers, session_timeout_s=SESSION_S), clock)
    stage = Stage(group, (IN.name,), (OUT.name,), Wait)
    topics = {topic.name: topic for topic in (IN, OUT, DEAD_LETTERS)}
    Worker(stage, broker, clock=clock, metrics=Metrics(CollectorRegistry()), topics=topics).run(threading.Event())


@dataclass(frozen=True, slots=True)
class Seen:
    """One record of the stage's output."""

    at_ms: int
    pid: int
    partition: int

    @classmethod
    def of(cls, record: Record) -> "Seen":
        pid, partition = json.loads(record.value)["asset_id"].split()
        return cls(record.append_time_ms, int(pid), int(partition))


class Trial:
    """A fresh group on fresh records with its replicas; `seen` is what they have done."""

    def __init__(self, servers: str, broker: KafkaBroker, replicas: int) -> None:
        self.group = f"waiting-{next(numbers)}"
        self.seen: list[Seen] = []
        self._broker = broker
        broker.declare(IN.name, self.group)
        self._tail = broker.tail(OUT.name)
        command = [sys.executable, "-m", "benchmarks.kafka_replicas", "--serve", servers, self.group]
        self.processes = [subprocess.Popen(command) for _ in range(replicas)]

    def hear(self) -> None:
        self.seen += [Seen.of(record) for record in self._tail.poll(10_000, 0.1)]

    def until(self, reached: "Reached") -> None:
        deadline_s = clock.monotonic_s() + PATIENCE_S
        while not reached(self):
            self.hear()
            if clock.monotonic_s() > deadline_s:
                raise RuntimeError(f"{self.group}: only {len(self.seen)} records after {PATIENCE_S:.0f} s")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self._tail.close()


class Reached:
    """Whether each of so many processes has done so many records."""

    def __init__(self, processes: int, records: int) -> None:
        self._processes, self._records = processes, records

    def __call__(self, trial: Trial) -> bool:
        done = [sum(each.pid == process.pid for each in trial.seen) for process in trial.processes]
        return sum(count >= self._records for count in done) >= self._processes


@contextmanager
def trial(servers: str, replicas: int) -> Iterator[Trial]:
    broker = KafkaBroker(KafkaSettings(servers), clock)
    broker.ensure([TopicSpec(IN.name, PARTITIONS), TopicSpec(OUT.name, 1)])
    opened = Trial(servers, broker, replicas)
    try:
        yield opened
    finally:
        opened.close()
        broker.close()


def rate(replicas: int) -> float:
    """Records a second while all replicas are at work, joining excluded."""
    with tempfile.TemporaryDirectory() as folder, kafka_node(Path(folder)) as node, trial(node.servers, replicas) as it:
        _fill(node.servers)
        it.until(Reached(replicas, 20))
        first = len(it.seen)
        it.until(Reached(replicas, 100))
        used = sorted(it.seen[first:], key=lambda each: each.at_ms)
        return 1000 * (len(used) - 1) / (used[-1].at_ms - used[0].at_ms)


def takeover_s() -> float:
    """From a kill -9 of one of two replicas until the other has done a record of its partitions."""
    with tempfile.TemporaryDirectory() as folder, kafka_node(Path(folder)) as node, trial(node.servers, 2) as it:
        _fill(node.servers)
        it.until(Reached(2, 20))
        victim, survivor = it.processes
        theirs = {each.partition for each in it.seen[-20:] if each.pid == victim.pid}
        victim.kill()
        killed_ms = clock.now_ms()
        taken: list[Seen] = []
        while not taken:
            it.hear()
            taken = [
                each
                for each in it.seen
                if each.at_ms > killed_ms and each.pid == survivor.pid and each.partition in theirs
            ]
        return (min(each.at_ms for each in taken) - killed_ms) / 1000


def _fill(servers: str) -> None:
    records = [encode(Event(AssetDeleted(asset_id=f"a{number}"), "t", "p", "a", 1)) for number in range(RECORDS)]
    fill(servers, IN.name, records, PARTITIONS)


def measure(rounds: int) -> Report:
    report = Report(f"Replicas of a stage that waits {1000 * WAIT_S:.0f} ms a record ({PARTITIONS} partitions)")
    pairs = [(rate(1), rate(2)) for _ in range(rounds)]
    one, two = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(both / alone for alone, both in pairs)
    report.add("one replica", one, "records/s", limit=f"{1 / WAIT_S:.0f}")
    report.add("two replicas", two, "records/s", limit=f"{2 / WAIT_S:.0f}", note=f"{ratio:.2f}x one (at least 1.8)")
    taken = [takeover_s() for _ in range(rounds)]
    report.add(
        "kill -9: first record of its partitions by the survivor",
        median(taken),
        "s",
        limit=f"session.timeout.ms {SESSION_S:.0f} s",
        note=f"slowest {max(taken):.2f} s (at most 8)",
    )
    return report


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        rounds = rounds_wanted(__doc__)
        measure(rounds).publish("kafka_replicas", rounds)
