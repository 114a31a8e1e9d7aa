"""A producer far faster than the workers: backlog waits as small events, nothing else grows, nothing is lost."""

import random
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry

from stream.broker.contract import TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.errors import StageError
from stream.events.asset import AssetPublished, SegmentProgressed, SpanPlanned
from stream.events.base import Event
from stream.events.progress import segment_report
from stream.observability.metrics import Metrics
from stream.operators.plan import PlanOperator, progressed
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.codec import EventDecoder, encode
from stream.topology.stage import Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, PROGRESS, SPANS, TOPICS
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.planning import ByName, one_span
from tests.support.worker_kit import Kit

SEED = 5
FASTER = 20
ROUNDS = 24
POLICY = AdmissionPolicy(
    tenant_credit=40, credit=80, tenant_assets=6, assets=12, read_ahead_records=50, settled_by=("index",)
)


class Index:
    """What a span's cells are durable by."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        raise AssertionError(error.code)

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            span = event.data
            assert isinstance(span, SpanPlanned)
            for segment in range(span.first_segment, span.end_segment):
                count, length_ns = span.segment_count, span.media.duration_ns
                yield progressed(event, segment_report(span.asset, "index", segment, count, length_ns))


class Flood:
    """`plan` and `index`, with a producer of three tenants before them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure(TopicSpec(topic.name, 2, topic.max_message_bytes) for topic in TOPICS.values())
        stages = [
            Stage(
                "plan",
                (ASSETS.name,),
                (SPANS.name, ANNOTATIONS.name, PROGRESS.name),
                lambda: PlanOperator(ByName(), ByName(), one_span),
                admission=POLICY,
            ),
            Stage("index", (SPANS.name,), (PROGRESS.name,), Index),
        ]
        for stage in stages:
            self.broker.declare(stage.sources[0], stage.name)
        pace = Pace(poll_timeout_s=0.0, flush_interval_s=0.0, unit_s=0.0)
        self.plan, self.index = (
            Worker(stage, self.broker, clock=self.clock, metrics=Metrics(CollectorRegistry()), pace=pace)
            for stage in stages
        )
        self._progress = self.broker.consumer([PROGRESS.name], "reader")
        self._rng = random.Random(SEED)
        self.sent: list[str] = []
        self.done: set[str] = set()

    def publish(self) -> None:
        tenant, name = self._rng.choice(["a", "b", "c"]), f"asset-{len(self.sent)}"
        note = "x" * self._rng.randrange(2000)
        event = Event(
            AssetPublished(uri=f"/{name}", asset_id=name, labels={"note": note}), tenant, "p", name, self.clock.now_ms()
        )
        record = encode(event)
        self.broker.producer().send(ASSETS.name, record.key, record.value, record.headers)
        self.sent.append(name)

    def work(self) -> None:
        """Time for one asset to become durable, and for plan to do more than that if it were let."""
        for _ in range(3):
            self.plan.step()
            self.clock.advance(0.06)
        self.index.step()
        records = self._progress.poll(1000, 0.0)
        self._progress.ack(records)
        for record in records:
            data = EventDecoder([PROGRESS]).decode(record).data
            if isinstance(data, SegmentProgressed) and data.stage == "index":
                self.done.add(data.asset.asset_id)

    def held_bytes(self) -> int:
        """On the broker beyond `assets`, unread."""
        return self.broker.backlog(SPANS.name, "index").bytes + self.broker.backlog(PROGRESS.name, "reader").bytes


def test_backlog_waits_in_assets_and_every_asset_is_accounted_for() -> None:
    flood = Flood()
    held, in_hand = [], []
    for _ in range(ROUNDS):
        for _ in range(FASTER):
            flood.publish()
        flood.work()
        held.append(flood.held_bytes())
        in_hand.append(flood.plan.state.in_flight + flood.index.state.in_flight)
    assert flood.broker.backlog(ASSETS.name, "plan").records >= len(flood.sent) - ROUNDS - POLICY.assets
    early, late = slice(ROUNDS // 6, ROUNDS // 2), slice(ROUNDS // 2, None)
    assert max(held[late]) <= 1.5 * max(held[early]), "the broker holds more and more of what is no asset event"
    assert max(in_hand) <= POLICY.read_ahead_records + POLICY.assets + 1

    for _ in range(3 * len(flood.sent)):
        if len(flood.done) == len(flood.sent):
            break
        flood.work()
    assert flood.done == set(flood.sent)
    flood.plan.step()
    assert flood.broker.backlog(ASSETS.name, "plan").records == 0
    assert flood.broker.backlog(SPANS.name, "index").records == 0


def test_an_idle_worker_hardly_asks_about_its_readers_and_is_held_back_after_one_output_all_the_same() -> None:
    kit = Kit(throttled_by=(ANNOTATIONS.name,), max_unread_bytes=1000, pace=Pace(poll_timeout_s=0.0, unit_s=1.0))
    kit.broker.declare(ANNOTATIONS.name, "reader")
    asked: list[float] = []
    unread = kit.broker.unread_bytes

    def counted(topic: str, group: str) -> int:
        asked.append(kit.clock.monotonic_s())
        return unread(topic, group)

    kit.broker.unread_bytes = counted  # type: ignore[method-assign]
    for _ in range(100):
        kit.worker.step()
        kit.clock.advance(0.1)
    assert len(asked) == 2, "ten seconds without work"
    kit.broker.producer().send(ANNOTATIONS.name, b"", b"x" * 1001, {})  # another worker's
    kit.publish(*(f"clip-{number}" for number in range(20)))
    for _ in range(5):
        kit.worker.step()
        kit.clock.advance(0.1)
    assert kit.operator.calls == [["clip-0"]]
