"""Stages on threads: they work together, stop together, and one that fails ends them all."""

import threading
from collections.abc import Iterable, Sequence

import pytest
from prometheus_client import CollectorRegistry

from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import SystemClock
from stream.errors import Fatal, Unavailable
from stream.events.asset import AssetDeleted, ContentRetired
from stream.events.base import Event
from stream.events.ids import AssetVersion
from stream.observability.metrics import Metrics
from stream.runtime.threads import StageThreads
from stream.topology.codec import encode
from stream.topology.stage import Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, RETIREMENTS, TOPICS
from stream.topology.topology import Topology
from stream.worker.pace import Pace
from tests.support.worker_kit import Script, Scripted, asset_id, echo

WAIT_S = 30.0
QUICK = Pace(poll_timeout_s=0.05)


def retire(events: Sequence[Event]) -> Iterable[Event]:
    for event in events:
        retired = ContentRetired(tenant="t", asset_id=asset_id(event), up_to=AssetVersion(1, 1))
        yield event.derive(retired, id=f"retired-{event.id}")


class Process:
    """Two stages, assets to annotations to retirements, on a memory broker."""

    def __init__(self, first: Script = echo, second: Script = retire) -> None:
        self.broker = MemoryBroker(SystemClock(), partitions=4)
        self.broker.ensure(TopicSpec(topic.name) for topic in TOPICS.values())
        self.operators = [Scripted(first), Scripted(second)]
        self.topology = Topology(
            (
                Stage("first", (ASSETS.name,), (ANNOTATIONS.name,), lambda: self.operators[0], concurrency=2),
                Stage("second", (ANNOTATIONS.name,), (RETIREMENTS.name,), lambda: self.operators[1]),
            ),
            terminal=[RETIREMENTS.name],
        )
        self.metrics = Metrics(CollectorRegistry())

    def threads(self, pace: Pace = QUICK, *, grace_s: float = WAIT_S) -> StageThreads:
        return StageThreads(
            self.topology.stages,
            self.broker,
            clock=SystemClock(),
            metrics=self.metrics,
            readers=self.topology.groups(),
            pace=pace,
            grace_s=grace_s,
        )

    def publish(self, count: int) -> None:
        producer = self.broker.producer()
        for number in range(count):
            record = encode(Event(AssetDeleted(asset_id=f"{number}"), "t", "p", f"{number}", 1, id=f"{number}"))
            producer.send(ASSETS.name, record.key, record.value, record.headers)

    def retired(self) -> int:
        return self.broker.kept(RETIREMENTS.name).records


def test_two_stages_work_until_everything_is_acknowledged() -> None:
    process = Process()
    with process.threads() as threads:
        assert threads.wait_ready(WAIT_S)
        process.publish(50)
        assert process.broker.wait_quiescent(WAIT_S)
        states = threads.states()
    assert process.retired() == 50
    assert [state.stage for state in states] == ["first", "first", "second"]
    assert sum(state.outcomes.get("done", 0) for state in states if state.stage == "first") == 50
    assert states[2].outcomes == {"done": 50}
    assert threads.paused() == {}
    assert process.operators[1].life == ["open", "close"]


def test_records_sent_before_the_start_are_not_lost() -> None:
    process = Process()
    threads = process.threads()
    process.publish(5)
    with threads:
        assert process.broker.wait_quiescent(WAIT_S)
    # The second worker of the first stage may take over partitions with work in flight, which is then done again.
    assert {asset for call in process.operators[1].calls for asset in call} == {"0", "1", "2", "3", "4"}


def test_a_fatal_error_ends_all_stages_and_reaches_the_caller() -> None:
    def fatal(events: Sequence[Event]) -> Iterable[Event]:
        raise Fatal("disk is gone", code="disk")

    process = Process(second=fatal)
    process.publish(3)
    with pytest.raises(Fatal, match="disk is gone"), process.threads() as threads:
        threads.run(threading.Event())
    assert process.operators[0].life.count("close") == 2
    assert process.retired() == 0
    assert not process.broker.quiescent()


def test_running_ends_with_a_stop() -> None:
    stop = threading.Event()

    def stopping(events: Sequence[Event]) -> Iterable[Event]:
        stop.set()
        return retire(events)

    process = Process(second=stopping)
    process.publish(1)
    with process.threads() as threads:
        threads.run(stop)
    assert process.retired() == 1


def test_what_runs_beside_the_workers_shares_their_fate() -> None:
    ended = threading.Event()

    def faithful(stop: threading.Event) -> None:
        stop.wait()
        ended.set()

    def failing(stop: threading.Event) -> None:
        raise Fatal("not permitted", code="refused")

    process = Process()
    threads = process.threads()
    threads.beside("faithful", faithful)
    threads.beside("failing", failing)
    with pytest.raises(Fatal, match="not permitted"), threads:
        threads.run(threading.Event())
    assert ended.is_set()
    assert process.operators[0].life.count("close") == process.operators[0].life.count("open")


def test_what_a_stage_waits_for_is_visible() -> None:
    def away(events: Sequence[Event]) -> Iterable[Event]:
        tried.set()
        raise Unavailable("the index is away", code="index_away")

    tried = threading.Event()
    process = Process(second=away)
    with process.threads() as threads:
        process.publish(1)
        assert tried.wait(WAIT_S)
        wait_for(lambda: bool(threads.paused()), "the stage is paused")
        assert threads.paused() == {"second": "unavailable: the index is away"}
        assert not threads.wait_ready(0.0)
        process.operators[1].script = retire
        assert process.broker.wait_quiescent(WAIT_S)
    assert process.retired() == 1


def test_a_stuck_operator_is_named_and_left_behind() -> None:
    entered, release = threading.Event(), threading.Event()

    def stuck(events: Sequence[Event]) -> Iterable[Event]:
        entered.set()
        release.wait(WAIT_S)
        return []

    process = Process(second=stuck)
    threads = process.threads(Pace(poll_timeout_s=0.01, drain_s=0.1), grace_s=0.0)
    with pytest.raises(Fatal) as left, threads:
        process.publish(1)
        assert entered.wait(WAIT_S)
    assert left.value.code == "drain_timeout"
    assert "second" in left.value.message
    release.set()
    wait_for(lambda: not threads.stop(), "no thread is left")


def test_a_worker_that_is_still_opening_has_nothing_to_lose() -> None:
    entered, release = threading.Event(), threading.Event()

    def loading() -> None:
        entered.set()
        release.wait(WAIT_S)

    process = Process()
    process.operators[1].opening = loading
    threads = process.threads(Pace(poll_timeout_s=0.01, drain_s=0.1), grace_s=0.0)
    with threads:
        assert entered.wait(WAIT_S)
    release.set()
