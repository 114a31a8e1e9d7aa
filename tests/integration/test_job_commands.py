"""What the commands of jobs say of a job of this machine: what a command did to it, and what it did not."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image
from typer.testing import CliRunner, Result

from benchmarks.testbed.waiting import wait_for
from stream.cli.app import app
from stream.cli.context import UsageProblem
from stream.errors import BadRequest
from stream.jobs.register import JobRegister
from stream.pipelines.jobs import JobSettings
from stream.sessions.jobs_embedded import is_left
from stream.sessions.state_lock import state_lock
from tests.support.pages import ROOT

TEMPLATE = """
version: 1
name: swatch
stages:
  - {name: draw, operator: composite, settings: {width: 64, height: 64, duration: 0.2, background: "#204080"}}
finals: [draw/poster.png]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    return tmp_path


def jobs(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["--state", str(folder / "state"), "jobs", *words])


def submit(folder: Path, *words: str) -> Result:
    return jobs(folder, "submit", str(folder / "t.yaml"), *words)


TWO = TEMPLATE.replace("#204080", "${colour}") + 'parameters: {mode: product, axes: {colour: ["#204080", "#802040"]}}\n'


def changed(folder: Path, *changes: str) -> None:
    """What the register has of jobs, and what is told of them."""
    register = JobRegister(JobSettings.under(folder / "state").register)
    for change in changes:
        register.change(change)
    register.close()
    jobs(folder, "priority", "swatch", "--level", "0")


def key_in(folder: Path) -> str:
    key = Ed25519PrivateKey.generate()
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(folder / "key")


def test_a_job_that_is_done_tells_what_a_command_does_not_change(folder: Path) -> None:
    out = folder / "out"
    assert submit(folder, "--deliver-to", str(out)).exit_code == 0
    (poster,) = out.rglob("poster.png")
    made = poster.read_bytes()
    same = ("--deliver-to", str(out))
    assert "nothing new was begun.\n" in submit(folder, *same).stderr
    signed = submit(folder, *same, "--manifest-key", key_in(folder))
    assert "what it delivered stays signed as it is: --name makes another job of it" in signed.stderr
    for words in (("cancel",), ("pause",), ("resume",), ("retry",)):
        told = jobs(folder, *words, "swatch")
        assert (told.exit_code, told.stdout) == (0, f"job swatch is done: there is nothing to {words[0]}.\n")
    released = jobs(folder, "release", "swatch", "only")
    assert released.stdout == "job swatch is done: there is nothing to release.\n"
    poster.unlink()
    told = jobs(folder, "deliver", "swatch")
    assert told.stdout == "job swatch is done: 1 of 1 variants lie where they were delivered.\n"
    assert poster.read_bytes() == made
    poster.write_bytes(b"another file")
    told = jobs(folder, "deliver", "swatch")
    assert "0 of 1 variants lie where they were delivered; `rushes jobs show swatch` says why." in told.stdout
    assert told.exit_code == 1
    assert poster.read_bytes() == b"another file"
    told = jobs(folder, "deliver", "swatch")
    assert (told.exit_code, "0 of 1 variants" in told.stdout) == (1, True), "it was not delivered before this time"


@pytest.mark.parametrize(
    ("changed", "words", "said"),
    [
        (TEMPLATE, ("--deliver-to", "elsewhere"), "description (another --deliver-to): give"),
        (
            TEMPLATE,
            ("--project", "p", "--deadline", "2030-01-01"),
            "description (another project, another deadline): give",
        ),
        (TEMPLATE.replace("#204080", "#208040"), (), "description (another template): give"),
    ],
)
def test_a_job_of_the_same_name_tells_what_differs(
    folder: Path, changed: str, words: tuple[str, ...], said: str
) -> None:
    (folder / "t.yaml").write_text(TEMPLATE + "budget: {cpu_s: 0.000001}\n")
    assert submit(folder).exit_code == 1
    (folder / "t.yaml").write_text(changed + "budget: {cpu_s: 0.000001}\n")
    differs = submit(folder, *words)
    assert isinstance(differs.exception, BadRequest)
    assert differs.exception.code == "job_differs"
    assert said in differs.exception.message


