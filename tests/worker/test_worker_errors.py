"""What becomes of a record that fails: dead letter, retry, outage, stop."""

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import pytest

from stream.broker.contract import Delivery
from stream.errors import BadEvent, BadMedia, Fatal, Retryable, Superseded, Unavailable
from stream.events.asset import AssetDeleted, AssetFailed, ContentRetired
from stream.events.base import Event
from stream.events.ids import AssetVersion
from stream.topology.codec import encode
from stream.topology.stage import BatchPolicy, RetryPolicy
from stream.topology.topics import ANNOTATIONS, ASSETS, RETIREMENTS
from tests.support.worker_kit import Kit, Refused, Script, Scripted, asset_id, echo

SECRET = "SECRET-IN-THE-PAYLOAD"


def failing(*culprits: str, error: Callable[[], Exception]) -> Script:
    """Like `echo`, unless a culprit is in the batch."""

    def script(events: Sequence[Event]) -> Iterable[Event]:
        if any(asset_id(event) in culprits for event in events):
            raise error()
        return echo(events)

    return script


def bad_media() -> Exception:
    return BadMedia("no video stream", code="no_video", segments=(1,))


def defect() -> Exception:
    return KeyError(SECRET)


def passing() -> Exception:
    return Retryable("try later", code="busy")


def away() -> Exception:
    return Unavailable("store is away", code="store_away")


@pytest.mark.parametrize("error", [bad_media, lambda: BadEvent("odd", code="no_video")])
def test_bad_media_becomes_a_dead_letter_at_once(error: Callable[[], Exception]) -> None:
    kit = Kit(failing("b", error=error))
    kit.publish("a", "b", "c")
    kit.settle()
    (dead_letter,) = kit.dead_letters()
    assert (dead_letter.topic, dead_letter.partition, dead_letter.offset) == (ASSETS.name, 0, 1)
    assert (dead_letter.stage, dead_letter.code, dead_letter.attempts) == ("echo", "no_video", 1)
    assert (dead_letter.tenant, dead_letter.asset_id, dead_letter.event_type) == ("acme", "b", AssetDeleted.type)
    assert dead_letter.failed_at_ms == kit.clock.now_ms()
    outputs = kit.outputs()
    assert [event.subject for event in outputs] == ["a", "b", "c"]
    assert isinstance(outputs[1].data, AssetFailed)
    assert kit.pending() == 0
    assert kit.sample("rushes_dead_letters_total", code="no_video") == 1
    assert kit.worker.state.outcomes == {"done": 2, "dead_letter": 1}


def test_a_dead_letter_holds_the_record_as_it_came() -> None:
    kit = Kit(failing("a", error=bad_media))
    kit.publish("a")
    kit.settle()
    (dead_letter,) = kit.dead_letters()
    kit.operator.script = echo
    kit.send(dead_letter.value, dead_letter.headers, key=dead_letter.key)
    kit.settle()
    assert kit.outputs()[-1].data == AssetDeleted(asset_id="a")


def test_the_letter_id_is_the_same_when_the_record_fails_again() -> None:
    kit = Kit(failing("a", error=bad_media))
    kit.settle()
    kit.member.ack = lambda records: None  # type: ignore[method-assign]  # dies before the acknowledgement
    kit.publish("a")
    kit.settle()
    kit.worker.close()
    kit.worker = kit.new_worker()
    kit.settle()
    first, second = kit.dead_letters()
    assert first.letter_id == second.letter_id
    assert kit.pending() == 0


@pytest.mark.parametrize("error", [bad_media, defect])
def test_a_batch_is_halved_until_the_culprit_stands_alone(error: Callable[[], Exception]) -> None:
    kit = Kit(failing("5", error=error), batch=BatchPolicy(max_records=8))
    kit.publish(*(f"{number}" for number in range(8)))
    kit.settle()
    assert kit.operator.calls == [
        ["0", "1", "2", "3", "4", "5", "6", "7"],
        ["0", "1", "2", "3"],
        ["4", "5", "6", "7"],
        ["4", "5"],
        ["4"],
        ["5"],
        ["6", "7"],
    ]
    assert [dead_letter.asset_id for dead_letter in kit.dead_letters()] == ["5"]
    assert sorted(kit.output_names()) == list("0123467")
    assert kit.pending() == 0


def test_an_unexpected_error_shows_its_type_and_place_but_not_its_text(caplog: pytest.LogCaptureFixture) -> None:
    kit = Kit(failing("a", error=defect))
    kit.publish("a")
    kit.settle()
    (dead_letter,) = kit.dead_letters()
    assert dead_letter.code == "unexpected_error"
    assert dead_letter.message.startswith("unexpected KeyError at worker/test_worker_errors.py:")
    assert "unexpected KeyError" in caplog.text
    assert SECRET not in dead_letter.message + caplog.text
    assert SECRET not in str([event.data for event in kit.outputs()])


def test_unreadable_neighbours_do_not_split_a_batch() -> None:
    kit = Kit(batch=BatchPolicy(max_records=4))
    kit.publish("a")
    kit.send(b"x")
    kit.publish("b")
    kit.send(b"y")
    kit.settle()
    assert kit.operator.calls == [["a", "b"]]
    assert [dead_letter.offset for dead_letter in kit.dead_letters()] == [1, 3]
    assert kit.pending() == 0


