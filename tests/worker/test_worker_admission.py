"""A plan stage that admits: tenants in turn within one partition, credit out and back, order within an asset kept."""

from collections import Counter, deque
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from stream.broker.contract import Record, TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.events.asset import (
    AssetDeleted,
    AssetPlanned,
    AssetPublished,
    AssetRef,
    Outcome,
    SegmentProgressed,
    SpanPlanned,
)
from stream.events.base import Event
from stream.events.grid import SECOND_NS
from stream.observability.metrics import Metrics
from stream.operators.plan import PlanOperator
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.codec import EventDecoder, encode
from stream.topology.lanes import Lane
from stream.topology.stage import Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, PROGRESS, SPANS, TOPICS, Topic
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.planning import ByName, one_span


class Desk:
    """One worker of `plan` over one partition, and readers of what it says."""

    def __init__(self, policy: AdmissionPolicy) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure(TopicSpec(topic.name, 1, topic.max_message_bytes) for topic in TOPICS.values())
        self.stage = Stage(
            name="plan",
            sources=(ASSETS.name,),
            targets=(SPANS.name, ANNOTATIONS.name, PROGRESS.name),
            operator=lambda: PlanOperator(ByName(), ByName(), one_span),
            admission=policy,
        )
        self.broker.declare(ASSETS.name, "plan")
        self.worker = self.new_worker()
        self._spans = self.broker.consumer([SPANS.name], "reader")
        self.plans = self.broker.consumer([ANNOTATIONS.name], "reader2")
        self._sent: dict[str, AssetRef] = {}

    def new_worker(self) -> Worker:
        return Worker(
            self.stage,
            self.broker,
            clock=self.clock,
            metrics=Metrics(CollectorRegistry()),
            pace=Pace(poll_timeout_s=0.0, flush_interval_s=0.0, unit_s=0.0),
        )

    def publish(self, name: str, *, tenant: str = "hog", lane: Lane = "interactive", uri: str = "") -> None:
        self.send(ASSETS, AssetPublished(uri=uri or f"/{tenant}/{name}", asset_id=name, priority=lane), name, tenant)

    def send(
        self, topic: Topic, data: AssetPublished | AssetDeleted | SegmentProgressed, name: str, tenant: str
    ) -> None:
        record = encode(Event(data, tenant, "p", name, self.clock.now_ms()))
        self.broker.producer().send(topic.name, record.key, record.value, record.headers)

    def work(self, steps: int) -> list[str]:
        """Asset ids in the order in which spans came out, after so many steps, each a refresh apart."""
        for _ in range(steps):
            self.worker.step()
            self.clock.advance(0.06)
        names = []
        for record in self._spans.poll(10_000, 0):
            data = EventDecoder([SPANS]).decode(record).data
            assert isinstance(data, SpanPlanned)
            names.append(data.asset.asset_id)
            self._sent[data.asset.asset_id] = data.asset
        return names

    def finish(self, name: str, stage: str = "index", outcome: Outcome = Outcome.DONE) -> None:
        """What the index says when the asset's only cell is searchable."""
        asset = self._sent[name]
        word = SegmentProgressed(
            asset=asset, stage=stage, segment=0, segment_count=1, video_ns=10 * SECOND_NS, outcome=outcome
        )
        self.send(PROGRESS, word, name, asset.tenant)

    def pending(self) -> int:
        return self.broker.backlog(ASSETS.name, "plan").records


WIDE = AdmissionPolicy(tenant_credit=1e9, credit=1e9, settled_by=("index",))


@pytest.fixture
def wide() -> Desk:
    return Desk(WIDE)


def test_one_asset_overtakes_thousands_of_another_tenant_in_its_partition(wide: Desk) -> None:
    for number in range(3000):
        wide.publish(f"h{number}")
    wide.work(5)
    wide.publish("one", tenant="small")
    assert "one" in wide.work(2)
    assert wide.pending() == 3001 - 7


def test_every_asset_is_planned_once_and_acknowledged(wide: Desk) -> None:
    for number in range(40):
        wide.publish(f"a{number}", tenant=f"t{number % 3}", lane="batch" if number % 2 else "interactive")
    names = wide.work(60)
    assert sorted(names) == sorted(f"a{number}" for number in range(40))
    assert wide.pending() == 0


def test_one_asset_keeps_its_order_across_lanes_and_deletions(wide: Desk) -> None:
    wide.publish("a", uri="/1", lane="batch")
    wide.send(ASSETS, AssetDeleted(asset_id="a"), "a", "hog")
    wide.publish("a", uri="/2")
    wide.publish("b")
    wide.publish("a", uri="/1")
    wide.work(10)
    told = [EventDecoder([ANNOTATIONS]).decode(record).data for record in wide.plans.poll(100, 0)]
    of_a = [
        it.uri if isinstance(it, AssetPlanned) else "deleted"
        for it in told
        if not (isinstance(it, AssetPlanned) and it.asset.asset_id == "b")
    ]
    assert of_a == ["/1", "deleted", "/2", "/1"]


