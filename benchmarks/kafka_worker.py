"""What does the worker cost on Kafka? Records per CPU-second of the client process, beside a bare confluent-kafka loop
with the same codec, delivery callbacks, flush and commit cadence; and does it fetch anything twice?

    python -m benchmarks.kafka_worker [--quick] | --profile CASE   (where its time goes)
"""

import cProfile
import itertools
import json
import pstats
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from benchmarks.cluster import fill, kafka_node
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.testbed.cells import RED, cell
from stream.broker.contract import TopicSpec, record_size
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import MAX_RECORD_BYTES, KafkaSettings, record_of
from stream.broker.kafka.reader import FETCHING
from stream.clock import SystemClock
from stream.errors import StageError
from stream.events.asset import AssetPublished
from stream.events.base import Event, Payload
from stream.observability.metrics import Metrics
from stream.runtime.malloc import keep_freed_memory
from stream.topology.codec import Encoded, EventDecoder, encode
from stream.topology.stage import Stage
from stream.topology.topics import DEAD_LETTERS, Topic
from stream.worker.pace import Pace
from stream.worker.worker import Worker

PARTITIONS = 4
POLL_RECORDS, POLL_BYTES = 256, 16 << 20
COMMIT_S = 1.0
TURNS = 4
FLUSH_S = Pace().flush_interval_s
FLUSH_TIMEOUT_S = 60.0
SLOW_S = 0.02
FEW = 1_000
AT_MOST = "at most 1.1"


