"""`make bench-jobs`: what the coordinator costs for jobs of many variants, with operators that only write a text.

    python -m benchmarks.job_scale [--variants 10000] [--json FILE]

Two stages and a delivery each, in one process on the memory broker, without children. A job of a tenth comes first.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.harness import Report, environment
from benchmarks.testbed.waiting import wait_for
from stream.broker.memory.broker import MemoryBroker
from stream.clock import SystemClock
from stream.errors import StageError
from stream.events.base import Event
from stream.events.jobs import JobSubmitted
from stream.jobs.descriptions import Description
from stream.jobs.examination import examined
from stream.jobs.reports import is_final, status_name
from stream.jobs.submission import prepare, spec_of, stored
from stream.media.rendering import Rendered, RenderWork
from stream.observability.metrics import Metrics
from stream.pipelines.jobs import COORDINATE, JobPipeline, JobSettings
from stream.runtime.threads import StageThreads
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.topology.codec import encode
from stream.topology.stage import Operator, Stage
from stream.topology.topics import JOBS
from stream.worker.beside_records import TimedWork
from stream.worker.pace import Pace

VARIANTS, STAGES, URGENT = 10_000, 2, 9
OPERATORS = (("write", "tests.support.media_operators:Write"),)
TEMPLATE = """
version: 1
name: NAME
lane: LANE
parameters: {mode: rows, rows: rows.csv}
stages:
  - {name: first, operator: write, settings: {text: "first ${headline}"}}
  - {name: second, operator: write, inputs: {text: "stage:first"}, settings: {text: "second ${headline}"}}
finals: [second]
"""


BEGUN: dict[str, float] = {}
"""When work on a text has begun."""


class WritingRenderer:
    """For an operator that writes the text of its settings, without a child."""

    def __init__(self, folder: Path) -> None:
        self.scratch: Path = folder
        self.spent: tuple[float, float] = (0.0, 0.0)

    def prepare(self) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)

    def run(self, work: RenderWork, *, stop: Callable[[], bool], progress: Callable[[float], None]) -> Rendered:
        assert not stop(), "nobody cancels it"
        if "urgent" in str(work.settings["text"]):
            BEGUN.setdefault(str(work.settings["text"]), SystemClock().monotonic_s())
        progress(1.0)
        path = self.scratch / "text.txt"
        path.write_text(str(work.settings["text"]))
        return Rendered((), {path.name: path})

    def close(self) -> None: ...


class Metered:
    """An operator whose thread's CPU is counted, what the worker does around it included."""

    def __init__(self, operator: Operator[Any]) -> None:
        self._operator, self.cpu_s = operator, 0.0

    def open(self) -> None:
        self._operator.open()
        self._begun_s = time.thread_time()

    def process(self, events: Sequence[Event[Any]]) -> Iterable[Event]:
        found = list(self._operator.process(events))
        self.cpu_s = time.thread_time() - self._begun_s
        return found

    def due(self) -> Iterable[Event]:
        assert isinstance(self._operator, TimedWork)
        return self._operator.due()

    def failed(self, event: Event[Any], error: StageError) -> Iterable[Event]:
        return self._operator.failed(event, error)

    def close(self) -> None:
        self._operator.close()


@dataclass(frozen=True, slots=True)
class Run:
    """Of one job: until it was entered and until it was done, the coordinator's CPU, the largest memory so far, and how
    long interactive jobs of another tenant took to begin while it was at work.
    """

    submit_s: float
    done_s: float
    coordinator_cpu_s: float
    peak_mib: float
    urgent_s: Sequence[float]


