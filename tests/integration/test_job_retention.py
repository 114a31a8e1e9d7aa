"""What lies among the objects of jobs stays as long as somebody needs it, whatever happens while old things go."""

import json
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sinks.objects import retention
from sinks.objects.retention import Expired
from stream.cli.app import app
from stream.clock import ManualClock, SystemClock
from stream.events.objects import Digest
from stream.jobs.manifest import delivered_of, finals_of, opened, signed
from stream.jobs.reports import manifest_name, status_name, variants_name
from stream.pipelines.jobs import JobPipeline
from stream.sessions.job_retention import Before, JobRetention, KeptFor, clean
from tests.integration.test_job_delivery import content, control
from tests.support.certificates import certified
from tests.support.finished_jobs import finished_job

STAGES = """
version: 1
name: spring
parameters: {mode: zip, axes: {word: [red, blue]}}
stages:
  - {name: write, operator: write, settings: {text: "${word}"}}
  - {name: spell, operator: spell, inputs: {text: "stage:write"}}
  - {name: upper, operator: upper, inputs: {text: "stage:spell"}}
finals: [upper]
"""


class EndsAtFirstWait(threading.Event):
    """Is set by the first who waits for it."""

    waited_s: float | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s = timeout
        self.set()
        return True


@pytest.fixture
def jobs(tmp_path: Path) -> JobPipeline:
    return finished_job(tmp_path / "state", "acme", "ads", template=STAGES)


def everything(*, finals: bool = False) -> Before:
    """Old enough is whatever there is."""
    later_ms = SystemClock().now_ms() + 60_000
    return Before(later_ms, later_ms, later_ms if finals else None)


def there(jobs: JobPipeline) -> list[Digest]:
    return [digest for digest, _, _ in jobs.store.of("acme").listed()]


def envelopes(jobs: JobPipeline) -> list[bytes]:
    documents = jobs.store.documents
    return [documents.read(name) or b"" for name in sorted(documents.names("jobs/acme/spring/manifests"))]


def test_the_first_pass_waits_until_the_coordinator_has_read_what_was_submitted(jobs: JobPipeline) -> None:
    clock, stop, before = ManualClock(SystemClock().now_ms()), EndsAtFirstWait(), there(jobs)
    clock.advance(2 * 86_400)
    found = JobRetention(jobs, KeptFor(results=1, parts=1), clock, every_s=3600)
    found.run(stop)
    assert (stop.waited_s, there(jobs)) == (3600, before)
    assert found.step().objects > 0, "there was something to remove"


