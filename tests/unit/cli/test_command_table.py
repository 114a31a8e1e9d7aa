"""Commands are found by name, and one that is called needs nothing of the others."""

import json
import subprocess

import pytest

from stream.cli.app import COMMANDS, app
from stream.cli.execution import leaves, tree
from tests.support.programs import ROOT, program


def test_a_command_that_is_called_imports_nothing_of_the_others() -> None:
    done = subprocess.run(program("loaded_by_search"), cwd=ROOT, capture_output=True, text=True, check=True)
    before, loaded = json.loads(done.stdout)
    assert before == [], "the list of commands alone needs no such library"
    assert "stream.cli.commands.search" in loaded
    for other in ("stream.cli.commands.jobs", "stream.jobs", "stream.service.server", "stream.cli.commands.access"):
        assert other not in loaded


def test_every_entry_is_a_command_of_its_name() -> None:
    commands = tree(app).commands
    assert list(commands) == list(COMMANDS)
    assert [command.name for command in commands.values()] == list(COMMANDS)
    assert [name for name, command in commands.items() if command.hidden] == ["service-work", "models"]
    assert ("jobs", "submit") in leaves(tree(app))
    assert commands.get("no-such-command") is None
    with pytest.raises(TypeError):
        commands["search"] = commands["serve"]