@dataclass(frozen=True)
class Case:
    """`sends` every event on, as it is; otherwise the operator yields nothing."""

    name: str
    payload: Payload
    records: int
    sends: bool

    @property
    def source(self) -> Topic:
        return Topic(f"in-{self._kind}", (type(self.payload),), MAX_RECORD_BYTES // 2)

    @property
    def target(self) -> Topic:
        return Topic(f"out-{self._kind}", (type(self.payload),), MAX_RECORD_BYTES // 2)

    @property
    def _kind(self) -> str:
        return self.name.partition(",")[0].replace(" ", "-")

    def encoded(self) -> Encoded:
        return encode(Event(self.payload, "tenant", "project", "clip", 1_700_000_000_000))


SMALL = AssetPublished(uri="file:///footage/clip.mp4", labels={"note": "x" * 910})
LARGE = cell([(0.0, RED)])


def cases(share: float = 1.0) -> tuple[Case, ...]:
    few, many = round(300 * share), round(20_000 * share)
    return (
        Case("1 kB, nothing out", SMALL, many, sends=False),
        Case("1 kB, sent on", SMALL, many, sends=True),
        Case("1 MB, nothing out", LARGE, few, sends=False),
        Case("1 MB, sent on", LARGE, few, sends=True),
    )


class Meter:
    """CPU-seconds of this process, all its threads counted, from each run's first record on: joining is no work."""

    def __init__(self) -> None:
        self._start_s = 0.0
        self.cpu_s = 0.0

    def begin(self) -> None:
        self._start_s = time.process_time()

    def end(self) -> None:
        self.cpu_s += time.process_time() - self._start_s


class PassOn:
    """The operator of a case. `wait_s`: how long it is at each record."""

    def __init__(self, case: Case, meter: Meter, wait_s: float = 0.0) -> None:
        self._sends = case.sends
        self._meter = meter
        self._clock = SystemClock()
        self._wait_s = wait_s
        self.seen = 0

    def open(self) -> None: ...

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        if not self.seen:
            self._meter.begin()
        self.seen += len(events)
        if self._wait_s:
            self._clock.sleep(self._wait_s)
        return events if self._sends else ()

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        raise AssertionError(f"{event.type}: {error.code}")

    def close(self) -> None: ...


class Counting(KafkaSettings):
    """Settings whose clients tell how many bytes of messages they received, all that is thrown away included."""

    def common(self) -> dict[str, Any]:
        return super().common() | {"statistics.interval.ms": 200, "stats_cb": self.told}

    def told(self, text: str) -> None:
        facts = json.loads(text)
        if facts["type"] == "consumer":
            RECEIVED[facts["name"]] = sum(broker["rxbytes"] for broker in facts["brokers"].values())


RECEIVED: dict[str, int] = {}


def bare(servers: str, case: Case, group: str, meter: Meter, *, reports: bool = True) -> None:
    """The loop one would write by hand for this one job. `reports`: of every delivery, not of failures only."""
    settings = KafkaSettings(servers)
    consumer, producer, decoder = _consumer(servers, group), _producer(servers, reports), EventDecoder([case.source])
    at_once = max(1, min(POLL_RECORDS, POLL_BYTES // len(case.encoded().value)))
    consumer.subscribe([case.source.name])
    done: dict[int, int] = {}
    seen, now_s = 0, time.monotonic()
    flushed_s = committed_s = now_s
    while seen < case.records:
        for message in consumer.consume(at_once, 0.1):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            if not seen:
                meter.begin()
            event = decoder.decode(record_of(message, settings))
            if case.sends:
                record = encode(event)
                producer.produce(
                    case.target.name,
                    record.value,
                    record.key,
                    headers=list(record.headers.items()),
                    on_delivery=_delivered,
                )
                producer.poll(0)
            done[message.partition() or 0] = (message.offset() or 0) + 1
            seen += 1
            now_s = time.monotonic()
            if now_s - flushed_s >= FLUSH_S:
                producer.flush(FLUSH_TIMEOUT_S)
                flushed_s = now_s
                if now_s - committed_s >= COMMIT_S:
                    consumer.commit(offsets=_places(case, done), asynchronous=True)
                    committed_s = now_s
    producer.flush(FLUSH_TIMEOUT_S)
    consumer.commit(offsets=_places(case, done), asynchronous=False)
    consumer.close()
    producer.close()
    meter.end()


def worked(servers: str, case: Case, group: str, meter: Meter) -> None:
    work(KafkaSettings(servers), case, group, meter)


def work(settings: KafkaSettings, case: Case, group: str, meter: Meter, wait_s: float = 0.0) -> None:
    """The same through the worker."""
    broker, operator = KafkaBroker(settings, SystemClock()), PassOn(case, meter, wait_s)
    topics = {topic.name: topic for topic in (case.source, case.target, DEAD_LETTERS)}
    stage = Stage(group, (case.source.name,), (case.target.name,), lambda: operator)
    worker = Worker(stage, broker, clock=SystemClock(), metrics=Metrics(CollectorRegistry()), topics=topics)
    while operator.seen < case.records:
        worker.step()
    stop = threading.Event()
    stop.set()
    worker.run(stop)
    meter.end()
    left = broker.backlog(case.source.name, group).records
    broker.close()
    if left:
        raise AssertionError(f"{left} records were left behind")


def _delivered(error: KafkaError | None, _message: Message) -> None:
    if error is not None:
        raise KafkaException(error)


def _places(case: Case, done: dict[int, int]) -> list[TopicPartition]:
    return [TopicPartition(case.source.name, partition, offset) for partition, offset in done.items()]


def _consumer(servers: str, group: str) -> Consumer:
    """Fetches as the worker's does."""
    return Consumer(
        KafkaSettings(servers).common()
        | FETCHING
        | {"enable.partition.eof": False}  # nobody asks it how far it is
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )


def _producer(servers: str, reports: bool) -> Producer:
    return Producer(
        KafkaSettings(servers).common()
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 2,
            "message.max.bytes": MAX_RECORD_BYTES,
            "queue.buffering.max.kbytes": 128 * 1024,
            "delivery.report.only.error": not reports,
            "partitioner": "murmur2",
        }
    )


Loop = Callable[[str, Case, str, Meter], None]


def rates(servers: str, case: Case, groups: Iterator[str], other: Loop = bare) -> tuple[float, float]:
    """Records per CPU-second of the other loop and of the worker, in turns, as the machine is never equally fast."""
    meters = Meter(), Meter()
    for _ in range(TURNS):
        for loop, meter in zip((other, worked), meters, strict=True):
            loop(servers, case, next(groups), meter)
    other_s, worked_s = (meter.cpu_s for meter in meters)
    return TURNS * case.records / other_s, TURNS * case.records / worked_s


def prepare(servers: str, wanted: Sequence[Case]) -> None:
    broker = KafkaBroker(KafkaSettings(servers), SystemClock())
    names = {topic.name for case in wanted for topic in (case.source, case.target)}
    broker.ensure(TopicSpec(name, PARTITIONS) for name in names)
    broker.close()
    for source, case in {case.source.name: case for case in wanted}.items():
        fill(servers, source, [case.encoded()] * case.records, PARTITIONS)


def measure(rounds: int) -> Report:
    wanted, groups = cases(1.0 if rounds == ROUNDS else 0.25), map("g{}".format, itertools.count())
    report = Report(
        f"The worker beside a bare loop, on Kafka ({PARTITIONS} partitions, batches of 1, a round is {TURNS} turns of"
        f" each, median of {rounds})"
    )
    with tempfile.TemporaryDirectory() as folder, kafka_node(Path(folder)) as node:
        few = replace(wanted[0], name="few of 1 kB, nothing out", records=FEW)
        prepare(node.servers, [*wanted, few])
        for case in (few, wanted[2]):
            _received(report, node.servers, case)
        for case in wanted:
            pairs = [rates(node.servers, case, groups) for _ in range(rounds)]
            name = f"{case.name}: records per CPU-second"
            report.compare(name, pairs, "1/s", other="bare loop", bound="at least 0.9")
        pairs = [rates(node.servers, wanted[1], groups, partial(bare, reports=False)) for _ in range(rounds)]
        name = f"{wanted[1].name}: the same"
        report.compare(name, pairs, "1/s", other="bare loop that hears of failures only", bound="no limit")
    return report


def _received(report: Report, servers: str, case: Case) -> None:
    """Of a stage that is slower than the broker."""
    RECEIVED.clear()
    work(Counting(servers), case, f"slow-{case.source.name}", Meter(), SLOW_S)
    received = sum(RECEIVED.values())
    one = case.encoded()
    processed = case.records * record_size(one.key, one.value, one.headers)
    report.add(
        f"{case.name}, {1000 * SLOW_S:.0f} ms a record: bytes received by bytes processed",
        received / processed,
        "",
        limit="1",
        note=AT_MOST,
    )


def main() -> None:
    keep_freed_memory()  # as processes of stages do; the bare loop gains by it too
    if sys.argv[1:2] != ["--profile"]:
        rounds = rounds_wanted(__doc__)
        measure(rounds).publish("kafka_worker", rounds)
        return
    case = cases(0.5)[int(sys.argv[2])]
    with tempfile.TemporaryDirectory() as folder, kafka_node(Path(folder)) as node:
        prepare(node.servers, [case])
        with cProfile.Profile() as profile:
            worked(node.servers, case, "profiled", Meter())
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