def test_an_unknown_type_and_an_invalid_payload_are_told_apart() -> None:
    kit = Kit()
    good = encode(Event(AssetDeleted(asset_id="a"), "t", "p", "a", kit.clock.now_ms()))
    kit.send(good.value, {**good.headers, "ce_type": b"somebody.else.v1"})
    kit.send(b'{"asset_id": ""}', dict(good.headers))
    kit.settle()
    assert [dead_letter.code for dead_letter in kit.dead_letters()] == ["unknown_type", "invalid_payload"]


def test_superseded_is_told_but_is_no_dead_letter() -> None:
    kit = Kit(failing("a", error=lambda: Superseded("changed", code="source_changed")))
    kit.publish("a")
    kit.settle()
    assert kit.dead_letters() == []
    assert [type(event.data) for event in kit.outputs()] == [AssetFailed]
    assert kit.pending() == 0
    assert kit.worker.state.outcomes == {"superseded": 1}


def test_a_passing_fault_is_tried_again_later_while_others_go_on() -> None:
    kit = Kit(failing("a", error=passing), retry=RetryPolicy(max_attempts=3, base_delay_s=4.0))
    kit.publish("a", "b")
    kit.settle()
    assert kit.operator.calls == [["a"], ["b"]]
    assert (kit.pending(), kit.worker.state.delayed, kit.dead_letters()) == (1, 1, [])
    kit.clock.advance(4.0)
    kit.operator.script = echo
    kit.settle()
    assert kit.operator.calls[2:] == [["a"]]
    assert kit.pending() == 0
    assert kit.output_names() == ["b", "a"]
    assert kit.sample("rushes_retries_total", code="busy") == 1


def test_after_the_last_attempt_comes_the_dead_letter() -> None:
    kit = Kit(failing("a", error=passing), retry=RetryPolicy(max_attempts=3, base_delay_s=1.0))
    kit.publish("a")
    for _ in range(10):
        kit.settle()
        kit.clock.advance(4.0)
    (dead_letter,) = kit.dead_letters()
    assert (dead_letter.code, dead_letter.attempts) == ("busy", 3)
    assert len(kit.operator.calls) == 3
    assert kit.pending() == 0


def test_a_passing_fault_in_a_batch_costs_the_neighbours_no_attempt() -> None:
    kit = Kit(
        failing("b", error=passing),
        batch=BatchPolicy(max_records=3),
        retry=RetryPolicy(max_attempts=1, base_delay_s=1.0),
    )
    kit.publish("a", "b", "c")
    kit.settle()
    assert (kit.pending(), kit.worker.state.delayed) == (3, 3)
    kit.clock.advance(1.0)
    kit.settle()
    assert sorted(kit.operator.calls[1:]) == [["a"], ["b"], ["c"]]
    assert [dead_letter.asset_id for dead_letter in kit.dead_letters()] == ["b"]
    assert kit.pending() == 0


def test_an_outage_pauses_with_growing_backoff_and_uses_up_no_attempt() -> None:
    kit = Kit(failing("a", error=away), retry=RetryPolicy(max_attempts=1, base_delay_s=1.0, max_delay_s=4.0))
    kit.publish("a", "b")
    attempts_s: list[float] = []
    for _ in range(200):
        calls = len(kit.operator.calls)
        kit.worker.step()
        if len(kit.operator.calls) > calls:
            attempts_s.append(round(kit.clock.monotonic_s(), 1))
        kit.clock.advance(0.1)
    assert [round(b - a) for a, b in pairwise(attempts_s)][:4] == [1, 2, 4, 4]
    assert kit.operator.calls == [["a"]] * len(attempts_s)
    assert (kit.pending(), kit.dead_letters()) == (2, [])
    state = kit.worker.state
    assert (state.ready, state.paused, state.joined) == (False, "unavailable: store is away", True)
    assert kit.sample("rushes_ready_workers") == 0
    kit.operator.script = echo
    kit.clock.advance(4.0)
    kit.settle()
    assert kit.output_names() == ["a", "b"]
    assert (kit.pending(), kit.worker.state.ready, kit.worker.state.paused) == (0, True, None)
    assert kit.sample("rushes_ready_workers") == 1


def test_an_outage_in_the_middle_of_halving_keeps_what_is_done() -> None:
    def script(events: Sequence[Event]) -> Iterable[Event]:
        names = [asset_id(event) for event in events]
        if "a" in names and len(names) > 1:
            raise bad_media()
        if "c" in names:
            raise away()
        return echo(events)

    kit = Kit(script, batch=BatchPolicy(max_records=4))
    kit.publish("a", "b", "c", "d")
    kit.settle()
    assert kit.output_names() == ["a", "b"]
    assert kit.pending() == 2
    kit.operator.script = echo
    kit.clock.advance(60.0)
    kit.settle()
    assert kit.output_names() == ["c", "d"]
    assert kit.pending() == 0


