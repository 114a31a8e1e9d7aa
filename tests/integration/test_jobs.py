"""Jobs from template to finals in one process, with real children; killed at any instant they end the same."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer.testing import CliRunner

from sinks.objects.backends import backend_at
from sinks.objects.retention import Expired
from stream.cli.app import app
from stream.clock import ManualClock, SystemClock
from stream.events.jobs import JobControlled, JobSpec, JobSubmitted, TenantBudgeted
from stream.events.objects import digest_of
from stream.jobs.manifest import opened, signed
from stream.jobs.reports import is_final, manifest_name, variants_name
from stream.jobs.submission import prepare, spec_of, stored
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_reproduction import reproduce
from stream.sessions.job_retention import Before, JobRetention, KeptFor, clean
from stream.sessions.job_status import read_budget, read_status
from stream.sessions.jobs_embedded import EmbeddedJobs, command, leave_command, scratch_within, taken_commands
from tests.support.media_operators import OPERATORS

ROOT = Path(__file__).parents[2]
TEMPLATE = """
version: 1
name: first
seed: 3
assets: {base: base.txt}
parameters:
  mode: product
  axes:
    word: [alpha, beta, gamma]
    language: [{id: en, greeting: hello}, {id: de, greeting: hallo}]
stages:
  - {name: write, operator: write, settings: {text: "${language.greeting} ${word}"}}
  - {name: spell, operator: spell, inputs: {text: "stage:write"}}
  - {name: filter, operator: fail, inputs: {text: "stage:spell"}, settings: {word: "g", how: HOW}}
  - {name: upper, operator: upper, inputs: {text: "stage:filter/text.txt", base: "asset:base"}}
finals: [upper, write]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.txt").write_text("base")
    (tmp_path / "t.yaml").write_text(TEMPLATE.replace("HOW", "words"))
    return tmp_path


def settings_in(folder: Path, **changes: Any) -> JobSettings:
    return replace(JobSettings.under(folder / "state"), operators=tuple(OPERATORS.items()), **changes)


def run(folder: Path, settings: JobSettings, *, deliver_to: Path | None = None) -> tuple[JobPipeline, dict[str, Any]]:
    """Submit the folder's template and work until it ends."""
    clock = SystemClock()
    with scratch_within(settings) as held, EmbeddedJobs(held, clock) as session:
        submitted = submission(folder, session.jobs, deliver_to)
        session.publish([command("acme", "ads", submitted, clock.now_ms())])

        def ended() -> bool:
            found = read_status(session.jobs, "acme", "first")
            return found is not None and is_final(found)

        session.run(threading.Event(), ended, lambda: None)
        status = read_status(session.jobs, "acme", "first")
    assert status is not None
    return session.jobs, status


def submission(folder: Path, jobs: JobPipeline, deliver_to: Path | None = None) -> JobSubmitted:
    prepared = prepare(folder / "t.yaml")
    objects = jobs.store.of("acme")
    facts = {"tenant": "acme", "project": "ads", "job": "first", "deliver_to": deliver_to and str(deliver_to)}
    spec, content = spec_of(prepared, stored(prepared, objects), **facts)
    assert JobSpec.model_validate_json(content) == spec
    return JobSubmitted(job="first", spec=objects.put_bytes(content))


def public_key(jobs: JobPipeline) -> Ed25519PublicKey:
    assert jobs.key is not None
    return jobs.key.public_key()