@pytest.mark.parametrize("option", ["--keep-days", "--keep-parts-days", "--keep-finals-days"])
def test_no_option_removes_by_itself_what_is_younger_than_a_day(option: str) -> None:
    # A stage that needs another option: nothing is ever begun.
    line = ["jobs", "run", "notify", "--broker", "kafka://localhost:1", "--keep-days", "7", option, "0.9"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 2
    assert "greater than or equal to 1" in " ".join(done.output.replace("\u2502", " ").split())


@pytest.mark.parametrize("removed", [0, 1])
def test_finals_of_a_job_that_ends_meanwhile_stay(
    jobs: JobPipeline, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    statement, before = opened(envelopes(jobs)[0]), len(there(jobs))
    left: list[Digest] = []

    def going() -> bool:
        if not left and before - len(there(jobs)) >= removed:
            # Another job has found all that is left, and has taken it as its finals.
            left[:] = there(jobs)
            statement["subject"] = [
                {"name": f"write/{number}.txt", "digest": {"sha256": digest.removeprefix("sha256:")}}
                for number, digest in enumerate(left)
            ]
            jobs.store.documents.write(manifest_name("acme", "late", "0" * 16), signed(statement, None))
        return True

    assert clean(jobs, "acme", everything(), going).objects == removed
    assert sorted(there(jobs)) == sorted(left)
    assert len(left) == before - removed > 4


def hold(jobs: JobPipeline, **held: list[Digest]) -> None:
    """As the table of variants says it of the first one."""
    documents, table = jobs.store.documents, variants_name("acme", "spring")
    first, *others = json.loads(documents.read(table) or b"")
    documents.write(table, json.dumps([first | {"state": "blocked"} | held, *others]).encode())


def blocked(jobs: JobPipeline) -> list[Digest]:
    """The job as it is told where its first variant is blocked, which has no manifest then; its finals."""
    documents = jobs.store.documents
    name, table = status_name("acme", "spring"), variants_name("acme", "spring")
    status = json.loads(documents.read(name) or b"")
    documents.write(name, json.dumps(status | {"state": "blocked", "blocked": 1}).encode())
    first, *_ = json.loads(documents.read(table) or b"")
    hold(jobs)
    manifest = manifest_name("acme", "spring", first["id"])
    finals = [final.digest for final in finals_of(opened(documents.read(manifest) or b""))]
    jobs.store._backend.remove(manifest)  # noqa: SLF001 - nobody else removes any
    return finals


def test_a_job_with_blocked_variants_has_not_ended(jobs: JobPipeline) -> None:
    blocked(jobs)
    assert clean(jobs, "acme", everything(finals=True)).objects == 0, "the table does not say what they need"


def test_what_no_blocked_variant_needs_goes(jobs: JobPipeline) -> None:
    finals = blocked(jobs)
    hold(jobs, held=finals)
    assert clean(jobs, "acme", everything()).objects > 0
    assert set(finals) <= set(there(jobs))
    assert clean(jobs, "acme", everything()).objects == 0
    hold(jobs, held=[])
    assert clean(jobs, "acme", everything()).objects == len(finals) == 1


def test_a_blocked_job_that_is_taken_up_while_its_table_is_read_is_at_work(
    jobs: JobPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked(jobs)
    hold(jobs, held=[])
    backend = jobs.store._backend  # noqa: SLF001 - what is asked of the place goes through it
    get, name = backend.get, status_name("acme", "spring")

    def released(asked: str) -> bytes | None:
        found = get(asked)
        if asked == variants_name("acme", "spring"):
            status = json.loads(get(name) or b"")
            backend.put(name, json.dumps(status | {"state": "running", "blocked": 0}).encode())
        return found

    monkeypatch.setattr(backend, "get", released)
    assert clean(jobs, "acme", everything(finals=True)).objects == 0


def test_a_job_that_is_begun_again_meanwhile_keeps_what_is_left(
    jobs: JobPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    name, before = status_name("acme", "spring"), len(there(jobs))
    status = json.loads(jobs.store.documents.read(name) or b"")

    def going() -> bool:
        if len(there(jobs)) < before:
            jobs.store.documents.write(name, json.dumps(status | {"state": "running"}).encode())
        return True

    assert clean(jobs, "acme", everything(), going).objects == 1


def test_it_ends_between_any_two_looks_at_the_store(jobs: JobPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = jobs.store._backend  # noqa: SLF001 - everything that is asked of the place goes through it
    get, remove = backend.get, backend.remove
    asked = most = unasked = 0

    def going() -> bool:
        nonlocal asked, unasked
        asked, unasked = asked + 1, 0
        return asked <= most

    def looked() -> None:
        nonlocal unasked
        unasked += 1
        # A state and its description, or an entry and its end, are one look.
        assert asked <= most and unasked <= 2

    def read(name: str) -> bytes | None:
        looked()
        return get(name)

    def removed(name: str) -> None:
        looked()
        remove(name)

    monkeypatch.setattr(backend, "get", read)
    monkeypatch.setattr(backend, "remove", removed)
    while True:
        asked = 0
        found = clean(jobs, "acme", everything(), going)
        if asked <= most:
            break
        assert most or found == Expired()
        most += 1
    assert most > 10, "it was cut off so often"


def test_what_was_delivered_is_neither_made_again_nor_refused_when_its_finals_are_gone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    jobs = finished_job(tmp_path / "state", "acme", "ads", deliver_to=out, credentials=certified().settings)
    before, statements = content(out), [opened(each) for each in envelopes(jobs)]
    finals = {final.digest for each in statements for final in finals_of(each)}
    credentials = {each.digest for one in statements for each in delivered_of(one) if each.kind != "final"}
    assert len(credentials) == 3
    clean(jobs, "acme", everything(finals=True))
    assert credentials <= set(there(jobs)) and not finals & set(there(jobs))
    control(jobs, "deliver")
    assert not finals & set(there(jobs)), "nothing had to be made again"
    for name in before:
        if "blue" in name:
            (out / name).unlink()
    control(jobs, "deliver")
    assert content(out) == before
    status = json.loads(jobs.store.documents.read(status_name("acme", "spring")) or b"")
    assert (status["done"], status["failed"]) == (3, 1)