def test_an_operator_that_cannot_open_yet_stays_out_of_the_group() -> None:
    kit = Kit()
    missing = [True]

    def opening() -> None:
        if missing:
            raise away()

    kit.operator.opening = opening
    kit.publish("a")
    kit.settle()
    assert not kit.worker.state.joined
    assert kit.worker.state.paused == "unavailable: store is away"
    missing.clear()
    kit.clock.advance(60.0)
    kit.settle()
    assert kit.output_names() == ["a"]
    assert kit.operator.life == ["open", "open"]


def test_outputs_that_the_broker_refuses_are_made_again() -> None:
    kit = Kit()
    send = kit.producer.send

    def refuse(topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> Delivery:
        return Refused()

    kit.producer.send = refuse  # type: ignore[method-assign]
    kit.publish("a")
    kit.settle()
    assert kit.pending() == 1
    assert not kit.worker.state.ready
    kit.producer.send = send  # type: ignore[method-assign]
    kit.clock.advance(60.0)
    kit.settle()
    assert kit.output_names() == ["a"]
    assert kit.pending() == 0


def test_what_a_record_led_to_before_it_failed_must_be_durable_too() -> None:
    def script(events: Sequence[Event]) -> Iterable[Event]:
        yield from echo(events)
        raise bad_media()

    kit = Kit(script)
    send = kit.producer.send
    refused = [ANNOTATIONS.name]

    def refuse_once(topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> Delivery:
        if topic in refused:
            refused.remove(topic)
            return Refused()
        return send(topic, key, value, headers)

    kit.producer.send = refuse_once  # type: ignore[method-assign]
    kit.publish("a")
    kit.settle()
    assert kit.pending() == 1
    kit.clock.advance(60.0)
    kit.settle()
    assert "a" in kit.output_names()
    assert kit.pending() == 0


def test_nothing_is_acknowledged_while_the_broker_does_not_confirm() -> None:
    kit = Kit()
    producer = kit.producer
    flush = producer.flush

    def late(timeout_s: float) -> None:
        raise away()

    producer.flush = late  # type: ignore[method-assign]
    kit.publish("a")
    kit.settle()
    for _ in range(5):
        kit.clock.advance(60.0)
        kit.settle()
        assert kit.pending() == 1
        assert not kit.worker.state.ready
    producer.flush = flush  # type: ignore[method-assign]
    kit.clock.advance(60.0)
    kit.settle()
    assert kit.pending() == 0
    assert kit.worker.state.ready
    assert kit.operator.calls == [["a"]]


def test_fatal_leaves_without_acknowledging() -> None:
    kit = Kit(failing("a", error=lambda: Fatal("disk", code="disk")))
    kit.publish("a")
    with pytest.raises(Fatal, match="disk"):
        kit.worker.run(threading.Event())
    assert kit.pending() == 1
    assert kit.operator.life == ["open", "close"]
    assert kit.broker.consumer([ASSETS.name], "echo").poll(1, 0)


def test_unexpected_errors_of_two_assets_stop_the_stage() -> None:
    names = [f"{number}" for number in range(30)]
    kit = Kit(failing(*names, error=defect))
    kit.publish(*names)
    with pytest.raises(Fatal) as stopped:
        kit.worker.run(threading.Event())
    assert stopped.value.code == "too_many_unexpected_errors"
    assert SECRET not in stopped.value.message
    assert len(kit.operator.calls) == 20


@pytest.mark.parametrize(
    ("names", "error"),
    [(["same"] * 40, defect), ([f"{number}" for number in range(40)], bad_media)],
    ids=["one poisonous asset", "bad media"],
)
def test_what_never_stops_a_stage(names: list[str], error: Callable[[], Exception]) -> None:
    kit = Kit(failing(*names, error=error))
    kit.publish(*names)
    kit.settle()
    assert len(kit.dead_letters()) == 40


def test_a_few_unexpected_errors_among_many_do_not_stop_a_stage() -> None:
    names = [f"{number}" for number in range(200)]
    culprits = random.Random(3).sample(names, 20)
    kit = Kit(failing(*culprits, error=defect))
    kit.publish(*names)
    kit.settle(1000)
    assert sorted(dead_letter.asset_id for dead_letter in kit.dead_letters()) == sorted(culprits)


class Indirect(Scripted):
    """Its dead letters keep another event than the record."""

    def replayable(self, event: Event) -> Event:
        retired = ContentRetired(tenant="t", asset_id=asset_id(event), up_to=AssetVersion(1, 1))
        return event.derive(retired, id=f"instead-of-{event.id}")


def test_an_operator_names_what_leads_to_the_record_again() -> None:
    kit = Kit(operator=Indirect(failing("a", error=bad_media)))
    kit.publish("a")
    kit.settle()
    (dead_letter,) = kit.dead_letters()
    assert dead_letter.topic == RETIREMENTS.name
    assert dead_letter.headers["ce_type"] == ContentRetired.type.encode()
    assert dead_letter.headers["ce_id"] == b"instead-of-id-a"
    assert ContentRetired.from_bytes(dead_letter.value).asset_id == "a"
    assert dead_letter.event_type == AssetDeleted.type
