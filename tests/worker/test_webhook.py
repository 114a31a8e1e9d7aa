"""The webhook stage against a receiver that is away, busy, broken or refuses: nothing is lost, nothing is secret."""

import base64
import hashlib
import hmac
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from stream.broker.contract import TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.broker.node.local import free_port
from stream.clock import ManualClock
from stream.errors import Fatal
from stream.events.asset import AssetStatus
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.observability.metrics import Metrics
from stream.operators.webhook import WebhookSettings, webhook_stage
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import COMPLETIONS, DEAD_LETTERS
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.control import asset_ref, change, event
from tests.support.receivers import receiving

SECRET = b"sixteen or more bytes"


class Kit:
    """The stage over a memory broker, its time moved by waiting alone."""

    def __init__(self, url: str, *, private: bool = True) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure(TopicSpec(topic.name) for topic in (COMPLETIONS, DEAD_LETTERS))
        self.broker.declare(COMPLETIONS.name, "webhook")
        self._letters = self.broker.consumer([DEAD_LETTERS.name], "letters")
        stage = webhook_stage(WebhookSettings(url, SECRET, allow_private_addresses=private), self.clock)
        self.worker = Worker(
            stage, self.broker, clock=self.clock, metrics=Metrics(CollectorRegistry()), pace=Pace(poll_timeout_s=0.0)
        )

    def tell(self, *names: str) -> list[Event]:
        producer = self.broker.producer()
        told = [event(change(asset_ref(name), AssetStatus.READY)) for name in names]
        for item in told:
            record = encode(item)
            producer.send(COMPLETIONS.name, record.key, record.value, record.headers)
        return told

    def pending(self) -> int:
        return self.broker.backlog(COMPLETIONS.name, "webhook").records

    def work(self, until: Callable[[], bool]) -> None:
        for _ in range(400):
            if until():
                return
            self.worker.step()
            self.clock.advance(1.0)
        pytest.fail("the stage does not get there")

    def dead_letters(self) -> list[DeadLetter]:
        decoder = EventDecoder([DEAD_LETTERS])
        found = [decoder.decode(record).data for record in self._letters.poll(10, 0.0)]
        return [dead_letter for dead_letter in found if isinstance(dead_letter, DeadLetter)]

    def close(self) -> None:
        self.worker.drain()
        self.worker.close()
        self.broker.close()


def test_messages_are_cloudevents_signed_and_in_order() -> None:
    with receiving() as receiver:
        kit = Kit(receiver.url)
        told = kit.tell("a", "b")
        kit.work(lambda: kit.pending() == 0)
        kit.close()
    assert receiver.ids == [item.id for item in told]
    headers, body = receiver.taken[0]
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"] == "application/cloudevents+json"
    first = receiver.bodies[0]
    assert (first["id"], first["subject"], first["data"]["status"]) == (told[0].id, "a", "ready")
    assert first["specversion"] == "1.0"


@pytest.mark.parametrize("status", [500, 503, 429, 302, 404, 401])
def test_a_receiver_that_is_not_well_gets_the_same_message_again(status: int) -> None:
    with receiving([status, status]) as receiver:
        kit = Kit(receiver.url)
        (told,) = kit.tell("a")
        kit.work(lambda: kit.pending() == 0)
        assert [headers["webhook-id"] for headers, _ in receiver.asked] == [told.id] * 3
        assert kit.dead_letters() == []
        kit.close()
    assert receiver.ids == [told.id]


def test_a_receiver_that_is_away_for_long_loses_nothing() -> None:
    port = free_port()
    kit = Kit(f"http://127.0.0.1:{port}/told")
    told = kit.tell("a", "b", "c")
    kit.work(lambda: kit.worker.state.paused is not None)
    for _ in range(100):
        kit.worker.step()
        kit.clock.advance(60.0)
    assert kit.pending() == 3
    assert kit.dead_letters() == []
    with receiving(port=port) as receiver:
        kit.work(lambda: kit.pending() == 0)
        kit.close()
    assert sorted(receiver.ids) == sorted(item.id for item in told)


@pytest.mark.parametrize(("statuses", "code"), [([422], "webhook_refused"), ([500] * 6, "webhook_failed")])
def test_a_message_that_cannot_be_taken_is_a_dead_letter_and_the_next_one_is_told(
    statuses: list[int], code: str
) -> None:
    with receiving(statuses) as receiver:
        kit = Kit(receiver.url)
        kit.tell("a")
        kit.work(lambda: kit.pending() == 0)
        (after,) = kit.tell("b")
        kit.work(lambda: kit.pending() == 0)
        (dead_letter,) = kit.dead_letters()
        kit.close()
    assert (dead_letter.code, dead_letter.asset_id, dead_letter.topic) == (code, "a", COMPLETIONS.name)
    assert receiver.ids == [after.id]


def test_a_private_address_is_not_asked_unless_allowed() -> None:
    with receiving() as receiver:
        kit = Kit(receiver.url, private=False)
        kit.tell("a")
        kit.work(lambda: kit.worker.state.paused is not None)
        assert kit.pending() == 1
        kit.close()
    assert receiver.asked == []


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "https://u:p@host/", "http://", "host"])
def test_only_plain_http_urls_are_webhooks(url: str) -> None:
    with pytest.raises(Fatal) as refused:
        WebhookSettings(url, SECRET)
    assert "u:p" not in refused.value.message


def test_a_secret_is_long_and_never_shown() -> None:
    with pytest.raises(Fatal, match="shorter"):
        WebhookSettings("https://host/", b"short")
    assert "sixteen" not in repr(WebhookSettings("https://host/", SECRET))
