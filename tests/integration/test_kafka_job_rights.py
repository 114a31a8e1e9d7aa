"""Processes of jobs on a cluster that denies by default: each works with its own rights, and can do nothing else."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from benchmarks.testbed.waiting import wait_for
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings, standalone_consumer
from stream.broker.node.local import LocalNode, free_port
from stream.cli.app import app
from stream.cli.execution import execute
from stream.clock import SystemClock
from stream.errors import Fatal
from stream.events.jobs import JobSubmitted
from stream.jobs.reports import is_final
from stream.jobs.submission import prepare, spec_of, stored
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.sessions.jobs_process import run_jobs, send
from stream.sessions.stage_process import Deployment
from stream.topology.topics import JOB_TOPICS, TASKS
from stream.worker.topic_retention import TopicRetention
from tests.support.brokers import up
from tests.support.media_operators import OPERATORS

pytestmark = pytest.mark.kafka
CLOCK = SystemClock()
TEMPLATE = """
version: 1
name: spring
parameters: {mode: product, axes: {word: [alpha, beta]}}
stages:
  - {name: write, operator: write, settings: {text: "${word}"}}
  - {name: spell, operator: spell, inputs: {text: "stage:write"}}
finals: [spell]
"""
USERS = {"coordinator": "coordinate", "renderer": "render", "customer": "submit"}
MAY_WRITE = {
    "coordinator": {"urgent-tasks", "tasks", "outcomes", "job-endings", "assets", "dead-letters"},
    "renderer": {"outcomes", "dead-letters"},
    "customer": {"jobs"},
}


class Cluster:
    def __init__(self, node: LocalNode) -> None:
        self.servers = up(node)
        found = node.status().client_properties
        assert found is not None
        self._file, self._node = found, node

    def settings(self, user: str) -> KafkaSettings:
        return KafkaSettings.from_uri(f"kafka://{self.servers}", self._file.with_name(f"{user}.properties"))

    def rushes(self, *words: str) -> str:
        place = ("--broker", f"kafka://{self.servers}", "--client-properties", str(self._file))
        return said(*words, *place)

    def user(self, name: str) -> None:
        said("kafka", "user", name, "--dir", str(self._node.directory))


def said(*words: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        assert execute(app, list(words)) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    node = LocalNode(tmp_path_factory.mktemp("rights"), CLOCK, port=free_port(), security="sasl")
    made = Cluster(node)
    made.rushes("kafka", "topics", "--jobs", "--partitions", "1")
    for user, process in USERS.items():
        made.user(user)
        made.rushes("jobs", "rights", process, "--principal", f"User:{user}")
    yield made
    node.down()


def may_write(broker: KafkaBroker, topic: str) -> bool:
    with closing(broker.producer()) as producer:
        try:
            delivery = producer.send(topic, b"", b"no event", {})
            producer.flush(20.0)
        except Fatal:
            return False
        return delivery.error() is None


def may_read(settings: KafkaSettings, topic: str, group: str) -> bool:
    """Outside the turns of the group, so that nobody has to leave it."""
    with closing(standalone_consumer(settings, group)) as client:
        client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        found = client.consume(1, 10.0)
        refused = [error for message in found if (error := message.error()) is not None]
        assert all(error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED for error in refused)
        return bool(found) and not refused


def test_a_campaign_is_made_by_processes_that_have_their_own_rights_alone(cluster: Cluster, tmp_path: Path) -> None:
    settings = replace(JobSettings.under(tmp_path), operators=tuple(OPERATORS.items()), renderers=1)
    stop = threading.Event()
    with ExitStack() as held:
        brokers = {user: held.enter_context(closing(KafkaBroker(cluster.settings(user), CLOCK))) for user in USERS}
        for user in ("coordinator", "renderer"):
            jobs = JobPipeline(settings, CLOCK, afresh=False)
            given: Any = (jobs, [USERS[user]], brokers[user], Deployment(0, 1), stop)
            thread = threading.Thread(target=run_jobs, args=given, kwargs={"clock": CLOCK, "name": "t"}, daemon=True)
            thread.start()
            held.callback(thread.join, 60.0)
        held.callback(stop.set)
        (tmp_path / "t.yaml").write_text(TEMPLATE)
        prepared, objects = prepare(tmp_path / "t.yaml"), jobs.store.of("acme")
        facts = {"tenant": "acme", "project": "ads", "job": "spring", "deliver_to": None}
        _, content = spec_of(prepared, stored(prepared, objects), **facts)
        submitted = JobSubmitted(job="spring", spec=objects.put_bytes(content))
        send(brokers["customer"], [command("acme", "ads", submitted, CLOCK.now_ms())])

        def ended() -> bool:
            told = read_status(jobs, "acme", "spring")
            return told is not None and is_final(told)

        wait_for(ended, "the job has ended")
        told = read_status(jobs, "acme", "spring")
        assert told is not None and told["state"] == "done"
        trimming = TopicRetention(brokers["renderer"], [TASKS], {TASKS.name: ("render",)})
        wait_for(lambda: trimming.step() > 0, "a renderer removes what it has read")


def test_none_of_them_can_write_what_it_must_not(cluster: Cluster) -> None:
    for user, allowed in MAY_WRITE.items():
        with closing(KafkaBroker(cluster.settings(user), CLOCK)) as broker:
            found = {topic for topic in JOB_TOPICS if may_write(broker, topic)}
            assert found == allowed, user
    for user, topic in (("coordinator", "jobs"), ("renderer", "tasks")):
        for reader in ("coordinator", "renderer"):
            assert may_read(cluster.settings(reader), topic, USERS[reader]) == (reader == user), (reader, topic)


def test_the_rights_are_those_of_the_topology() -> None:
    found = {row["name"]: row["operations"] for row in json.loads(said("jobs", "rights", "notify", "--json"))}
    assert found["job-endings"] == ["delete", "describe", "describe_configs", "read"]
    assert "write" not in {each for name, row in found.items() if name != "dead-letters" for each in row}
    named = json.loads(said("--deployment", "blue", "jobs", "rights", "submit", "--json"))
    assert named == [{"resource": "topic", "name": "blue.jobs", "operations": ["describe", "write"]}]