class Bench:
    """Jobs in one process over a state directory."""

    def __init__(self, state: Path) -> None:
        self._state, self._clock = state, SystemClock()
        self._settings = replace(JobSettings.under(state), operators=OPERATORS, slots=8)
        self._jobs = JobPipeline(self._settings, self._clock, afresh=True, renderer=WritingRenderer)
        self._broker = MemoryBroker(self._clock, partitions=4, keep_unclaimed=False)
        self._meter: Metered | None = None

    def run(self, name: str, count: int, urgent: int = 0) -> Run:
        """With so many interactive jobs of another tenant, one after the other, at its beginning."""
        topology = self._jobs.topology()
        self._broker.ensure(topic.spec(1) for topic in topology.topics)
        threads = StageThreads(
            [self._metered(stage) for stage in topology.stages],
            self._broker,
            clock=self._clock,
            metrics=Metrics(CollectorRegistry()),
            readers=topology.groups(),
            topics=topology.known,
            pace=Pace(poll_timeout_s=0.05),
        )
        with threads:
            begun_s = self._clock.monotonic_s()
            self._submit(name, count)
            wait_for(lambda: bool(self._status(name)), "it is entered", meanwhile=threads.check, within_s=600.0)
            submit_s = self._clock.monotonic_s() - begun_s
            urgent_s = [self._urgent_s(f"{name}-{number}", threads.check) for number in range(urgent)]
            wait_for(
                lambda: is_final(self._status(name)),
                "it is done",
                meanwhile=threads.check,
                within_s=7200.0,
                every_s=1.0,
            )
            done_s = self._clock.monotonic_s() - begun_s
        assert self._status(name)["done"] == count and self._meter is not None
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Run(submit_s, done_s, self._meter.cpu_s, peak_mib, urgent_s)

    def _urgent_s(self, name: str, check: Callable[[], None]) -> float:
        """From the submission of an interactive job of one variant until its first part is begun."""
        begun_s = self._clock.monotonic_s()
        text = f"first urgent-{name} headline 0"
        self._submit(f"urgent-{name}", 1, tenant="other", lane="interactive")
        wait_for(lambda: text in BEGUN, f"{name} begins", meanwhile=check, within_s=600.0, every_s=0.001)
        found = BEGUN[text] - begun_s
        wait_for(lambda: is_final(self._status(f"urgent-{name}", "other") or {"state": "running"}), f"{name} is done")
        return found

    def shown_s(self, name: str) -> float:
        """Of `rushes jobs show`, with the start of its process."""
        words = [sys.executable, "-m", "stream.cli.app", "--state", str(self._state), "jobs", "show", name]
        begun_s = self._clock.monotonic_s()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return self._clock.monotonic_s() - begun_s

    def submitted_again_s(self, name: str) -> float:
        """Of a finished job: everything is read and checked as before, and nothing is begun."""
        begun_s = self._clock.monotonic_s()
        prepared, objects = prepare(self._state / f"template-{name}" / "t.yaml"), self._jobs.store.of("default")
        facts = {"tenant": "default", "project": "default", "job": name}
        spec, content = spec_of(prepared, stored(prepared, objects), **facts)
        assert not examined(Description.of(spec), self._jobs.catalogue).problems
        assert self._status(name)["spec"] == objects.put_bytes(content)
        return self._clock.monotonic_s() - begun_s

    def forget(self, name: str) -> None:
        """The register is lost, and what was told of a job; what it made is there."""
        for path in self._settings.register.parent.glob("register*"):
            path.unlink()
        (self._state / "jobs" / "store" / status_name("default", name)).unlink()

    def register_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._settings.register.parent.glob("register*"))

    def _submit(self, name: str, count: int, tenant: str = "default", lane: str = "batch") -> None:
        """As the command does."""
        folder = self._state / f"template-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rows.csv").write_text("headline\n" + "".join(f"{name} headline {each}\n" for each in range(count)))
        (folder / "t.yaml").write_text(TEMPLATE.replace("NAME", name).replace("LANE", lane))
        prepared, objects = prepare(folder / "t.yaml"), self._jobs.store.of(tenant)
        facts = {"tenant": tenant, "project": "default", "job": name}
        spec, content = spec_of(prepared, stored(prepared, objects), **facts)
        assert not examined(Description.of(spec), self._jobs.catalogue).problems
        submitted = JobSubmitted(job=name, spec=objects.put_bytes(content))
        record = encode(command(tenant, "default", submitted, self._clock.now_ms()), JOBS)
        producer = self._broker.producer()
        producer.send(JOBS.name, record.key, record.value, record.headers)
        producer.flush(10.0)
        producer.close()

    def _status(self, name: str, tenant: str = "default") -> dict[str, Any]:
        return read_status(self._jobs, tenant, name) or {}

    def _metered(self, stage: Stage) -> Stage:
        if stage.name != COORDINATE:
            return stage

        def made() -> Operator[Any]:
            self._meter = Metered(stage.operator())
            return self._meter

        return replace(stage, operator=made)


def figures(report: Report, bench: Bench, name: str, count: int) -> None:
    run = bench.run(name, count, URGENT)
    of = f"of {count:,} variants"
    report.add(f"submit, {of}", run.submit_s, "s", note="asked: at most 10 s of 10,000")
    cpu_ms = 1000 * run.coordinator_cpu_s / (count * STAGES)
    report.add(
        f"coordinator's CPU a stage of a variant, {of}", cpu_ms, "ms", note="asked: at most 5 ms; delivery in it"
    )
    report.add(f"until done, {of}", run.done_s, "s")
    report.add(f"median start of an interactive job beside it, {of}", median(run.urgent_s), "s")
    report.add(f"peak memory, {of}", run.peak_mib, "MiB")
    report.add(f"rushes jobs show, {of}", min(bench.shown_s(name) for _ in range(3)), "s", note="asked: at most 1 s")
    report.add(
        f"the same job submitted again, {of}", bench.submitted_again_s(name), "s", note="asked: at most 2 s of 1,000"
    )
    report.add(f"register, {of}", bench.register_bytes() / 2**20, "MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=VARIANTS)
    parser.add_argument("--json", type=Path, help="write the figures here and not to benchmarks/results")
    wanted = parser.parse_args()
    report = Report("What does the coordinator cost for jobs of many variants?")
    with tempfile.TemporaryDirectory() as made:
        bench = Bench(Path(made))
        small = max(1, wanted.variants // 10)
        quiet = bench.run("quiet", 1, URGENT)
        report.add(
            "median start of an interactive job in quiet",
            median(quiet.urgent_s),
            "s",
            note="beside others: at most 5 times",
        )
        figures(report, bench, "small", small)
        bench.forget("small")
        anew = bench.run("small", small)
        report.add(f"done again after the register was lost, of {small:,} variants", anew.done_s, "s")
        figures(report, bench, "large", wanted.variants)
    report.show()
    if wanted.json is not None:
        found = [asdict(figure) for figure in report.figures]
        wanted.json.write_text(json.dumps({"environment": environment(), "figures": found}, indent=2) + "\n")
    elif wanted.variants == VARIANTS:
        print(report.write("job_scale"))


if __name__ == "__main__":
    main()