@pytest.mark.parametrize(
    "words", [("--name", "bad name"), ("--tenant", "a\nb"), ("--project", "a\nb"), ("--deadline", "1960-01-01")]
)
def test_what_an_option_says_that_cannot_be_is_refused_by_its_name(folder: Path, words: tuple[str, str]) -> None:
    refused = submit(folder, *words)
    assert isinstance(refused.exception, UsageProblem)
    assert str(refused.exception).startswith(f"{words[0]}: ")
    if words[0] in {"--tenant", "--project"}:
        refused = jobs(folder, "check", str(folder / "t.yaml"), *words)
        assert isinstance(refused.exception, UsageProblem)
    assert not (folder / "state" / "jobs").exists()


def test_a_job_that_goes_on_tells_what_a_command_did_and_who_goes_on(folder: Path) -> None:
    (folder / "t.yaml").write_text(TEMPLATE + "budget: {cpu_s: 0.000001}\n")
    assert "budget_exhausted" in submit(folder).stdout
    assert jobs(folder, "pause", "swatch").stdout == "pause of job swatch is carried out: it is paused.\n"
    assert jobs(folder, "cancel", "swatch").stdout == "cancel of job swatch is carried out: it is canceled.\n"
    assert "`rushes jobs retry swatch` takes it up again; then this command goes on" in submit(folder).stderr
    raised = jobs(folder, "budget", "swatch", "--cpu-s", "3600").stdout
    assert raised == "budget of job swatch is set: it is canceled.\n"
    again = jobs(folder, "retry", "swatch").stdout
    assert again == (
        "retry of job swatch is carried out: it is running. The command that submitted it goes on with it.\n"
    )
    assert submit(folder).exit_code == 0


def test_the_contact_sheet_shows_films_that_have_no_still_beside_them(folder: Path) -> None:
    (folder / "t.yaml").write_text(
        TEMPLATE.replace("finals: [draw/poster.png]", "")
        + "  - {name: web, operator: transcode, inputs: {picture: 'stage:draw'}, settings: {profile: h264_web}}\n"
        + "finals: [web]\n"
    )
    assert submit(folder).exit_code == 0
    assert jobs(folder, "open", "swatch", "--html", str(folder / "sheet.html")).exit_code == 0
    page = (folder / "sheet.html").read_text()
    (picture,) = re.findall(r"base64,([^\"]+)\"", page)
    with Image.open(io.BytesIO(base64.b64decode(picture))) as shown:
        assert shown.size == (64, 64)
        found = shown.convert("RGB").getpixel((30, 30))
    assert isinstance(found, tuple)
    assert all(abs(level - wanted) < 8 for level, wanted in zip(found, (0x20, 0x40, 0x80), strict=True))
    assert "no picture" not in page


def test_who_watches_a_job_that_nobody_works_on_is_told(folder: Path) -> None:
    (folder / "t.yaml").write_text(TEMPLATE + "budget: {cpu_s: 0.000001}\n")
    assert submit(folder).exit_code == 1
    command = [sys.executable, "-m", "stream.cli.app", "--state", str(folder / "state"), "jobs", "watch", "swatch"]
    left = "no process of this state directory works on jobs"
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(left)
        assert process.poll() is None, "another process may still take it up"
        process.kill()
    with state_lock(folder / "state" / "jobs"):
        assert not is_left(JobSettings.under(folder / "state"))
    assert jobs(folder, "cancel", "swatch").exit_code == 0
    ended = jobs(folder, "watch", "swatch")
    assert (ended.exit_code, left in ended.stderr) == (1, False)


