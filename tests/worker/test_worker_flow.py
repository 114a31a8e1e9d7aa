"""The ordinary way of a record: batch, outputs, acknowledgement; backpressure, membership and the end of a worker."""

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest

from stream.broker.contract import Record
from stream.errors import BadEvent, Fatal, Retryable, Unavailable
from stream.events.asset import AssetDeleted, ContentRetired
from stream.events.base import Event
from stream.events.ids import AssetVersion
from stream.topology.stage import BatchPolicy
from stream.topology.topics import ANNOTATIONS, ASSETS, FRAMES
from stream.worker.pace import Pace
from stream.worker.queues import MIN_QUICK_RECORDS, MIN_RECORDS
from tests.support.worker_kit import NO_WAIT, Kit, Scripted, asset_id, echo


def warm(pace: Pace = NO_WAIT) -> Kit:
    """A worker that has learned how small its records are."""
    kit = Kit(pace=pace)
    kit.publish("first")
    kit.settle()
    kit.outputs()
    kit.operator.calls.clear()
    return kit


def test_one_step_does_one_record_and_acknowledges_it() -> None:
    kit = Kit()
    kit.publish("a")
    assert kit.worker.step()
    assert kit.output_names() == ["a"]
    assert kit.pending() == 0
    assert not kit.worker.step()
    assert kit.worker.state.outcomes == {"done": 1}
    assert kit.sample("rushes_records_total", outcome="done") == 1


def test_a_busy_worker_settles_at_the_flush_interval_and_when_idle() -> None:
    kit = warm()
    kit.publish("a", "b", "c")
    kit.worker.step()
    kit.worker.step()
    assert kit.pending() == 3
    kit.clock.advance(kit.pace.flush_interval_s)
    kit.worker.step()
    assert kit.pending() == 0
    assert kit.output_names() == ["a", "b", "c"]


def test_what_has_no_outputs_is_acknowledged_at_once() -> None:
    kit = warm()
    kit.operator.script = lambda _events: ()
    kit.publish("a", "b", "c")
    kit.worker.step()
    assert kit.pending() == 2


def test_the_operator_opens_before_the_group_is_joined() -> None:
    kit = Kit()
    joined: list[bool] = []
    kit.operator.opening = lambda: joined.append(kit.worker.state.joined)
    kit.worker.step()
    assert joined == [False]
    assert kit.worker.state.joined
    assert kit.worker.state.ready


def test_batches_follow_the_policy() -> None:
    kit = Kit(batch=BatchPolicy(max_records=3, max_wait_s=5.0))
    kit.publish("a", "b", "c", "d")
    kit.settle()
    assert kit.operator.calls == [["a", "b", "c"]]
    assert kit.pending() == 1
    kit.clock.advance(5.0)
    kit.settle()
    assert kit.operator.calls[1:] == [["d"]]
    assert kit.pending() == 0
    assert kit.sample("rushes_batch_records_count") == 2


def test_a_batch_of_one_streams_its_outputs() -> None:
    kit = Kit()
    seen: list[list[str]] = []

    def three(events: Sequence[Event]) -> Iterable[Event]:
        for number in range(3):
            seen.append(kit.output_names())
            yield events[0].derive(events[0].data, id=f"{number}")

    kit.operator.script = three
    kit.publish("a")
    kit.settle()
    assert seen == [[], ["a"], ["a"]]


