"""A node that takes clients over TLS, and as users; what it refuses ends at once, and says why."""

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.testbed.runs import rushes
from stream.broker.contract import TopicSpec
from stream.broker.kafka.admin_queries import AdminQueries
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.node.local import LocalNode, free_port
from stream.broker.node.security import Security
from stream.cli.commands.doctor_cluster import cluster_checks
from stream.cli.context import make_context
from stream.cli.options.partitions import Partitions
from stream.cli.options.sessions import Cluster
from stream.cli.rendering.checks import Check
from stream.clock import SystemClock
from stream.errors import Fatal, Unavailable
from stream.pipelines.understanding import reference_topology
from stream.runtime.startup import retried_until_available
from stream.sessions.stage_process import Deployment, prepare
from tests.support.brokers import up

pytestmark = pytest.mark.kafka

TOPIC = TopicSpec("secured", 1)
CLOCK = SystemClock()


@dataclass
class Secured:
    """A running node, what its clients say, and the command lines that making it took."""

    node: LocalNode
    servers: str
    properties: Mapping[str, str]
    commands: list[str] = field(default_factory=list)

    @classmethod
    def made(cls, directory: Path, security: Security) -> "Secured":
        node = LocalNode(directory, CLOCK, port=free_port(), security=security)
        commands: list[str] = []
        run = subprocess.run

        def listed(command: list[str], **options: Any) -> Any:
            commands.extend(command)
            return run(command, **options)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(subprocess, "run", listed)
            servers = up(node)
        settings = KafkaSettings.from_uri(f"kafka://{servers}", node.status().client_properties)
        return cls(node, servers, settings.properties, commands)

    @property
    def settings(self) -> KafkaSettings:
        return KafkaSettings(self.servers, self.properties, commit_interval_s=0.2)


@pytest.fixture(scope="module")
def sasl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = Secured.made(tmp_path_factory.mktemp("sasl"), "sasl")
    yield made
    made.node.down()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = Secured.made(tmp_path_factory.mktemp("tls"), "tls")
    yield made
    made.node.down()


def refusal(settings: KafkaSettings) -> Fatal:
    with pytest.raises(Fatal) as refused:
        broker = KafkaBroker(settings, CLOCK)
        try:
            broker.ensure([TOPIC])
        finally:
            broker.close()
    for secret in (value for name, value in settings.properties.items() if "password" in name):
        assert secret not in refused.value.message
    return refused.value


def round_trip(broker: KafkaBroker, value: bytes) -> None:
    """As a stage does: declared, sent, read by a member, acknowledged."""
    broker.ensure([TOPIC])
    broker.declare(TOPIC.name, "reader")
    producer, consumer = broker.producer(), broker.consumer([TOPIC.name], "reader")
    delivery = producer.send(TOPIC.name, b"key", value, {})
    producer.flush(30.0)
    assert delivery.error() is None
    while not (found := consumer.poll(10, 1.0)):
        pass
    assert [record.value for record in found] == [value]
    consumer.ack(found)
    consumer.close()
    producer.close()
    assert broker.backlog(TOPIC.name, "reader").records == 0


@pytest.mark.parametrize("security", ["sasl", "tls"])
def test_records_go_and_come_back(request: pytest.FixtureRequest, security: str) -> None:
    secured: Secured = request.getfixturevalue(security)
    broker = KafkaBroker(secured.settings, CLOCK)
    round_trip(broker, b"sent")
    broker.close()


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"sasl.password": "hunter2"}, "unauthenticated", "check sasl.username"),
        ({"sasl.mechanisms": "PLAIN"}, "unauthenticated", "SCRAM-SHA-512"),
        ({"ssl.ca.location": None}, "tls_failed", "ssl.ca.location"),
        ({"ssl.ca.location": "/nowhere.pem"}, "invalid_broker", "ssl.ca.location"),
        ({"security.protocol": "PLAINTEXT"}, "protocol_mismatch", r"SASL_SSL \(SCRAM-SHA-512\), this client PLAINTEXT"),
        ({"security.protocol": "SSL"}, "protocol_mismatch", "set security.protocol=SASL_SSL"),
        ({"security.protocol": "nonsense"}, "invalid_broker", "security.protocol"),
    ],
)
def test_what_the_two_sides_cannot_agree_on_is_said(
    sasl: Secured, changed: dict[str, str | None], code: str, words: str
) -> None:
    asked = {name: value for name, value in {**sasl.properties, **changed}.items() if value is not None}
    refused = refusal(KafkaSettings(sasl.servers, asked))
    assert refused.code == code
    with pytest.raises(Fatal, match=words):
        raise refused


def test_another_nodes_certificate_is_not_trusted(sasl: Secured, tls: Secured) -> None:
    other = sasl.properties["ssl.ca.location"]
    refused = refusal(KafkaSettings(tls.servers, {**tls.properties, "ssl.ca.location": other}))
    assert refused.code == "tls_failed"