def test_a_job_whose_process_was_killed_has_nothing_at_work(folder: Path) -> None:
    (folder / "t.yaml").write_text(TEMPLATE.replace("duration: 0.2", "duration: 3000"))
    state = folder / "state"
    line = [sys.executable, "-m", "stream.cli.app", "--state", str(state), "jobs", "submit", str(folder / "t.yaml")]

    def at_work() -> bool:
        told = [json.loads(path.read_bytes()) for path in state.glob("jobs/store/jobs/*/swatch/status.json")]
        return bool(told) and told[0]["stages"][0]["in_work"] > 0

    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(at_work, "a part is at work", within_s=60)
        shown = json.loads(jobs(folder, "show", "swatch", "--json").stdout)
        assert shown["stages"][0]["in_work"] > 0, "somebody is"
        process.kill()
    shown = json.loads(jobs(folder, "show", "swatch", "--json").stdout)
    assert (shown["state"], shown["stages"][0]["in_work"]) == ("running", 0)
    assert "waits: no process works on it: it goes on with the command that submitted it" in jobs(
        folder, "show", "swatch"
    ).stdout.replace("\n", " ")


def test_a_delivery_that_is_looked_at_waits_for_no_other_job(folder: Path) -> None:
    out = folder / "out"
    assert submit(folder, "--deliver-to", str(out)).exit_code == 0
    (folder / "t.yaml").write_text(
        TEMPLATE.replace("swatch", "long").replace("duration: 0.2", "duration: 3000") + "budget: {cpu_s: 0.000001}\n"
    )
    assert "budget_exhausted" in submit(folder).stdout
    assert "it is running" in jobs(folder, "budget", "long", "--cpu-s", "36000").stdout
    (poster,) = out.rglob("poster.png")
    poster.unlink()
    assert jobs(folder, "deliver", "swatch").exit_code == 0
    assert poster.exists()
    assert json.loads(jobs(folder, "show", "long", "--json").stdout)["state"] == "running"


def test_what_was_never_delivered_is_not_missed(folder: Path) -> None:
    (folder / "t.yaml").write_text(TWO)
    assert submit(folder, "--deliver-to", str(folder / "out")).exit_code == 0
    changed(
        folder,
        "UPDATE variant SET state = 'failed', stage = 0 WHERE number = 1",
        "UPDATE job SET state = 'partial', done = 1, failed = 1",
    )
    told = jobs(folder, "deliver", "swatch")
    assert told.stdout == "job swatch is partial: 1 of 1 variants lie where they were delivered.\n"
    assert told.exit_code == 0


def test_variants_of_a_running_job_that_wait_again_are_told_of(folder: Path) -> None:
    (folder / "t.yaml").write_text(TWO + "budget: {cpu_s: 0.000001}\n")
    assert "budget_exhausted" in submit(folder).stdout
    assert "it is running" in jobs(folder, "budget", "swatch", "--cpu-s", "36000").stdout
    assert jobs(folder, "retry", "swatch").stdout == "job swatch is running: there is nothing to retry.\n"
    changed(
        folder,
        "DELETE FROM task",
        "DELETE FROM need",
        "UPDATE variant SET state = 'failed'",
        "UPDATE job SET failed = 2, waiting = 0",
    )
    assert "retry of job swatch is carried out: it is running." in jobs(folder, "retry", "swatch").stdout


def test_a_command_about_a_job_that_ended_long_ago_is_refused(folder: Path) -> None:
    assert submit(folder, "--deliver-to", str(folder / "out")).exit_code == 0
    changed(folder, "UPDATE job SET closed = 1")
    for words in (("deliver", "swatch"), ("priority", "swatch", "--level", "3"), ("budget", "swatch", "--cpu-s", "5")):
        refused = jobs(folder, *words)
        assert isinstance(refused.exception, BadRequest), refused.stdout
        assert refused.exception.code == "job_closed"
        assert refused.exception.message.startswith("job 'swatch' ended long ago and is closed: submit")