def test_a_larger_batch_withholds_its_outputs_until_it_succeeded() -> None:
    kit = Kit(batch=BatchPolicy(max_records=2))
    seen: list[list[str]] = []

    def lazily(events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            seen.append(kit.output_names())
            yield event.derive(event.data, id=event.id)

    kit.operator.script = lazily
    kit.publish("a", "b")
    kit.settle()
    assert seen == [[], []]
    assert kit.output_names() == ["a", "b"]


def test_what_the_worker_holds_is_bounded() -> None:
    kit = Kit(lambda events: _away(), batch=BatchPolicy(max_records=2))
    kit.publish(*(f"{number}" for number in range(100)))
    for _ in range(50):
        kit.worker.step()
    assert kit.worker.state.in_flight == 16


def test_what_the_worker_holds_is_bounded_in_bytes() -> None:
    kit = Kit(lambda events: _away(), batch=BatchPolicy(max_records=8, max_bytes=30))
    kit.publish(*(f"{number:032}" for number in range(100)))
    for _ in range(50):
        kit.worker.step()
    assert 1 <= kit.worker.state.in_flight < 16


def _away() -> Iterable[Event]:
    raise Unavailable("store is away", code="store_away")


def test_unread_bytes_of_a_target_hold_the_worker_back_until_they_are_read() -> None:
    kit = Kit(throttled_by=(ANNOTATIONS.name,), max_unread_bytes=2000)
    kit.broker.declare(ANNOTATIONS.name, "reader")
    kit.publish(*(f"{number}" for number in range(30)))
    for _ in range(100):
        kit.worker.step()
        kit.clock.advance(0.01)
    unread = kit.broker.backlog(ANNOTATIONS.name, "reader").bytes
    assert 2000 < unread < 4000
    assert kit.worker.state.paused == "throttled: annotations"
    assert kit.sample("rushes_paused_workers", reason="throttled") == 1
    assert kit.worker.state.ready
    done = 0
    while kit.pending():
        done += len(kit.outputs())
        kit.clock.advance(0.1)
        kit.settle()
    assert done + len(kit.outputs()) == 30
    assert kit.sample("rushes_paused_workers", reason="throttled") == 0


def test_a_throttled_worker_has_acknowledged_what_it_finished() -> None:
    kit = Kit(throttled_by=(ANNOTATIONS.name,), max_unread_bytes=1)
    kit.broker.declare(ANNOTATIONS.name, "reader")
    kit.publish("a", "b")
    for _ in range(5):
        kit.worker.step()
        kit.clock.advance(0.1)
    assert kit.pending() == 1


def test_a_worker_drops_what_another_member_got() -> None:
    kit = warm()
    kit.publish("a", "b", "c")
    kit.worker.step()
    assert kit.worker.state.in_flight == 3
    kit.member.close()  # as if the broker had given the partition away
    kit.settle()
    assert kit.operator.calls == [["a"]]
    assert kit.worker.state.in_flight == 0
    assert kit.pending() == 3


def test_run_drains_leaves_and_closes() -> None:
    stop = threading.Event()

    def stop_at_first(events: Sequence[Event]) -> Iterable[Event]:
        stop.set()
        return echo(events)

    kit = Kit(stop_at_first)
    kit.publish("a", "b")
    kit.worker.run(stop)
    assert kit.output_names() == ["a"]
    assert kit.pending() == 1
    assert kit.operator.life == ["open", "close"]
    assert not kit.worker.state.joined
    kit.operator.script = echo
    kit.worker = kit.new_worker()
    kit.settle()
    assert kit.output_names() == ["b"]


def test_the_drain_ends_a_long_record_at_its_deadline() -> None:
    stop = threading.Event()
    kit = Kit(pace=Pace(poll_timeout_s=0.0, drain_s=10.0, unit_s=0.0))

    def long(events: Sequence[Event]) -> Iterable[Event]:
        stop.set()
        for number in range(100):
            kit.clock.advance(1.0)
            yield events[0].derive(events[0].data, id=f"{number}")

    kit.operator.script = long
    kit.publish("a")
    kit.worker.run(stop)
    assert len(kit.outputs()) == 10
    assert kit.pending() == 1


def test_a_second_stop_abandons_at_the_next_output() -> None:
    stop, abandon = threading.Event(), threading.Event()
    kit = Kit()

    def long(events: Sequence[Event]) -> Iterable[Event]:
        for number in range(100):
            if number == 3:
                stop.set()
                abandon.set()
            yield events[0].derive(events[0].data, id=f"{number}")

    kit.operator.script = long
    kit.publish("a")
    kit.worker.run(stop, abandon)
    assert len(kit.outputs()) == 3
    assert kit.pending() == 1


def test_a_stop_leaves_what_was_decoded_along() -> None:
    stop = threading.Event()
    kit = warm(Pace(poll_timeout_s=0.0, unit_s=60.0))
    kit.publish("a", "b", "c")

    def stopping(events: Sequence[Event]) -> Iterable[Event]:
        stop.set()
        return echo(events)

    kit.operator.script = stopping
    kit.worker.run(stop)
    assert kit.operator.calls == [["a"]]
    assert kit.pending() == 2


def test_close_is_idempotent_and_closes_only_what_was_opened() -> None:
    kit = Kit()
    kit.worker.close()
    kit.worker.close()
    assert kit.operator.life == []


def test_an_undeclared_output_stops_the_worker() -> None:
    kit = Kit(lambda events: [events[0].derive(_retired(), id="x")])
    kit.publish("a")
    with pytest.raises(Fatal) as stopped:
        kit.worker.run(threading.Event())
    assert stopped.value.code == "undeclared_output"
    assert kit.pending() == 1


def _retired() -> ContentRetired:
    return ContentRetired(tenant="t", asset_id="a", up_to=AssetVersion(1, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": ("nowhere",)},
        {"sources": ()},
        {"targets": ("nowhere",)},
        {"targets": (ASSETS.name, ANNOTATIONS.name)},
        {"throttled_by": (FRAMES.name,)},
    ],
)
def test_a_stage_that_cannot_work_is_refused_at_once(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="stage 'echo'"):
        Kit().new_worker(**changes)


def test_two_members_share_the_work_without_doubling_it() -> None:
    kit = Kit(operator=Scripted())
    other = kit.new_worker()
    kit.worker.step()
    other.step()
    kit.publish(*(f"{number}" for number in range(20)))
    while kit.worker.step() or other.step():
        pass
    assert sorted(kit.output_names()) == sorted(f"{number}" for number in range(20))
    assert kit.pending() == 0


def test_asset_id_reads_the_payload() -> None:
    assert asset_id(Event(AssetDeleted(asset_id="a"), "t", "p", "s", 0)) == "a"


@pytest.mark.parametrize(("taking_s", "held"), [(0.0, MIN_QUICK_RECORDS), (0.01, MIN_RECORDS)])
def test_as_much_is_held_as_goes_in_a_moment(taking_s: float, held: int) -> None:
    kit = Kit(pace=Pace(poll_timeout_s=0.0, flush_interval_s=0.0, unit_s=0.005))
    waiting: list[int] = []

    def look(events: Sequence[Event]) -> Iterable[Event]:
        waiting.append(kit.worker.state.in_flight)
        kit.clock.advance(taking_s)
        return ()

    kit.operator.script = look
    kit.publish(*(f"clip-{number}" for number in range(300)))
    kit.settle(steps=400)
    assert len(waiting) == 300
    assert max(waiting) == held


@pytest.mark.parametrize("fails", [True, False])
def test_small_records_go_together_and_yet_each_by_itself(fails: bool) -> None:
    kit = warm(Pace(poll_timeout_s=0.0, unit_s=0.005))
    kit.publish("a", "b", "c", "d")

    def slowly(events: Sequence[Event]) -> Iterable[Event]:
        kit.clock.advance(0.003)
        if fails:
            raise BadEvent("no", code="no")
        return echo(events)

    kit.operator.script = slowly
    kit.worker.step()
    assert kit.operator.calls == [["a"], ["b"]], "then it is time to look around"
    kit.settle()
    assert kit.operator.calls == [["a"], ["b"], ["c"], ["d"]]
    assert kit.worker.state.outcomes == {"done": 1 if fails else 5} | ({"dead_letter": 4} if fails else {})


def test_an_outage_amid_records_that_go_together_keeps_their_order() -> None:
    kit = warm(Pace(poll_timeout_s=0.0, unit_s=60.0))
    kit.publish("a", "b", "c", "d")
    refused = ["c"]

    def sometimes(events: Sequence[Event]) -> Iterable[Event]:
        if asset_id(events[0]) in refused:
            refused.clear()
            raise Unavailable("full", code="disk_full")
        return echo(events)

    kit.operator.script = sometimes
    kit.worker.step()
    assert kit.operator.calls == [["a"], ["b"], ["c"]]
    assert kit.worker.state.in_flight == 2
    kit.clock.advance(1.0)
    kit.settle()
    assert kit.operator.calls[3:] == [["c"], ["d"]]
    assert kit.output_names() == ["a", "b", "c", "d"]
    assert kit.worker.state.in_flight == 0


def test_membership_is_kept_alive_while_all_that_is_held_fails_slowly() -> None:
    kit = warm()
    kit.publish(*(f"clip-{number}" for number in range(100)))
    consumer = kit.member
    polls_s: list[float] = []
    poll = consumer.poll

    def noted(max_records: int, timeout_s: float) -> Sequence[Record]:
        polls_s.append(kit.clock.monotonic_s())
        return poll(max_records, timeout_s)

    def slowly(_events: Sequence[Event]) -> Iterable[Event]:
        kit.clock.advance(60.0)
        raise Retryable("slow", code="source_slow")

    consumer.poll = noted  # type: ignore[method-assign]
    kit.operator.script = slowly
    for _ in range(60):
        kit.worker.step()
    assert len(kit.operator.calls) > 40
    assert max(later - earlier for earlier, later in pairwise(polls_s)) <= 60.0


def test_a_throttle_holds_between_records_that_go_together() -> None:
    kit = Kit(throttled_by=(ANNOTATIONS.name,), max_unread_bytes=1000, pace=Pace(poll_timeout_s=0.0, unit_s=1.0))
    kit.broker.declare(ANNOTATIONS.name, "reader")
    kit.publish(*(f"clip-{number}" for number in range(20)))
    kit.settle()
    assert 1 < len(kit.operator.calls) < 6
