"""Processes on a cluster that denies by default: each works with its own rights, and can do nothing else."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, Producer, TopicPartition

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import finish, light_settings, start
from benchmarks.testbed.waiting import must_run, wait_for
from stream.broker.contract import Record
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings, standalone_consumer
from stream.broker.node.local import LocalNode, free_port
from stream.cli.app import app
from stream.cli.execution import CANNOT_RUN, execute
from stream.clock import SystemClock
from stream.control.state import CHANGELOG
from stream.events.asset import AssetChanged, AssetPublished, AssetStatus
from stream.events.base import Event
from stream.events.jobs import JobSubmitted
from stream.jobs.reports import is_final
from stream.jobs.submission import prepare, spec_of, stored
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.pipelines.settings import Settings
from stream.pipelines.understanding import Understanding
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.sessions.jobs_process import run_jobs, send
from stream.sessions.stage_process import Deployment, run_deployed
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import (
    ANNOTATIONS,
    ASSETS,
    COMPLETIONS,
    DEPLOYMENTS,
    JOB_TOPICS,
    NOTIFICATIONS,
    SPANS,
    TASKS,
    TENANTS,
    TOPICS,
)
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
JOB_USERS = {"coordinator": "coordinate", "renderer": "render", "customer": "submit"}
STAGES = ("gate", "plan", "decode", "understand", "index", "parquet", "dead-letters")
USERS = {
    **JOB_USERS,
    **{f"user-{stage}": stage for stage in STAGES},
    "controller": "rushes-control",
    "observer": "observe",
    "producer": "publish",
}
MAY_WRITE: dict[str, set[str]] = {
    "coordinator": {"urgent-tasks", "tasks", "outcomes", "job-endings", "assets", "dead-letters"},
    "renderer": {"outcomes", "dead-letters"},
    "customer": {"jobs"},
    "user-gate": {"assets", "dead-letters"},
    "user-plan": {"spans", "annotations", "progress", "dead-letters", "deployments"},
    "user-decode": {"frames", "annotations", "progress", "dead-letters"},
    "user-understand": {"annotations", "progress", "dead-letters", "deployments"},
    "user-index": {"progress", "retirements", "assets", "dead-letters", "deployments"},
    "user-parquet": {"progress", "dead-letters", "deployments"},
    "user-dead-letters": {"dead-letters", "deployments"},
    "controller": {"completions"},
    "observer": set(),
    "producer": {"assets"},
}
MAY_READ: dict[str, set[str]] = {
    "coordinator": {"jobs", "outcomes", "job-endings"},
    "renderer": {"tasks", "urgent-tasks"},
    "user-gate": {"assets.acme", "deployments", "tenants"},
    "user-plan": {"assets", "spans", "frames", "annotations", "progress", "deployments", "tenants"},
    "user-decode": {"spans", "frames", "deployments", "tenants"},
    "user-index": {"annotations", "deployments", "tenants"},
    "controller": {"progress"},
    "observer": {"assets", "assets.acme", "progress", "tenants"},
    "producer": set(),
}
EVERY = {*TOPICS, *JOB_TOPICS, DEPLOYMENTS.name, TENANTS.name, "assets.acme"} - {NOTIFICATIONS.name}


class Cluster:
    def __init__(self, node: LocalNode) -> None:
        self.servers = up(node)
        found = node.status().client_properties
        assert found is not None
        self._file, self._node = found, node

    def settings(self, user: str | None) -> KafkaSettings:
        """Without a user: those of the operator."""
        file = self._file if user is None else self._file.with_name(f"{user}.properties")
        return KafkaSettings.from_uri(f"kafka://{self.servers}", file)

    def place(self, user: str | None = None) -> tuple[str, ...]:
        file = self._file if user is None else self._file.with_name(f"{user}.properties")
        return "--broker", f"kafka://{self.servers}", "--client-properties", str(file)

    def rushes(self, *words: str) -> str:
        return said(*words, *self.place())

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
    made.rushes("kafka", "topics", "--jobs", "--control", "--partitions", "1")
    for user, process in USERS.items():
        made.user(user)
        made.rushes("rights", process, "--principal", f"User:{user}")
    made.user("acme")
    made.rushes("tenants", "add", "acme", "--principal", "User:acme", "--partitions", "1")
    yield made
    node.down()


def writable(settings: KafkaSettings) -> set[str]:
    """Of `EVERY` topic those that take a record."""
    taken: set[str] = set()

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, error
        if error is None:
            taken.add(str(message.topic()))

    producer = Producer(settings.common())
    for topic in EVERY:
        producer.produce(topic, b"no event", on_delivery=delivered)
    assert producer.flush(30.0) == 0
    return taken


def readable(settings: KafkaSettings, group: str, expected: set[str]) -> set[str]:
    """Of `EVERY` topic, which has a record, those that give it by the time at which all of these have, and half a
    second more. Outside the turns of the group, so that nobody has to leave it.
    """
    given: set[str] = set()
    with closing(standalone_consumer(settings, group)) as client:
        client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in EVERY])

        def take() -> None:
            given.update(str(message.topic()) for message in client.consume(1000, 0.5) if message.error() is None)

        wait_for(lambda: given >= expected, f"{expected} are read", meanwhile=take, within_s=20.0)
        take()
    return given


def test_a_campaign_is_made_by_processes_that_have_their_own_rights_alone(cluster: Cluster, tmp_path: Path) -> None:
    settings = replace(JobSettings.under(tmp_path), operators=tuple(OPERATORS.items()), renderers=1)
    stop = threading.Event()
    with ExitStack() as held:
        brokers = {user: held.enter_context(closing(KafkaBroker(cluster.settings(user), CLOCK))) for user in JOB_USERS}
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


def test_footage_comes_to_its_end_by_processes_that_have_their_own_rights_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=3, fps=5, size=(64, 48)).path
    published = encode(Event(AssetPublished(uri=str(clip), asset_id="clip"), "acme", "p", "clip", CLOCK.now_ms()))
    settings = light_settings(tmp_path / "state", tmp_path)
    stop, failed = threading.Event(), list[BaseException]()
    with ExitStack() as held:
        operator = held.enter_context(closing(KafkaBroker(cluster.settings(None), CLOCK)))
        completed = held.enter_context(closing(operator.tail(COMPLETIONS.name)))
        for stage in STAGES:
            broker = held.enter_context(closing(KafkaBroker(cluster.settings(f"user-{stage}"), CLOCK)))
            thread = threading.Thread(target=_run, args=(settings, stage, broker, stop, failed), daemon=True)
            thread.start()
            held.callback(thread.join, 60.0)
        held.callback(stop.set)
        control = start(tmp_path / "state", "control", *cluster.place("controller"), log=tmp_path / "control.log")
        held.callback(finish, control)
        held.callback(control.terminate)
        with closing(KafkaBroker(cluster.settings("acme"), CLOCK).producer()) as producer:
            producer.send("assets.acme", published.key, published.value, published.headers)
            producer.flush(20.0)
        told: list[Record] = []

        def ready() -> bool:
            told.extend(completed.poll(10, 0.1))
            return bool(told)

        running = must_run(control, tmp_path / "control.log")

        def working() -> None:
            running()
            if failed:
                raise failed[0]

        wait_for(ready, "the asset is complete", meanwhile=working, within_s=120.0)
        (change,) = [EventDecoder([COMPLETIONS]).decode(record).data for record in told]
        assert isinstance(change, AssetChanged)
        assert change.status is AssetStatus.READY
        for stage, topic in (("plan", ASSETS), ("decode", SPANS), ("index", ANNOTATIONS)):
            broker = held.enter_context(closing(KafkaBroker(cluster.settings(f"user-{stage}"), CLOCK)))
            TopicRetention(broker, [topic], Understanding(settings, CLOCK, epoch_ms=0).topology().groups()).step()
        seen = json.loads(said("lag", "--json", "--jobs", *cluster.place("observer")))
        assert {row["stage"] for row in seen["stages"]} >= {"plan", "index"}


def _run(
    settings: Settings, stage: str, broker: KafkaBroker, stop: threading.Event, failed: list[BaseException]
) -> None:
    try:
        run_deployed(settings, [stage], broker, Deployment(1, 1), stop, clock=CLOCK)
    except BaseException as error:  # noqa: BLE001 - the test's to judge
        failed.append(error)


def test_none_of_them_can_write_or_read_what_it_must_not(cluster: Cluster) -> None:
    assert writable(cluster.settings(None)) == EVERY
    assert {user: writable(cluster.settings(user)) for user in MAY_WRITE} == MAY_WRITE
    found = {user: readable(cluster.settings(user), USERS[user], topics) for user, topics in MAY_READ.items()}
    assert found == MAY_READ


def test_the_rights_are_those_of_the_topology() -> None:
    found = {row["name"]: row["operations"] for row in json.loads(said("rights", "notify", "--json"))}
    assert found["job-endings"] == ["delete", "describe", "describe_configs", "read"]
    assert "write" not in {each for name, row in found.items() if name != "dead-letters" for each in row}
    named = json.loads(said("--deployment", "blue", "rights", "submit", "--json"))
    assert named == [
        {"resource": "topic", "name": "blue.jobs", "pattern": "literal", "operations": ["describe", "write"]}
    ]
    gate = json.loads(said("--deployment", "blue", "rights", "gate", "--json"))
    assert [row["name"] for row in gate if row["pattern"] == "prefixed"] == ["blue.assets."]
    control = {row["name"]: row["operations"] for row in json.loads(said("rights", "rushes-control", "--json"))}
    assert control[CHANGELOG] == ["create", "describe", "read", "write"]
    assert execute(app, ["rights", "plan", "nobody"]) == CANNOT_RUN