def test_the_doctor_says_what_a_cluster_lacks(sasl: Secured, tmp_path: Path) -> None:
    def told(properties: Mapping[str, str], partitions: int = 1) -> dict[str, Check]:
        file = tmp_path / "client.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        cluster = Cluster(f"kafka://{sasl.servers}", file)
        checks = list(
            cluster_checks(cluster, make_context(tmp_path / "state", tmp_path / "cache"), Partitions(partitions))
        )
        assert sasl.properties["sasl.password"] not in repr(checks)
        return {check.name: check for check in checks}

    before = told(sasl.properties)
    assert {name for name, check in before.items() if check.good} >= {"kafka client", "broker listens"}
    assert before["broker listens"].found == f"{sasl.servers} speaks SASL_SSL (SCRAM-SHA-512)"
    assert (before["topic assets"].good, before["topic completions"].good) == (False, True)
    broker = KafkaBroker(sasl.settings, CLOCK)
    broker.ensure(topic.spec(1) for topic in reference_topology().topics)
    broker.close()
    whole = told(sasl.properties)
    assert all(check.good for check in whole.values())
    registers = ("deployments", "tenants", "access", "audit")
    assert all(whole[f"topic {name}"].found.startswith("not there") for name in registers)
    other = told(sasl.properties, 2)["topic frames"]
    assert other.good
    assert other.found == "as it should be, with 1 partitions and not 2, which harms nothing"
    refused = told({**sasl.properties, "sasl.password": "hunter2"})
    assert "unauthenticated" in refused["broker takes us"].found
    assert "the client properties say PLAINTEXT" in told({})["broker listens"].found
    bad = [check for check in (*refused.values(), *told({}).values()) if not check.good]
    assert len(bad) == 2
    assert all(check.advice for check in bad)


def test_who_waits_for_brokers_ends_with_a_wrong_password(sasl: Secured, tmp_path: Path) -> None:
    """The exporter asks again whatever happens, and so does a worker that starts."""
    wrong = tmp_path / "wrong.properties"
    lines = {**sasl.properties, "sasl.password": "hunter2"}
    wrong.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    uri = f"kafka://{sasl.servers}"
    ended = rushes(tmp_path, "exporter", "--port", 0, "--broker", uri, "--client-properties", wrong)
    assert ended.code == 2
    assert "rushes: the broker and this client refuse each other" in ended.err
    assert "unauthenticated" in ended.err
    assert "hunter2" not in ended.err + ended.out
    broker = KafkaBroker(KafkaSettings.from_uri(uri, wrong), CLOCK)
    with pytest.raises(Fatal, match="SASL authentication error"):
        retried_until_available(partial(prepare, broker, reference_topology(), Deployment(0, 1)), threading.Event())
    broker.close()


def test_a_killed_node_is_an_outage_and_no_refusal(sasl: Secured) -> None:
    broker, asked = KafkaBroker(sasl.settings, CLOCK), AdminQueries(sasl.settings, CLOCK)
    round_trip(broker, b"before")
    assert TOPIC.name in asked.nodes().topics
    consumer = broker.consumer([TOPIC.name], "reader")
    sasl.node.down(signal.SIGKILL)
    with pytest.raises(Unavailable):
        asked.with_retries("asking", lambda client: client.list_topics(timeout=0.1))
    asked.close()
    up(sasl.node)
    consumer.close()
    round_trip(broker, b"after")
    broker.close()


def test_secrets_are_their_owners_alone(sasl: Secured) -> None:
    directory = sasl.node.directory
    secrets = [sasl.properties["sasl.password"], (directory / "keystore.password").read_text()]
    process = psutil.Process(sasl.node.status().pid)
    line = " ".join([*sasl.commands, *process.cmdline(), (directory / "node.log").read_text()])
    assert "add-scram" not in line
    assert not [secret for secret in secrets if secret in line]
    for path in directory.iterdir():
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            assert path.stat().st_mode & 0o077 == 0, path
    assert {(directory / name).stat().st_mode & 0o077 for name in ("keystore.p12", "client.properties", "data")} == {0}
    assert not list(directory.glob("*.arguments"))


def test_a_node_stays_what_it_was_made(tls: Secured, sasl: Secured) -> None:
    assert LocalNode(tls.node.directory, CLOCK).status().client_properties is not None
    with pytest.raises(Fatal, match="made with tls, not sasl"):
        LocalNode(tls.node.directory, CLOCK, security="sasl")
    shown = rushes(sasl.node.directory.parent, "kafka", "status", "--dir", sasl.node.directory, "--json")
    assert shown.document["client_properties"] == str(sasl.node.directory / "client.properties")
