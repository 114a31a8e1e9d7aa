"""A plan stage whose spans were skipped on their way: the next publication plans them, and their credit comes back."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from stream.broker.contract import Record, TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.events.asset import AssetPlanned, AssetPublished, SegmentProgressed, SpanPlanned
from stream.events.base import Event
from stream.events.grid import SECOND_NS
from stream.observability.metrics import Metrics
from stream.operators.plan import PlanOperator
from stream.pipelines.understanding import reference_topology
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.codec import EventDecoder, encode
from stream.topology.hops import hops
from stream.topology.stage import Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, PROGRESS, SPANS, TOPICS
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.planning import ByName, one_span

STAGES = [stage for stage in reference_topology().stages if stage.name in {"decode", "understand", "index"}]
WAY = hops("plan", STAGES, TOPICS)


class Line:
    """A worker of `plan`, and by hand what follows it."""

    def __init__(self, policy: AdmissionPolicy) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure(TopicSpec(topic.name, 1, topic.max_message_bytes) for topic in TOPICS.values())
        for hop in WAY:
            self.broker.declare(hop.topic, hop.stage)
        stage = Stage(
            name="plan",
            sources=(ASSETS.name,),
            targets=(SPANS.name, ANNOTATIONS.name, PROGRESS.name),
            operator=lambda: PlanOperator(ByName(), ByName(), one_span),
            admission=policy,
        )
        self.worker = Worker(
            stage,
            self.broker,
            clock=self.clock,
            metrics=Metrics(CollectorRegistry()),
            pace=Pace(poll_timeout_s=0.0, flush_interval_s=0.0, unit_s=0.0),
        )
        self.decode = self.broker.consumer([SPANS.name], "decode")
        self._plans = self.broker.consumer([ANNOTATIONS.name], "index")

    def publish(self, name: str) -> None:
        event = Event(AssetPublished(uri=f"/{name}", asset_id=name), "t", "p", name, self.clock.now_ms())
        record = encode(event)
        self.broker.producer().send(ASSETS.name, record.key, record.value, record.headers)

    def work(self, steps: int = 4) -> None:
        for _ in range(steps):
            self.worker.step()
            self.clock.advance(2.0)

    def spans(self) -> tuple[list[Record], list[SpanPlanned]]:
        """What decode is given and has not acknowledged."""
        records = list(self.decode.poll(100, 0))
        found = [EventDecoder([SPANS]).decode(record).data for record in records]
        return records, [it for it in found if isinstance(it, SpanPlanned)]

    def skip(self) -> int:
        """What an operator's reset to the end of the topic does; how many spans it cost."""
        records, _ = self.spans()
        self.decode.ack(records)
        return len(records)

    def assumed(self) -> list[tuple[int, ...]]:
        """Of each plan that was told, the cells that were believed to be done or on their way."""
        records = list(self._plans.poll(100, 0))
        self._plans.ack(records)
        found = [EventDecoder([ANNOTATIONS]).decode(record).data for record in records]
        return [it.assumed_done for it in found if isinstance(it, AssetPlanned)]

    def report(self, span: SpanPlanned, stage: str) -> None:
        data = SegmentProgressed(asset=span.asset, stage=stage, segment=0, segment_count=1, video_ns=10 * SECOND_NS)
        record = encode(Event(data, "t", "p", span.asset.asset_id, self.clock.now_ms()))
        self.broker.producer().send(PROGRESS.name, record.key, record.value, record.headers)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line(AdmissionPolicy(60, 240, tenant_assets=2, way=WAY, settled_by=("index",)))
    yield made
    made.worker.close()
    made.broker.close()


def test_the_same_content_while_its_span_waits_plans_nothing(line: Line) -> None:
    for _ in range(3):
        line.publish("a")
        line.work()
    assert len(line.spans()[1]) == 1
    assert line.assumed() == [(), (0,), (0,)]


def test_the_same_content_after_its_span_was_skipped_is_planned_again_and_once(line: Line) -> None:
    line.publish("a")
    line.work()
    assert line.skip() == 1
    for _ in range(2):
        line.publish("a")
        line.work()
    assert [span.asset.version.offset for span in line.spans()[1]] == [1]
    assert line.assumed() == [(), (), (0,)]


def test_a_cell_that_decode_passed_on_is_lost_where_nobody_has_it(line: Line) -> None:
    """Its frames were purged."""
    line.publish("a")
    line.work()
    records, spans = line.spans()
    line.report(spans[0], "decode")
    line.skip()
    line.decode.ack(records)
    line.publish("a")
    line.work()
    assert [span.asset.version.offset for span in line.spans()[1]] == [1]


def test_a_tenant_whose_cells_were_skipped_gets_its_credit_back(line: Line) -> None:
    for name in ("a", "b", "c"):
        line.publish(name)
    line.work()
    assert line.skip() == 2  # two assets may be at work
    line.work(12)
    assert [span.asset.asset_id for span in line.spans()[1]] == ["c"]
