"""Do two processes write a store of four shards twice as fast as one?

python -m benchmarks.shards [--quick]

Two index stages share four shards of one store, by the assignment of four partitions of a real Kafka. With a fixed
delay for each commit the machine's cores do not matter, as on an object store; without it they do.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from prometheus_client import CollectorRegistry

from benchmarks.cluster import kafka_node
from benchmarks.harness import Report
from benchmarks.kafka_replicas import Seen
from benchmarks.options import rounds_wanted
from benchmarks.testbed.store_stream import Kind, StoreStream
from sinks.lance.sink import LanceSink
from sinks.location import Location
from sinks.sharded.sink import ShardedSink
from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.errors import StageError
from stream.events.annotations import Annotations
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.observability.metrics import Metrics
from stream.topology.codec import encode
from stream.topology.stage import BatchPolicy, Stage
from stream.topology.topics import ANNOTATIONS, DEAD_LETTERS, Topic
from stream.worker.worker import Worker

SHARDS, PARTITIONS, CELLS = 4, 4, 6_000
DELAY_S = 0.3
WARM, MEASURED = 300, 1_200
PATIENCE_S = 300.0
IN = Topic("cells", ANNOTATIONS.payloads, ANNOTATIONS.max_message_bytes, by_asset=True)
OUT = Topic("written", (AssetDeleted,))
clock = SystemClock()
numbers = count()


class SlowSink(LanceSink):
    """A commit takes `delay_s` longer, in which the process waits."""

    delay_s = 0.0

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        clock.sleep(self.delay_s)
        return super().process(events)


class Shared:
    """The index over its shards. It tells of each cell which process wrote it and from which partition."""

    def __init__(self, directory: Path) -> None:
        make = partial[LanceSink](SlowSink, clock=clock)
        self._sink = ShardedSink(directory, lambda place: make(Location.of(place)), shards=SHARDS, name="the index")

    def open(self) -> None:
        self._sink.open()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        list(self._sink.process(events))
        for event in events:
            assert event.position is not None
            told = f"{os.getpid()} {event.position.partition}"
            yield event.derive(AssetDeleted(asset_id=told), id=event.id)

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        raise AssertionError(f"{event.type}: {error.code}")

    def close(self) -> None:
        self._sink.close()


def serve(servers: str, group: str, directory: str, delay_s: str) -> None:
    """What a process of the stage runs, until it is killed."""
    SlowSink.delay_s = float(delay_s)
    batch = BatchPolicy(max_records=64, max_bytes=32 << 20, max_wait_s=0.05)
    stage = Stage(group, (IN.name,), (OUT.name,), lambda: Shared(Path(directory)), batch=batch)
    topics = {topic.name: topic for topic in (IN, OUT, DEAD_LETTERS)}
    broker = KafkaBroker(KafkaSettings(servers), clock)
    Worker(stage, broker, clock=clock, metrics=Metrics(CollectorRegistry()), topics=topics).run(threading.Event())


class Trial:
    """A fresh store and group, and processes that write; `seen` are the cells that are durable."""

    def __init__(self, servers: str, broker: KafkaBroker, folder: Path, processes: int, delay_s: float) -> None:
        group = f"writing-{next(numbers)}"
        self.seen: list[Seen] = []
        broker.declare(IN.name, group)
        self._tail = broker.tail(OUT.name)
        words = [servers, group, str(folder / group), str(delay_s)]
        command = [sys.executable, "-m", "benchmarks.shards", "--serve", *words]
        self.processes = [subprocess.Popen(command) for _ in range(processes)]

    def until_each_wrote(self, cells: int, before: int = 0) -> None:
        """Wait until every process has written so many cells, of those that came after the first `before`."""
        deadline_s = clock.monotonic_s() + PATIENCE_S
        while any(self._written(each.pid, before) < cells for each in self.processes):
            self.seen += [Seen.of(record) for record in self._tail.poll(10_000, 0.1)]
            if clock.monotonic_s() > deadline_s:
                raise RuntimeError(f"only {len(self.seen)} cells after {PATIENCE_S:.0f} s")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self._tail.close()

    def _written(self, pid: int, before: int) -> int:
        return sum(each.pid == pid for each in self.seen[before:])


@contextmanager
def trial(folder: Path, processes: int, delay_s: float) -> Iterator[Trial]:
    with kafka_node(folder) as node:
        broker = KafkaBroker(KafkaSettings(node.servers), clock)
        broker.ensure([IN.spec(PARTITIONS), TopicSpec(OUT.name, 1)])
        fill(broker)
        opened = Trial(node.servers, broker, folder, processes, delay_s)
        try:
            yield opened
        finally:
            opened.close()
            broker.close()


def rate(processes: int, delay_s: float) -> float:
    """Cells a second while all processes write, joining and the first hand-over excluded."""
    with tempfile.TemporaryDirectory() as folder, trial(Path(folder), processes, delay_s) as it:
        it.until_each_wrote(WARM)
        first = len(it.seen)
        it.until_each_wrote(MEASURED // processes, first)
        used = sorted(it.seen[first:], key=lambda each: each.at_ms)
        return 1000 * (len(used) - 1) / (used[-1].at_ms - used[0].at_ms)


def fill(broker: KafkaBroker) -> None:
    """All records that are to be written."""
    producer, stream, sent = broker.producer(), StoreStream(), 0
    while sent < CELLS:
        for event in stream.batch(Kind.NEW).events:
            if isinstance(event.data, Annotations):
                record = encode(event, IN)
                producer.send(IN.name, record.key, record.value, record.headers)
                sent += 1
        producer.flush(60.0)
    producer.close()


def measure(rounds: int) -> Report:
    report = Report(f"Processes that write an index of {SHARDS} shards ({PARTITIONS} partitions)")
    for name, delay_s in ((f"{1000 * DELAY_S:.0f} ms a commit", DELAY_S), ("no delay", 0.0)):
        pairs = [(rate(1, delay_s), rate(2, delay_s)) for _ in range(rounds)]
        one, two = (median(column) for column in zip(*pairs, strict=True))
        ratio = median(both / alone for alone, both in pairs)
        bound = " (at least 1.8)" if delay_s else f" on {os.cpu_count()} cores"
        report.add(f"{name}: one process", one, "cells/s")
        report.add(f"{name}: two processes", two, "cells/s", note=f"{ratio:.2f}x one{bound}")
    return report


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        rounds = rounds_wanted(__doc__)
        measure(rounds).publish("shards", rounds)
