"""How long a job waits for its first piece of work is measured where that begins, and `/metrics` tells it by lane."""

import re
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

from benchmarks.testbed.waiting import wait_for
from sinks.objects.store import ObjectStore
from stream.broker.memory.broker import MemoryBroker
from stream.broker.node.local import free_port
from stream.clock import ManualClock, SystemClock
from stream.events.base import Event
from stream.events.jobs import JobSubmitted
from stream.jobs.submission import prepare, spec_of, stored
from stream.jobs.watching import CancelWatch
from stream.media.catalogue import OperatorCatalogue
from stream.media.rendering import Renderer
from stream.operators.render import RenderOperator
from stream.pipelines.jobs import COORDINATE, RENDER, JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.sessions.jobs_process import run_jobs, send
from stream.sessions.stage_process import Deployment
from tests.support.job_coordination import CoordinatorBench
from tests.support.media_operators import OPERATORS
from tests.unit.jobs.test_long_work import ASKED, NoDelivery

TEMPLATE = """
version: 1
name: quick
lane: interactive
parameters: {mode: product, axes: {word: [one, two]}}
stages: [{name: write, operator: write, settings: {text: "${word}"}}]
finals: [write]
"""


def test_the_first_work_of_a_job_carries_its_lane(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one", "two", lane="interactive")
    bench.submit("three", "four", name="other")
    begins = [(task.stage, task.settings.get("text"), task.begins) for task in bench.work()]
    assert [told for told in begins if told[2]] == [("first", "one", "interactive"), ("first", "three", "batch")]
    bench.register.close()


def test_a_retry_is_no_start(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one", lane="interactive")
    ((_, first),) = bench.take()
    bench.end("acme", first, "failed", code="bad_image")
    bench.control("retry")
    ((_, again),) = bench.take()
    assert (first.begins, again.begins, again.key) == ("interactive", "", first.key)
    bench.register.close()


def test_a_worker_tells_once_how_long_it_waited(tmp_path: Path) -> None:
    clock, store = ManualClock(), ObjectStore(tmp_path / "store")
    told: list[tuple[str, float]] = []
    operator = RenderOperator(
        store.of,
        Renderer(tmp_path / "work", operators=OPERATORS),
        OperatorCatalogue(OPERATORS),
        NoDelivery(),
        canceled=CancelWatch(store.documents, clock),
        clock=clock,
        started=lambda lane, waited_s: told.append((lane, waited_s)),
    )
    submitted_ms = clock.now_ms()
    clock.advance(2.5)
    first = ASKED.model_copy(update={"kind": "begin", "begins": "interactive"})
    later = ASKED.model_copy(update={"key": "3" * 64, "settings": {"text": "later"}})
    again = {"key": "4" * 64, "stage_key": "5" * 64, "settings": {"text": "asked for again"}, "attempt": 2}
    lost = first.model_copy(update=again)
    # Known the second time, so nothing begins.
    for task in (first, first, later, lost):
        list(operator.process([Event(task, "acme", "ads", "job", submitted_ms)]))
    operator.close()
    assert told == [("interactive", 2.5)]


def test_a_process_shows_it(tmp_path: Path) -> None:
    clock, stop, port = SystemClock(), threading.Event(), free_port()
    settings = replace(JobSettings.under(tmp_path), operators=tuple(OPERATORS.items()))
    jobs, broker = JobPipeline(settings, clock, afresh=True), MemoryBroker(clock, partitions=4)
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    prepared, objects = prepare(tmp_path / "t.yaml"), jobs.store.of("acme")
    _, content = spec_of(prepared, stored(prepared, objects), tenant="acme", project="ads", job="quick")
    submitted = JobSubmitted(job="quick", spec=objects.put_bytes(content))
    running = threading.Thread(
        target=lambda: run_jobs(
            jobs, [COORDINATE, RENDER], broker, Deployment(0, 4, port=port), stop, clock=clock, name="night"
        )
    )
    running.start()
    try:
        wait_for(lambda: bool(_answers(port)), "the process answers")
        send(broker, [command("acme", "ads", submitted, clock.now_ms())])
        wait_for(lambda: (read_status(jobs, "acme", "quick") or {}).get("state") == "done", "the job is done")
        shown = _answers(port)
    finally:
        stop.set()
        running.join()
        broker.close()
    counts = re.findall(r"rushes_job_start_seconds_count\{([^}]*)\} ([\d.]+)", shown)
    assert [(sorted(re.findall(r'"(\w+)"', labels)), float(count)) for labels, count in counts] == [
        (["interactive", "night"], 1.0)
    ]


def _answers(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
