"""Jobs on a real broker: a coordinator and two renderers as processes, killed on the way, lose nothing."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.testbed.waiting import wait_for
from sinks.location import Location
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.events.jobs import JobSpec, JobSubmitted
from stream.jobs.register import JobRegister
from stream.jobs.reports import is_final, variants_name
from stream.jobs.submission import prepare, spec_of, stored
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.sessions.jobs_process import send
from stream.sessions.stage_process import Deployment
from stream.sessions.stage_process import prepare as prepare_topics
from tests.support.brokers import own_node
from tests.support.programs import ROOT, program

pytestmark = pytest.mark.kafka

TEMPLATE = """
version: 1
name: JOB
seed: 3
parameters: {mode: product, axes: {word: [alpha, beta, gamma, delta], end: [one, two]}}
stages:
  - {name: write, operator: write, settings: {text: "${word}"}}
  - {name: spell, operator: spell, inputs: {text: "stage:write"}}
  - {name: rest, operator: write, settings: {text: "JOB ${word} ${end}"}}
  - {name: slow, operator: spell, inputs: {text: "stage:rest"}}
finals: [spell, slow]
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[str]:
    with own_node(tmp_path / "kafka") as address:
        yield address


class Site:
    """Objects in a directory, finals in another, and processes that share both and the broker."""

    def __init__(self, servers: str, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self._clock = SystemClock()
        self.settings = JobSettings.under(folder / "state", Location.of(folder / "objects"))
        self.jobs = JobPipeline(self.settings, self._clock, afresh=False)
        self._broker = KafkaBroker(KafkaSettings(servers), self._clock)
        # As the processes do it: so that none of what is sent before they have started is lost.
        prepare_topics(self._broker, self.jobs.topology(), Deployment(0, partitions=4), beside=())

    def close(self) -> None:
        self._broker.close()

    def start(self, stage: str) -> "subprocess.Popen[bytes]":
        # All in one state directory, as on one machine: they share the folder of their temporary files too.
        places = (self.settings.register.parents[1], self._folder / "objects", self._folder / "finals")
        return subprocess.Popen(program("work_on_jobs", self._servers, *places, stage), cwd=ROOT)

    def submit(self, name: str) -> None:
        path = self._folder / f"{name}.yaml"
        path.write_text(TEMPLATE.replace("JOB", name))
        prepared, objects = prepare(path), self.jobs.store.of("acme")
        facts = {"tenant": "acme", "project": "ads", "job": name, "deliver_to": str(self._folder / "finals")}
        spec, content = spec_of(prepared, stored(prepared, objects), **facts)
        assert isinstance(spec, JobSpec)
        submitted = JobSubmitted(job=name, spec=objects.put_bytes(content))
        send(self._broker, [command("acme", "ads", submitted, self._clock.now_ms())])

    def status(self, name: str) -> dict[str, Any]:
        return read_status(self.jobs, "acme", name) or {"state": "running", "done": 0, "stages": [], "cost": {}}

    def wait_for_parts(self, name: str, count: int) -> None:
        def done() -> int:
            return int(self.status(name)["cost"].get("tasks_computed", 0))

        wait_for(lambda: done() >= count, f"{count} parts of {name} are done")

    def wait_for_end(self, name: str) -> dict[str, Any]:
        wait_for(lambda: is_final(self.status(name)), f"{name} has ended")
        return self.status(name)

    def finals(self, name: str) -> dict[str, bytes]:
        root = self._folder / "finals" / name
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.txt")}


@contextmanager
def ending(*processes: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


def test_finals_are_the_same_whoever_is_killed(servers: str, tmp_path: Path) -> None:
    site = Site(servers, tmp_path)
    with ExitStack() as held:
        held.callback(site.close)
        coordinator, killed, renderer = site.start("coordinate"), site.start("render"), site.start("render")
        for process in (coordinator, killed, renderer):
            held.callback(process.wait)
            held.callback(process.kill)
        site.submit("rough")
        site.wait_for_parts("rough", 15)
        killed.send_signal(signal.SIGKILL)
        again = site.start("render")
        held.enter_context(ending(again))
        site.wait_for_parts("rough", 40)
        coordinator.send_signal(signal.SIGKILL)
        second = site.start("coordinate")
        held.enter_context(ending(second))
        rough = site.wait_for_end("rough")
        site.submit("calm")
        calm = site.wait_for_end("calm")
        assert (rough["state"], rough["done"]) == (calm["state"], calm["done"]) == ("done", 8)
        finals = site.finals("rough")
        assert {name: text.replace(b"r-o-u-g-h", b"c-a-l-m") for name, text in finals.items()} == site.finals("calm")
        assert len(finals) == 16
        rows = json.loads(site.jobs.store.documents.read(variants_name("acme", "rough")) or b"")
        assert [row["state"] for row in rows] == ["done"] * 8
    register = JobRegister(site.settings.register, readonly=True)
    assert register.all("SELECT * FROM task") == register.all("SELECT * FROM need") == []
    register.close()
