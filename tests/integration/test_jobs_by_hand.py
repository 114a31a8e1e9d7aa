"""The commands about jobs, one after the other, as a person gives them in a state directory of their own."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream.cli.app import app
from stream.cli.commands.jobs.submitting import MANY
from stream.cli.execution import execute

CARDS = """
version: 1
name: cards
parameters: {mode: zip, axes: {word: [spring, summer], length: [1, 2]}}
stages:
  - name: draw
    operator: composite
    settings:
      {width: 128, height: 64, duration: "${length}", fps: 5, poster: 0, layers: [{kind: text, text: "${word}"}]}
  - {name: turn, operator: transcode, inputs: {video: "stage:draw"}, settings: {profile: h264_web, fps: 5}}
finals: [draw/poster.png, turn]
"""


@dataclass(frozen=True, slots=True)
class Spoken:
    output: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Person:
    state: Path

    def says(self, *words: str, code: int = 0) -> Spoken:
        """`rushes jobs` with these words."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = execute(app, ["--state", str(self.state), "jobs", *words])
        assert ended == code, out.getvalue() + err.getvalue()
        return Spoken(out.getvalue(), err.getvalue())


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "state")


def written(folder: Path, template: str = CARDS) -> str:
    (folder / "cards.yaml").write_text(template)
    return str(folder / "cards.yaml")


def test_a_job_from_its_check_to_its_copies(tmp_path: Path, person: Person) -> None:
    template = written(tmp_path)
    assert "2 variants" in person.says("check", template).output
    done = person.says("submit", template, "--deliver-to", str(tmp_path / "out"))
    assert "cards: done, 2 of 2 variants done" in done.output
    again = person.says("submit", template, "--deliver-to", str(tmp_path / "out"))
    assert "nothing new was begun" in again.stderr
    assert "cards: done, 2 of 2 variants done" in again.output
    assert "cards" in person.says("list").output
    assert "spring_1" in person.says("show", "cards").output
    # It has ended, so nothing is followed any more.
    assert "cards: done" in person.says("watch", "cards").output
    cost = json.loads(person.says("cost", "cards", "--json").output)
    assert cost["cpu_s"] > 0 and len(cost["variants"]) == 2
    manifest = tmp_path / "manifest.json"
    manifest.write_text(person.says("manifest", "cards", "spring_1").output)
    assert "the same bytes" in person.says("reproduce", str(manifest)).output
    assert "2 variants are in" in person.says("fetch", "cards", str(tmp_path / "copies")).output
    assert sorted(path.name for path in (tmp_path / "copies").rglob("*.*")) == sorted(
        path.name for path in (tmp_path / "out").rglob("*.*")
    )
    person.says("open", "cards", "--html", str(tmp_path / "sheet.html"))
    assert (tmp_path / "sheet.html").read_text().count("data:image/") == 2
    assert "are gone" in person.says("clean", "--older-than", "0").output
    assert "2 variants are in" in person.says("fetch", "cards", str(tmp_path / "more copies")).output
    person.says("clean", "--older-than", "0", "--finals-older-than", "0")
    assert "final_gone" in person.says("fetch", "cards", str(tmp_path / "none"), code=2).stderr
    person.says("open", "cards", "--html", str(tmp_path / "sheet.html"))
    assert "data:image/" not in (tmp_path / "sheet.html").read_text()
    assert all(path.stat().st_size for path in (tmp_path / "out").rglob("*.*")), "what was delivered stays"
    assert person.says("show", "nothing", code=2).stderr.count("no_job") == 1


def test_a_row_that_fails_leaves_a_table_and_words_for_who_submits_again(tmp_path: Path, person: Person) -> None:
    template = written(tmp_path, f"{CARDS}budget: {{variant_cpu_s: 0.01}}\n")
    stopped = person.says("submit", template, code=1)
    assert "cards: failed, 0 of 2 variants done" in stopped.output
    assert stopped.output.count("[variant_budget]") == 2
    again = person.says("submit", template, code=1)
    assert "cards is known already, and failed: `rushes jobs retry cards` begins again what failed" in again.stderr
    person.says("budget", "cards", code=2)
    person.says("budget", "cards", "--variant-cpu-s", "1000")
    going = person.says("submit", template)
    assert "cards is known already, and running: it goes on where it was" in going.stderr
    assert "cards: done, 2 of 2 variants done" in going.output


def test_many_variants_are_meant(tmp_path: Path, person: Person) -> None:
    rows = "\n".join(["word,length", *(f"w{number},1" for number in range(MANY + 1))])
    (tmp_path / "rows.csv").write_text(rows)
    axes = "mode: zip, axes: {word: [spring, summer], length: [1, 2]}"
    template = written(tmp_path, CARDS.replace(axes, "mode: rows, rows: rows.csv"))
    refused = person.says("submit", template, code=2)
    assert f"{MANY + 1} variants: say --yes" in refused.stderr
    assert not (tmp_path / "state/jobs/store").exists(), "nothing was stored"
