"""The operations guide tells the truth: its commands parse, its metrics and alerts exist, every alert has a runbook."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from stream.cli.app import app
from stream.deployment.alerts import alerts
from stream.observability.metrics import DEFINITIONS
from stream.pipelines.understanding import reference_topology

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = {alert.name for alert in alerts(reference_topology())}
METRICS = {it.name for it in DEFINITIONS}
PARTS = {f"{name}_{part}" for name in METRICS for part in ("sum", "count", "bucket")}
USAGE: type[Exception] = typer.BadParameter.__bases__[0]
OTHERS = {"kill", "curl"}
"""What the guide may also run; every operator knows it."""


def commands() -> list[list[str]]:
    """Every command line in the guide: lines of its shell blocks, and `rushes …` within sentences."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    outside = re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL)
    lines += re.findall(r"`(rushes [^`]+)`", outside.replace("\n", " "))
    return [shlex.split(line, comments=True) for line in lines if not line.startswith("#")]


def parse(words: list[str]) -> None:
    """As the command line would, without running anything. Raises `USAGE`."""
    command = typer.main.get_command(app)
    context = command.make_context("rushes", list(words))
    while isinstance(command, TyperGroup):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found
        context = command.make_context(name or "", rest, parent=context)


def test_there_are_commands_and_all_of_them_are_known() -> None:
    found = commands()
    assert len(found) > 30
    assert {words[0] for words in found} - OTHERS == {"rushes"}


@pytest.mark.parametrize("words", [it for it in commands() if it[0] == "rushes"], ids=" ".join)
def test_a_command_of_the_guide_parses(words: list[str]) -> None:
    parse(words[1:])


@pytest.mark.parametrize("line", ["lag --brokers kafka://h:1", "dead-letters resend", "run decode", "compact all"])
def test_what_is_no_command_does_not_parse(line: str) -> None:
    with pytest.raises(USAGE):
        parse(line.split())


def test_metrics_and_alerts_that_are_named_exist() -> None:
    named = set(re.findall(r"\brushes_[a-z_]+\b", GUIDE))
    assert named >= METRICS
    assert named - METRICS - PARTS == set()
    assert set(re.findall(r"\bRushes[A-Z][A-Za-z]+\b", GUIDE)) == ALERTS


def test_every_alert_has_a_runbook_with_something_to_run_or_to_do() -> None:
    sections = dict(re.findall(r"^### (Rushes\w+)\n\n(.+?)(?=\n#|\Z)", GUIDE, re.DOTALL | re.MULTILINE))
    assert set(sections) == ALERTS
    assert min(len(text.split()) for text in sections.values()) >= 15
