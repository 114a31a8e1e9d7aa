"""What decides results can be said to every command that starts workers, and reaches them unchanged."""

import inspect
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from stream.cli.commands import autoscale, ingest, manifests, run
from stream.cli.context import UsageProblem
from stream.cli.options.workers import WorkerOptions, option_names
from stream.pipelines.settings import ModelChoice, Settings
from stream.pipelines.stages import CAPTION
from stream.pipelines.understanding import Understanding

GIVEN = WorkerOptions(
    *("hf:/models/clip", "hf:/models/blip", False, "cpu", True, 60.0, ("s3",), ("/media", "s3://footage", "gs://a/b")),
    ("4", "parquet=2"),
    "shots,tags,vectors",
)
BROKER = ("--broker", "kafka://nowhere.invalid:9092")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that `rushes run` would have worked with."""
    found: list[Settings] = []

    def note(settings: Settings, names: Sequence[str], *_: Any, clock: Any) -> None:
        topology = Understanding(settings, clock, epoch_ms=0).topology()
        for name in names:
            topology.stage(name)
        found.append(settings)

    monkeypatch.setattr("stream.sessions.stage_process.run_deployed", note)
    return found


def test_a_worker_works_with_what_the_command_line_says(started: list[Settings]) -> None:
    done = CliRunner().invoke(app, ["run", "plan", "caption", *BROKER, *GIVEN.words()], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (settings,) = started
    assert settings == GIVEN.applied(replace(settings, roots=(), prefixes=()))
    assert (settings.models.embedder, settings.models.captioner) == ("hf:/models/clip", "hf:/models/blip")
    assert (settings.models.shots, settings.models.moderator) == ("transnetv2", "none")
    assert (settings.model_device, settings.allow_private_addresses, settings.max_span_s) == ("cpu", True, 60.0)
    assert settings.schemes == ("file", "http", "https", "s3", "gs")
    assert (settings.index_shards, settings.parquet_shards) == (4, 2)
    assert (settings.roots, settings.prefixes) == ((Path("/media"),), ("s3://footage", "gs://a/b"))


def test_whoever_takes_notifications_may_read_what_they_name(started: list[Settings]) -> None:
    line = ["run", "notifications", "plan", "decode", *BROKER, "--bucket", "footage/=acme"]
    assert CliRunner().invoke(app, line, catch_exceptions=False).exit_code == 0
    assert (started[0].schemes, started[0].prefixes) == (("file", "http", "https", "s3"), ("s3://footage",))


@pytest.mark.parametrize("command", ["run plan", "run decode", "autoscale"])
def test_a_scheme_alone_allows_no_bucket(command: str, started: list[Settings]) -> None:
    with pytest.raises(UsageProblem, match=r"--scheme s3 allows no bucket: .*--root s3://BUCKET/PREFIX"):
        CliRunner().invoke(app, [*command.split(), *BROKER, "--scheme", "s3"], catch_exceptions=False)
    assert not started


def test_who_reads_no_footage_needs_no_bucket(started: list[Settings]) -> None:
    assert CliRunner().invoke(app, ["run", "index", *BROKER, "--scheme", "s3"], catch_exceptions=False).exit_code == 0


def test_what_is_as_by_default_is_not_said() -> None:
    assert WorkerOptions().words() == []
    assert WorkerOptions(light=True).words() == ["--light"]


@pytest.mark.parametrize("command", [run.run, autoscale.autoscale])
def test_commands_that_make_workers_have_every_option(command: Any) -> None:
    assert set(option_names()) <= set(inspect.signature(command).parameters)


def test_options_have_the_same_defaults_everywhere() -> None:
    usual = WorkerOptions()
    for command in (run.run, autoscale.autoscale, ingest.ingest, manifests.manifests):
        there = inspect.signature(command).parameters
        for name in set(option_names()) & set(there):
            assert (there[name].default or ()) == (getattr(usual, name) or ()), (command, name)


@pytest.mark.parametrize(("stage", "option"), [("caption", "--captioner"), ("notifications", "--bucket")])
def test_a_stage_that_an_option_adds_is_refused_with_that_option(
    stage: str, option: str, started: list[Settings]
) -> None:
    with pytest.raises(UsageProblem, match=rf"'{stage}' needs {option}"):
        CliRunner().invoke(app, ["run", stage, *BROKER], catch_exceptions=False)
    assert not started


@pytest.mark.parametrize(
    ("command", "works"),
    [("run index", "stage_process.run_deployed"), ("jobs run render", "jobs_process.run_jobs")],
)
def test_a_key_that_a_worker_misses_is_no_stage_that_the_user_misspelt(
    command: str, works: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def defective(*_: Any, **__: Any) -> None:
        raise KeyError("segment")

    monkeypatch.setattr(f"stream.sessions.{works}", defective)
    with pytest.raises(KeyError, match="segment"):
        CliRunner().invoke(app, ["--state", str(tmp_path), *command.split(), *BROKER], catch_exceptions=False)


def test_a_supervisor_passes_on_what_its_workers_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    watched, commands = [], []

    @contextmanager
    def nobody(told: Any) -> Any:
        watched.append(told)
        yield None

    def ask(_shared: Any, _observer_state: Any, fleet: Any, *_: Any, **__: Any) -> None:
        commands.append(fleet._command("caption"))

    monkeypatch.setattr(autoscale, "observing", nobody)
    monkeypatch.setattr(autoscale, "observing_in_background", lambda *_: nullcontext())
    monkeypatch.setattr(autoscale, "scale_until_stopped", ask)
    given = ["--state", str(tmp_path), "autoscale", *BROKER, *GIVEN.words()]
    assert CliRunner().invoke(app, given, catch_exceptions=False).exit_code == 0
    assert CAPTION in {stage.name for stage in watched[0].topology.stages}
    assert " ".join(GIVEN.words()) in " ".join(commands[0])


def test_a_model_that_was_named_is_used_beside_light_ones() -> None:
    assert WorkerOptions(light=True).chosen == ModelChoice.light()
    named = WorkerOptions("conse", "hf:/models/blip", light=True).chosen
    assert (named.embedder, named.captioner, named.tagger) == ("conse", "hf:/models/blip", "hashing")
    assert WorkerOptions().chosen == ModelChoice()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": "tags,colours"}, "'colours' cannot be looked for; name some of shots, tags, moderation, vectors"),
        ({"models": ""}, "cannot be looked for"),
        ({"models": "shots,vectors"}, "vectors of conse and captions are made of tags"),
        ({"models": "shots", "captioner": "hf:/models/blip"}, "captions are made of tags"),
        ({"models": "tags", "embedder": "conse"}, "--embedder makes vectors"),
    ],
)
def test_looks_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        WorkerOptions(**options)


def test_an_embedder_of_its_own_needs_no_tags() -> None:
    chosen = WorkerOptions("hf:/models/clip", models="vectors, moderation").chosen
    assert (chosen.shots, chosen.tagger, chosen.moderator) == ("none", "none", "open-nsfw")
