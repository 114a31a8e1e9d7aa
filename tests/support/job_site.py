"""Jobs on a real broker as on a small cluster: a coordinator, renderers, a store of objects, and what befalls them."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from benchmarks.testbed.waiting import wait_for
from sinks.location import Location
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.events.jobs import JobEnded, JobSubmitted
from stream.events.objects import LostObject
from stream.jobs.manifest import finals_of, opened
from stream.jobs.reports import is_final, job_folder
from stream.jobs.submission import prepare, spec_of, stored
from stream.media import REGISTRY
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.sessions.jobs_process import send
from stream.sessions.stage_process import Deployment
from stream.sessions.stage_process import prepare as prepare_topics
from stream.topology.topics import ENDINGS
from tests.support.media_operators import OPERATORS
from tests.support.programs import ROOT, program

TENANT, PROJECT = "acme", "ads"
OUTAGE_S = 300.0


def mixed_settings(state: Path, objects: Location | None = None) -> JobSettings:
    """With the operators of tests beside the real ones."""
    cache = Path(os.environ.get("RUSHES_CACHE") or platformdirs.user_cache_dir("rushes"))
    settings = JobSettings.under(state, objects, weights=cache)
    return replace(settings, operators=tuple((REGISTRY | OPERATORS).items()), lost_after_s=20.0)


def submission(jobs: JobPipeline, template: Path, deliver_to: Path) -> JobSubmitted:
    """Of a template, whose assets and description are stored."""
    prepared, objects = prepare(template), jobs.store.of(TENANT)
    facts = {"tenant": TENANT, "project": PROJECT, "job": prepared.template.name, "deliver_to": str(deliver_to)}
    _, content = spec_of(prepared, stored(prepared, objects), **facts)
    return JobSubmitted(job=prepared.template.name, spec=objects.put_bytes(content))


def manifests(jobs: JobPipeline, name: str) -> dict[str, dict[str, Any]]:
    """By variant, without times, costs and signatures. Every final is read, and is what its manifest says."""
    documents, objects = jobs.store.documents, jobs.store.of(TENANT)
    found = {}
    assert jobs.key is not None
    for path in documents.names(f"{job_folder(TENANT, name)}/manifests"):
        statement = opened(documents.read(path) or b"", jobs.key.public_key())
        for final in finals_of(statement):
            try:
                objects.read(final.digest, 1 << 30)
            except LostObject:
                raise AssertionError(f"{final.name} of {path} is gone or damaged") from None
        del statement["predicate"]["runDetails"]
        found[path.rpartition("/")[2]] = statement
    return found


def delivered(folder: Path) -> dict[str, bytes]:
    """Finals by name; unfinished files of killed processes too, and manifests without their content."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): b"" if path.name == "manifest.json" else path.read_bytes() for path in files}


class JobSite:
    """Processes share one state directory. `environment`: what their stores' libraries read."""

    def __init__(
        self, servers: str, folder: Path, objects: Location, finals: Path, environment: Mapping[str, str]
    ) -> None:
        self.clock = SystemClock()
        self.settings = mixed_settings(folder / "state", objects)
        self._servers = servers
        self._finals = finals
        self._environment = {**os.environ, **environment}
        self._log = folder / "processes.log"
        self.jobs = JobPipeline(self.settings, self.clock, afresh=False)
        self._broker = KafkaBroker(KafkaSettings(servers), self.clock)
        prepare_topics(self._broker, self.jobs.topology(), Deployment(0, partitions=4), beside=())
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def close(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self._broker.close()

    def start(self, name: str, stage: str) -> None:
        places = (self.settings.register.parents[1], self.settings.objects.uri, self._finals)
        with self._log.open("ab") as log:
            self._running[name] = subprocess.Popen(
                program("work_on_jobs", self._servers, *places, stage),
                cwd=ROOT,
                stderr=log,
                env=self._environment,
            )

    def kill(self, name: str) -> None:
        """By SIGKILL; another one begins at once."""
        stage = "coordinate" if name == "coordinator" else "render"
        process = self._running.pop(name)
        process.kill()
        process.wait()
        self.start(name, stage)

    def freeze(self, name: str, seconds: float) -> None:
        """For longer than a session, so that others get its records and finish them."""
        self._running[name].send_signal(signal.SIGSTOP)
        threading.Event().wait(seconds)
        self._running[name].send_signal(signal.SIGCONT)

    def ended_by_themselves(self) -> list[str]:
        return [name for name, process in self._running.items() if process.poll() is not None]

    def submit(self, template: Path) -> None:
        submitted = submission(self.jobs, template, self._finals)
        send(self._broker, [command(TENANT, PROJECT, submitted, self.clock.now_ms())])

    def status(self, name: str) -> dict[str, Any]:
        return read_status(self.jobs, TENANT, name) or {"state": "running", "done": 0, "cost": {}}

    def wait_for_end(self, name: str, within_s: float = OUTAGE_S) -> dict[str, Any]:
        wait_for(lambda: is_final(self.status(name)), f"{name} has ended", within_s=within_s, every_s=0.2)
        return self.status(name)

    def computed(self, names: Sequence[str]) -> int:
        """Parts whose reports came, of some jobs."""
        return sum(int(self.status(name)["cost"].get("tasks_computed", 0)) for name in names)

    def told(self) -> list[tuple[str, JobEnded]]:
        """Whoever listens to the ends of jobs: the id and the words of each record."""
        follower = self._broker.follow(ENDINGS.name, 10_000)
        try:
            found = []
            while follower.behind:
                found += [
                    (record.headers["ce_id"].decode(), JobEnded.from_bytes(record.value))
                    for record in follower.poll(1_000, 1.0)
                ]
            return found
        finally:
            follower.close()

    def said(self) -> str:
        """The logs of all processes."""
        return self._log.read_text()


def object_digests(jobs: JobPipeline) -> Iterator[str]:
    """Of all objects of the tenant but manifests, whose times differ from run to run."""
    for digest, size, _ in jobs.store.of(TENANT).listed():
        content = jobs.store.of(TENANT).read(digest, 1 << 30) if size < 100_000 else b""
        try:
            is_manifest = "payloadType" in json.loads(content)
        except (ValueError, TypeError):
            is_manifest = False
        if not is_manifest:
            yield digest
