"""Outputs: what they are sent with, and what becomes of them where their record failed."""

from collections.abc import Iterable, Sequence

from stream.errors import Retryable
from stream.events.base import Event
from stream.events.ids import asset_key
from stream.topology.topics import ANNOTATIONS
from tests.support.worker_kit import Kit


def test_outputs_carry_the_position_of_their_source() -> None:
    kit = Kit(lambda events: [event.derive(event.data, id=str(event.position)) for event in events])
    kit.publish("a")
    kit.settle()
    (output,) = kit.outputs()
    assert output.id == f"Position(topic='assets', partition=0, offset=0, append_time_ms={kit.clock.now_ms()})"


def test_outputs_have_the_keys_that_their_topic_asks_for() -> None:
    kit = Kit()
    follower = kit.broker.follow(ANNOTATIONS.name, 10)
    kit.publish("a", tenant="acme")
    kit.settle()
    assert [record.key for record in follower.poll(10, 0)] == [asset_key("acme", "a").encode()]


def test_what_failed_after_more_outputs_than_may_be_unread_is_tried_again() -> None:
    faults = [Retryable("died", code="died")]

    def dies_once(events: Sequence[Event]) -> Iterable[Event]:
        for number in range(10):
            yield events[0].derive(events[0].data, id=f"output {number}")
        if faults:
            raise faults.pop()

    kit = Kit(dies_once, throttled_by=(ANNOTATIONS.name,), max_unread_bytes=2000)
    kit.broker.declare(ANNOTATIONS.name, "reader")
    kit.publish("a")
    for _ in range(20):
        kit.settle()
        kit.clock.advance(10)
        assert len(kit.outputs()) in {0, 10}
    assert kit.operator.calls == [["a"], ["a"]]
    assert kit.pending() == 0
