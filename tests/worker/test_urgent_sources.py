"""A stage with urgent sources: their records go before any that waited earlier, between two records or two batches."""

from collections.abc import Iterable, Sequence

from stream.errors import Unavailable
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.topology.codec import encode
from stream.topology.stage import BatchPolicy
from stream.topology.topics import ANNOTATIONS, ASSETS
from tests.support.worker_kit import Kit, asset_id


class Busy(Kit):
    """A worker whose first record takes as long as it takes others to publish something urgent."""

    def __init__(self, batch: BatchPolicy, urgent: str) -> None:
        super().__init__(self._script, batch=batch)
        self._urgent: str | None = urgent
        self.broker.declare(ANNOTATIONS.name, "echo")
        self.worker = self.new_worker(
            sources=(ASSETS.name, ANNOTATIONS.name), targets=(), urgent_sources=(ANNOTATIONS.name,)
        )

    def _script(self, events: Sequence[Event]) -> Iterable[Event]:
        urgent, self._urgent = self._urgent, None
        if urgent is not None:
            self.publish_urgently(urgent)
        return ()

    def publish_urgently(self, name: str) -> None:
        record = encode(Event(AssetDeleted(asset_id=name), "acme", "p", name, self.clock.now_ms()))
        self.broker.producer().send(ANNOTATIONS.name, record.key, record.value, record.headers)


def test_an_urgent_record_overtakes_what_the_worker_has_read_already() -> None:
    kit = Busy(BatchPolicy(), "urgent")
    kit.publish("a", "b", "c")
    kit.settle()
    assert kit.operator.calls == [["a"], ["urgent"], ["b"], ["c"]]
    assert kit.pending() == kit.broker.backlog(ANNOTATIONS.name, "echo").records == 0


def test_urgent_records_are_a_batch_of_their_own() -> None:
    kit = Busy(BatchPolicy(max_records=2), "urgent")
    kit.publish("a", "b", "c", "d")
    kit.settle()
    assert kit.operator.calls == [["a", "b"], ["urgent"], ["c", "d"]]


def test_a_long_queue_keeps_nothing_urgent_out() -> None:
    kit = Busy(BatchPolicy(), "urgent")
    kit.publish(*map(str, range(300)))
    kit.settle(steps=1000)
    assert kit.operator.calls[1] == ["urgent"] and len(kit.operator.calls) == 301


def test_what_comes_back_after_an_outage_keeps_its_place() -> None:
    kit = Busy(BatchPolicy(), "urgent")
    kit.publish("a", "b")
    seen = []

    def refuses_once(events: Sequence[Event]) -> Iterable[Event]:
        seen.append(asset_id(events[0]))
        if len(seen) == 1:
            kit.publish_urgently("urgent")
            raise Unavailable("the store does not answer", code="store_unavailable")
        return ()

    kit.operator.script = refuses_once
    kit.settle()
    kit.clock.advance(60)
    kit.settle()
    assert seen == ["a", "urgent", "a", "b"]