def finals(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.txt"))}


def test_finals_and_manifests_arrive_and_a_bad_row_fails_alone(folder: Path) -> None:
    jobs, status = run(folder, settings_in(folder), deliver_to=folder / "out")
    assert (status["state"], status["done"], status["failed"]) == ("partial", 4, 2)
    found = {
        name.split("/")[1].rpartition("-")[0]: text for name, text in finals(folder / "out").items() if "upper" in name
    }
    assert found == {
        "alpha_en": b"H-E-L-L-O- -A-L-P-H-A- -3",
        "alpha_de": b"H-A-L-L-O- -A-L-P-H-A- -3",
        "beta_en": b"H-E-L-L-O- -B-E-T-A- -3",
        "beta_de": b"H-A-L-L-O- -B-E-T-A- -3",
    }
    rows = json.loads(jobs.store.documents.read(variants_name("acme", "first")) or b"")
    assert {row["name"]: row.get("code", "") for row in rows if row["state"] == "failed"} == {
        "gamma_en": "word_not_allowed",
        "gamma_de": "word_not_allowed",
    }
    envelope = jobs.store.documents.read(manifest_name("acme", "first", rows[0]["id"]))
    assert envelope is not None
    assert envelope == next((folder / "out/first").glob("alpha_en-*/manifest.json")).read_bytes()
    statement = opened(envelope, public_key(jobs))
    assert [each["name"] for each in statement["subject"]] == ["upper/text.txt", "write/text.txt"]
    stages = statement["predicate"]["buildDefinition"]["internalParameters"]["stages"]
    assert [stage["name"] for stage in stages] == ["write", "spell", "filter", "upper"]


def test_the_budget_of_a_tenant_stops_its_job_until_a_command_raises_it(folder: Path) -> None:
    settings, clock = settings_in(folder), SystemClock()
    for cpu_s in (0.0, 1e6):
        leave_command(settings, "acme", "ads", TenantBudgeted(limited=True, cpu_s=cpu_s), clock.now_ms())
        with scratch_within(settings) as held, EmbeddedJobs(held, clock) as session:
            session.publish(taken_commands(settings))
            session.publish([command("acme", "ads", submission(folder, session.jobs), clock.now_ms())])
            session.run(threading.Event(), lambda: False, lambda: None, until_quiet=True)
            status, budget = read_status(session.jobs, "acme", "first"), read_budget(session.jobs, "acme")
        assert status is not None and budget is not None
        assert (status["state"], status["code"]) == (
            ("partial", "") if cpu_s else ("budget_exhausted", "tenant_budget_exhausted")
        )
        assert (budget["cpu_s"], budget["reserved_cpu_s"]) == (cpu_s, 0.0)
        assert budget["used_cpu_s"] == pytest.approx(status["cost"]["cpu_s"], abs=0.01)
    line = ["--state", str(folder / "state"), "jobs", "cost", "first", "--tenant", "acme"]
    assert "budget of the tenant" in CliRunner().invoke(app, line, catch_exceptions=False).output


def test_the_same_job_again_computes_nothing(folder: Path) -> None:
    settings = settings_in(folder)
    _, first = run(folder, settings)
    # The register is lost: all that is known is what lies among the objects.
    for path in settings.register.parent.glob("register*"):
        path.unlink()
    _, again = run(folder, settings)
    assert (again["state"], again["done"]) == (first["state"], first["done"])
    # What failed is tried again; everything else is known.
    assert again["cost"]["tasks_computed"] == 2


def test_a_manifest_makes_the_same_bytes_again_or_says_what_is_not_as_it_was(folder: Path) -> None:
    jobs, _ = run(folder, settings_in(folder))
    rows = json.loads(jobs.store.documents.read(variants_name("acme", "first")) or b"")
    envelope = jobs.store.documents.read(manifest_name("acme", "first", rows[0]["id"]))
    assert envelope is not None
    again = reproduce(envelope, "acme", jobs, folder / "again", SystemClock(), threading.Event())
    assert (again.same, again.reasons) == (True, ())
    assert set(again.finals) == {"upper/text.txt", "write/text.txt"}
    statement = opened(envelope)
    statement["predicate"]["buildDefinition"]["internalParameters"]["stages"][0]["toolchain"]["threads"] = "2"
    statement["subject"][0]["digest"]["sha256"] = "0" * 64
    other = signed(statement, jobs.key)
    differs = reproduce(other, "acme", jobs, folder / "differs", SystemClock(), threading.Event())
    assert not differs.same
    assert differs.reasons == ("write: threads was 2 and is 1",)


def test_intermediates_expire_and_nothing_else(folder: Path) -> None:
    settings = settings_in(folder)
    jobs, _ = run(folder, settings, deliver_to=folder / "out")
    backend = backend_at(settings.objects)
    before = dict(backend.names("tenants/acme/objects"))
    assert clean(jobs, "acme", Before(0, 0)).objects == 0, "nothing is that old"
    later_ms = SystemClock().now_ms() + 60_000
    found = clean(jobs, "acme", Before(later_ms, later_ms))
    left = dict(backend.names("tenants/acme/objects"))
    # Of each finished variant: two finals and the manifest. One asset and one description.
    assert len(left) == 4 * 3 + 2
    assert found.objects == len(before) - len(left)
    assert found.bytes == sum(before.values()) - sum(left.values())
    rows = json.loads(jobs.store.documents.read(variants_name("acme", "first")) or b"")
    envelope = jobs.store.documents.read(manifest_name("acme", "first", rows[0]["id"]))
    assert envelope is not None
    assert reproduce(envelope, "acme", jobs, folder / "again", SystemClock(), threading.Event()).same
    assert clean(jobs, "acme", Before(later_ms, later_ms)) == Expired(), "a second time there is nothing"


def test_parts_expire_before_results_of_stages_and_finals_never(folder: Path) -> None:
    settings = settings_in(folder)
    jobs, _ = run(folder, settings)
    backend = backend_at(settings.objects)

    def there() -> set[str]:
        names = (name.split("/")[-2:] for name, _ in backend.names("tenants/acme/objects"))
        return {f"sha256:{head}{rest}" for head, rest in names}

    results: set[str] = set()
    for name in list(jobs.store.documents.names("jobs/acme/first/manifests")):
        statement = opened(jobs.store.documents.read(name) or b"")
        for stage in statement["predicate"]["buildDefinition"]["internalParameters"]["stages"]:
            results.update(stage["outputs"].values())
    letter = digest_of(b"h")
    assert letter in there() and results <= there()
    clock = ManualClock(SystemClock().now_ms())
    retention = JobRetention(jobs, KeptFor(results=7, parts=1), clock)
    assert retention.step() == Expired()
    clock.advance(2 * 86_400)
    assert retention.step().objects > 0
    assert letter not in there() and results <= there()
    clock.advance(6 * 86_400)
    assert retention.step().objects > 0
    # As above: finals and manifests, an asset and the description.
    assert len(there()) == 4 * 3 + 2
    assert retention.step(lambda: False) == retention.step() == Expired()
    # Unless somebody says so.
    assert JobRetention(jobs, KeptFor(results=7, parts=1, finals=9), clock).step() == Expired()
    JobRetention(jobs, KeptFor(results=7, parts=1, finals=7), clock).step()
    assert len(there()) == 4 + 2, "manifests, the asset and the description"


def test_a_child_that_dies_is_tried_again_and_then_fails_its_variant(folder: Path) -> None:
    (folder / "t.yaml").write_text(TEMPLATE.replace("HOW", "kill"))
    jobs, status = run(folder, settings_in(folder))
    assert (status["done"], status["failed"]) == (4, 2)
    rows = json.loads(jobs.store.documents.read(variants_name("acme", "first")) or b"")
    assert {row["code"] for row in rows if row["state"] == "failed"} == {"media_child_died"}


def test_damaged_intermediates_are_made_again(folder: Path) -> None:
    settings = settings_in(folder)
    run(folder, settings, deliver_to=folder / "out")
    whole = finals(folder / "out")
    for path in settings.register.parent.glob("register*"):
        path.unlink()
    backend = backend_at(settings.objects)
    damaged = [name for name, size in backend.names("tenants/acme/objects") if size < 40]
    for name in damaged:
        backend.put(name, b"x" * (backend.size(name) or 0))
    _, status = run(folder, settings, deliver_to=folder / "again")
    assert status["done"] == 4
    assert finals(folder / "again") == whole


def test_a_job_is_canceled_within_a_part(folder: Path) -> None:
    (folder / "t.yaml").write_text(
        "version: 1\nname: first\nstages: [{name: wait, operator: wait, settings: {seconds: 60}}]\nfinals: [wait]\n"
    )
    clock, settings = SystemClock(), settings_in(folder)
    with scratch_within(settings) as held, EmbeddedJobs(held, clock) as session:
        session.publish([command("acme", "ads", submission(folder, session.jobs), clock.now_ms())])
        begun_s = clock.monotonic_s()
        canceled = False

        def look() -> None:
            nonlocal canceled
            found = read_status(session.jobs, "acme", "first")
            if found is not None and found["stages"][0]["in_work"] and not canceled:
                canceled = True
                session.publish([command("acme", "ads", JobControlled(job="first", action="cancel"), clock.now_ms())])

        def ended() -> bool:
            found = read_status(session.jobs, "acme", "first")
            return found is not None and is_final(found) and not found["stages"][0]["in_work"]

        session.run(threading.Event(), ended, look)
        status = read_status(session.jobs, "acme", "first")
    assert status is not None
    assert status["state"] == "canceled"
    assert clock.monotonic_s() - begun_s < 30, "of the 60 s that the part would take"


@pytest.fixture
def process(folder: Path) -> Iterator[list[str]]:
    yield [sys.executable, "-m", "tests.support.programs.run_jobs", str(folder)]


@pytest.mark.parametrize("rounds", [4, pytest.param(25, marks=pytest.mark.long)])
def test_kills_at_random_instants_change_no_byte(folder: Path, process: list[str], rounds: int) -> None:
    calm = folder / "calm"
    calm.mkdir()
    for name in ("t.yaml", "base.txt"):
        (calm / name).write_bytes((folder / name).read_bytes())
    run(calm, settings_in(calm), deliver_to=calm / "out")
    for instant in range(rounds):
        with subprocess.Popen(process, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"begun\n"
            threading.Event().wait(0.15 + 0.25 * instant % 1.7)
            os.killpg(child.pid, signal.SIGKILL)
    subprocess.run(process, cwd=ROOT, check=True, timeout=120)
    assert finals(folder / "out") == finals(calm / "out")