def test_credit_bounds_what_is_outstanding_and_comes_back_through_progress() -> None:
    desk = Desk(AdmissionPolicy(tenant_credit=30, credit=60, settled_by=("index",)))
    for number in range(10):
        desk.publish(f"h{number}")
    assert desk.work(20) == ["h0", "h1", "h2"]
    desk.publish("one", tenant="small")
    assert desk.work(5) == ["one"]
    desk.finish("h1")
    desk.finish("h0", "decode", Outcome.FAILED)
    assert desk.work(10) == ["h3", "h4"]
    desk.finish("h2", "decode")
    assert desk.work(10) == []
    assert desk.pending() == 5


def test_credit_in_all_is_shared() -> None:
    desk = Desk(AdmissionPolicy(tenant_credit=30, credit=40, settled_by=("index",)))
    for number in range(4):
        for tenant in ("a", "b", "c"):
            desk.publish(f"{tenant}{number}", tenant=tenant)
    names = desk.work(20)
    assert len(names) == 4
    assert {name[0] for name in names} == {"a", "b", "c"}


def test_batch_alone_leaves_room_and_interactive_overtakes_it() -> None:
    desk = Desk(AdmissionPolicy(tenant_credit=100, credit=100, settled_by=("index",)))
    for number in range(20):
        desk.publish(f"b{number}", lane="batch")
    assert len(desk.work(30)) == 5
    for number in range(20):
        desk.publish(f"i{number}", tenant="live")
    assert [name[0] for name in desk.work(30)] == ["i"] * 5


def test_a_backlog_of_both_lanes_is_served_four_to_one() -> None:
    """By a stage that works first come, first served; of two tenants, neither of which may take all credit."""
    desk = Desk(AdmissionPolicy(tenant_credit=80, credit=320, settled_by=("index",)))
    for number in range(150):
        desk.publish(f"b{number}", tenant="archive", lane="batch")
        desk.publish(f"i{number}", tenant="live")
    line, served = deque(desk.work(20)), Counter[str]()
    for _ in range(100):
        desk.finish(first := line.popleft())
        served[first[0]] += 1
        line += desk.work(3)
    assert 10 <= served["b"] <= 22


def test_lost_credit_is_no_wall() -> None:
    desk = Desk(AdmissionPolicy(tenant_credit=10, credit=10, lease_s=5, settled_by=("index",)))
    desk.publish("a")
    desk.publish("b")
    assert desk.work(10) == ["a"]
    desk.clock.advance(5)
    assert desk.work(10) == ["b"]


def test_a_restart_takes_up_what_is_outstanding() -> None:
    desk = Desk(AdmissionPolicy(tenant_credit=20, credit=20, settled_by=("index",)))
    desk.broker.declare(PROGRESS.name, "history")  # Kafka keeps it anyhow
    for number in range(4):
        desk.publish(f"h{number}")
    assert desk.work(10) == ["h0", "h1"]
    desk.finish("h0")
    desk.worker.close()
    desk.worker = desk.new_worker()
    assert desk.work(10) == ["h2"]


def test_leaving_gives_back_what_was_read_ahead(wide: Desk) -> None:
    for number in range(50):
        wide.publish(f"h{number}")
    wide.work(2)
    other = wide.broker.consumer([ASSETS.name], "plan")
    wide.worker.close()
    assert len(other.poll(100, 0)) == 48


def test_unreadable_records_wait_their_turn_and_become_letters(wide: Desk) -> None:
    wide.broker.producer().send(ASSETS.name, b"k", b"nonsense", {})
    wide.publish("good")
    assert wide.work(5) == ["good"]
    assert wide.pending() == 0
    assert wide.worker.state.outcomes == {"done": 1, "dead_letter": 1}


def test_the_read_ahead_is_bounded() -> None:
    desk = Desk(replace(WIDE, tenant_credit=10, read_ahead_records=16))
    for number in range(100):
        desk.publish(f"h{number}")
    desk.work(10)
    assert desk.worker.state.in_flight <= 17


def test_what_is_taken_soon_is_decoded_once(wide: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    decode = EventDecoder.decode

    def counted(self: EventDecoder, record: Record) -> Event:
        read.extend([record.offset] if record.topic == ASSETS.name else [])
        return decode(self, record)

    monkeypatch.setattr(EventDecoder, "decode", counted)
    for name in "abc":
        wide.publish(name)
    assert sorted(wide.work(10)) == ["a", "b", "c"]
    assert sorted(read) == [0, 1, 2]
