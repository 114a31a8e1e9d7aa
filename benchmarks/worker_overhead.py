"""What does the worker cost? Records per CPU-second of a `Worker` against a bare loop that does the same work:
same broker, codec, polls and acknowledgements as often. The physical limit is the bare loop.

    python -m benchmarks.worker_overhead [--quick] | --profile   (where its time goes, for the first case)
"""

import cProfile
import pstats
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from prometheus_client import CollectorRegistry

from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from stream.broker.contract import Record, TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import SystemClock
from stream.errors import StageError
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.observability.metrics import Metrics
from stream.topology.codec import EventDecoder, encode
from stream.topology.stage import BatchPolicy, Stage
from stream.topology.topics import ASSETS, TOPICS, Topic
from stream.worker.pace import Pace
from stream.worker.worker import Worker

COPIES = Topic("copies", (AssetPublished,))
POLL_RECORDS = 16
TURNS = 5
RECORD_NOTE = "a small JSON event, memory broker"
FLUSH_INTERVAL_S = Pace().flush_interval_s


@dataclass(frozen=True)
class Case:
    """`copy` sends every event on; otherwise the operator does nothing. `batch` records at a time."""

    name: str
    batch: int
    copy: bool


CASES = (
    Case("no-op, batch of 1", 1, copy=False),
    Case("no-op, batch of 64", 64, copy=False),
    Case("copy, batch of 1", 1, copy=True),
)


class Copy:
    """The operator of a case."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def open(self) -> None: ...

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        return events if self._case.copy else ()

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        raise AssertionError(f"{event.type}: {error.code}")

    def close(self) -> None: ...


def filled(records: int) -> MemoryBroker:
    """A broker whose topic `assets` holds that many small events for the group `bench`."""
    broker = MemoryBroker(SystemClock(), keep_unclaimed=False)
    broker.ensure(TopicSpec(topic) for topic in (*TOPICS, COPIES.name))
    broker.declare(ASSETS.name, "bench")
    payload = AssetPublished(uri="file:///footage/clip.mp4", labels={"note": "x" * 200})
    record = encode(Event(payload, "tenant", "project", "clip", 1_700_000_000_000))
    producer = broker.producer()
    for _ in range(records):
        producer.send(ASSETS.name, record.key, record.value, record.headers)
    return broker


def bare(broker: MemoryBroker, case: Case) -> None:
    """The loop one would write by hand for this one job."""
    consumer, producer, decoder = broker.consumer([ASSETS.name], "bench"), broker.producer(), EventDecoder([ASSETS])
    done: list[Record] = []
    flushed_s = time.monotonic()
    while records := consumer.poll(max(POLL_RECORDS, case.batch), 0.0):
        for record in records:
            event = decoder.decode(record)
            if case.copy:
                copy = encode(event)
                producer.send(COPIES.name, copy.key, copy.value, copy.headers)
            done.append(record)
        if time.monotonic() - flushed_s >= FLUSH_INTERVAL_S:
            producer.flush(1.0)
            consumer.ack(done)
            done, flushed_s = [], time.monotonic()
    producer.flush(1.0)
    consumer.ack(done)
    consumer.close()


def worked(broker: MemoryBroker, case: Case) -> None:
    """The same through the worker."""
    stage = Stage(
        "bench", (ASSETS.name,), (COPIES.name,), lambda: Copy(case), batch=BatchPolicy(max_records=case.batch)
    )
    worker = Worker(
        stage,
        broker,
        clock=SystemClock(),
        metrics=Metrics(CollectorRegistry()),
        topics={**TOPICS, COPIES.name: COPIES},
        pace=Pace(poll_timeout_s=0.0),
    )
    while worker.step():
        pass
    worker.run(stop=_set())


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def rate(loop: Callable[[MemoryBroker, Case], None], case: Case, records: int) -> float:
    """Records per CPU-second of one run; everything must be acknowledged in the end."""
    broker = filled(records)
    start_s = time.process_time()
    loop(broker, case)
    cpu_s = time.process_time() - start_s
    if not broker.quiescent():
        raise AssertionError("records were left behind")
    return records / cpu_s


def measure(rounds: int) -> Report:
    records = 10_000 if rounds == ROUNDS else 3_000
    report = Report(f"The worker beside a bare loop ({records} records of {RECORD_NOTE}, median of {TURNS} turns)")
    for case in CASES:
        pairs = [(rate(bare, case, records), rate(worked, case, records)) for _ in range(TURNS)]
        ratio = median(worker / loop for loop, worker in pairs)
        loop, worker = (median(column) for column in zip(*pairs, strict=True))
        report.add(
            f"{case.name}: records per CPU-second", worker, "1/s", limit=f"bare loop {loop:.0f}", note=f"{ratio:.2f}x"
        )
    return report


def main() -> None:
    if sys.argv[1:] != ["--profile"]:
        rounds = rounds_wanted(__doc__)
        measure(rounds).publish("worker", rounds)
        return
    broker = filled(10_000)
    with cProfile.Profile() as profile:
        worked(broker, CASES[0])
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
