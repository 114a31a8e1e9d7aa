"""Producers of a real cluster with an authorizer: each writes its own topic, and nothing reaches another tenant."""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer, ThrottleEvent

from benchmarks.testbed.runs import light_settings
from benchmarks.testbed.waiting import wait_for
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.producer import KafkaProducer
from stream.broker.kafka.quotas import ClientQuotas
from stream.broker.node.local import LocalNode, free_port
from stream.cli.app import app
from stream.cli.execution import CANNOT_RUN, execute
from stream.clock import SystemClock
from stream.errors import Fatal
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.sessions.stage_process import Deployment, run_deployed
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import ASSETS, DEAD_LETTERS
from tests.support.brokers import up

pytestmark = pytest.mark.kafka
CLOCK = SystemClock()


@dataclass(frozen=True)
class Secured:
    servers: str
    properties: Mapping[str, str]
    file: Path

    def user(self, name: str) -> KafkaSettings:
        return KafkaSettings.from_uri(f"kafka://{self.servers}", self.file.with_name(f"{name}.properties"))

    def tenants(self, state: Path, *words: str) -> str:
        place = ("--broker", f"kafka://{self.servers}", "--client-properties", self.file)
        out = io.StringIO()
        with redirect_stdout(out):
            assert execute(app, ["--state", str(state), "tenants", *words, *map(str, place)]) == 0
        return out.getvalue()


def made(node: Path, user: str) -> int:
    """The exit code of `rushes kafka user`."""
    with redirect_stdout(io.StringIO()):
        return execute(app, ["kafka", "user", user, "--dir", str(node)])


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    node = LocalNode(tmp_path_factory.mktemp("tenants"), CLOCK, port=free_port(), security="sasl")
    servers, file = up(node), node.status().client_properties
    assert file is not None
    settings = KafkaSettings.from_uri(f"kafka://{servers}", file)
    for name in ("acme", "ac"):
        assert made(node.directory, name) == 0
        assert file.with_name(f"{name}.properties").stat().st_mode & 0o077 == 0
    assert made(node.directory, "rushes") == CANNOT_RUN
    yield Secured(servers, settings.properties, file)
    node.down()


def refusal(settings: KafkaSettings, topic: str) -> str | None:
    """What the broker answers to a deletion there; None where it takes it."""
    sent = encode(Event(AssetDeleted(asset_id="a"), "acme", "p", "a", 1))
    broker = KafkaBroker(settings, CLOCK)
    producer: KafkaProducer = broker.producer()
    try:
        delivery = producer.send(topic, sent.key, sent.value, sent.headers)
        producer.flush(20.0)
        return delivery.error()
    except Fatal as refused:
        return refused.message
    finally:
        producer.close()
        broker.close()


def test_a_producer_writes_and_describes_its_topic_alone(secured: Secured, tmp_path: Path) -> None:
    secured.tenants(tmp_path, "add", "acme", "--principal", "User:acme", "--partitions", "1")
    secured.tenants(tmp_path, "add", "ac", "--principal", "User:ac", "--partitions", "1")
    assert "producers: User:acme" in secured.tenants(tmp_path, "show", "acme")
    operator = KafkaBroker(KafkaSettings(secured.servers, secured.properties), CLOCK)
    stop = threading.Event()
    gate = threading.Thread(
        target=run_deployed,
        args=(light_settings(tmp_path), ["gate"], operator, Deployment(0, 1), stop),
        kwargs={"clock": CLOCK},
        daemon=True,
    )
    gate.start()
    try:
        assert refusal(secured.user("acme"), "assets.acme") is None
        assert refusal(secured.user("ac"), "assets.ac") is None  # which claims to be acme's
        wait_for(lambda: operator.backlog("assets.ac", "gate").records == 0, "the gate has read both")
        wait_for(lambda: operator.backlog("assets.acme", "gate").records == 0, "the gate has read both")
    finally:
        stop.set()
        gate.join(30.0)
    assert not gate.is_alive()
    for user, topic in (("ac", "assets.acme"), ("acme", "assets.ac"), ("ac", "assets"), ("acme", "dead-letters")):
        assert refusal(secured.user(user), topic) is not None, (user, topic)
    tail = operator.tail(ASSETS.name, from_start=True)
    published = [EventDecoder([ASSETS]).decode(record) for record in tail.poll(10, 5.0)]
    assert [event.tenant for event in published] == ["acme"]
    tail.close()
    letters = operator.tail(DEAD_LETTERS.name, from_start=True)
    (letter,) = (EventDecoder([DEAD_LETTERS]).decode(record) for record in letters.poll(10, 5.0))
    assert letter.tenant == "ac"
    letters.close()
    operator.close()
    secured.tenants(tmp_path, "add", "acme", "--principal", "User:other")
    assert "producers: User:other" in secured.tenants(tmp_path, "show", "acme")
    assert refusal(secured.user("acme"), "assets.acme") is not None
    secured.tenants(tmp_path, "remove", "ac")
    assert refusal(secured.user("ac"), "assets.ac") is not None


def test_a_producer_is_slowed_by_its_quota_until_it_is_lifted(secured: Secured, tmp_path: Path) -> None:
    assert made(secured.file.parent, "busy") == 0
    added = secured.tenants(
        tmp_path, "add", "busy", "--principal", "User:busy", "--producer-byte-rate", "50000",
        "--request-percentage", "200", "--partitions", "1",
    )  # fmt: skip
    assert "quotas: producer_byte_rate=50000, request_percentage=200" in added
    assert slowed(secured.user("busy"), "assets.busy")
    secured.tenants(tmp_path, "add", "busy", "--no-quotas")
    shown = json.loads(secured.tenants(tmp_path, "show", "busy", "--json"))
    assert (shown["producer_byte_rate"], shown["quotas"]) == (None, {"User:busy": {}})
    # Who may not change quotas is told so, and that in words.
    with pytest.raises(Fatal, match="quotas of User:busy: Cluster authorization failed; the user of"):
        ClientQuotas(secured.user("busy")).put(["User:busy"], {"producer_byte_rate": None})


def slowed(settings: KafkaSettings, topic: str) -> bool:
    """Whether the brokers throttle who sends ten seconds' worth there at once."""
    told: list[ThrottleEvent] = []
    producer = Producer(settings.common() | {"throttle_cb": told.append})
    for _ in range(14):
        producer.produce(topic, b"x" * 65_536)
    # Until the brokers say so: what is left then waits for them, and nobody here does.
    wait_for(lambda: bool(told), "the brokers throttle the producer", meanwhile=lambda: producer.poll(0.1))
    producer.purge()
    return any(event.throttle_time > 0 for event in told)
