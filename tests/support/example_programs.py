"""The programs of `docs/examples`, run by the commands of their page. What a program needs and nobody has fetched skips
the test with words; what was fetched must work.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from deploy.example_clients import EXAMPLES, find_kcat, find_maven_repository, find_node_modules
from deploy.promtool import default_cache

PAGE = EXAMPLES / "README.md"
PROGRAMS = ("publish_asset.py", "publish_asset_structured.py", "exec:java", "publish-asset.js", "publish-asset.sh")
"""What publishes, by a word of its command."""
WAIT_S = 120.0
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ExampleCommand:
    """The last line of a block of the page, and the folder that the block changes to."""

    folder: str
    words: tuple[str, ...]

    def replaced(self, instead: Mapping[str, str]) -> "ExampleCommand":
        """With other words in the place of the page's own, also within a word."""
        pattern = re.compile("|".join(map(re.escape, instead)))
        words = (pattern.sub(lambda match: instead[match.group()], word) for word in self.words)
        return ExampleCommand(self.folder, tuple(words))

    @contextmanager
    def running(self, copies: Path) -> Iterator["ExampleRun"]:
        """In a copy of its folder, where it leaves what it makes, until the block ends."""
        folder = copies / self.folder
        if not folder.exists():
            shutil.copytree(EXAMPLES / self.folder, folder)
        words, environment = _provided(self.words, folder)
        out, err = copies / "out.txt", copies / "err.txt"
        with out.open("w") as said, err.open("w") as errors:
            process = subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=errors, text=True)
        try:
            yield ExampleRun(process, out, err)
        finally:
            process.kill()
            process.wait()

    def output(self, copies: Path) -> str:
        """What it prints; the test fails unless it ends well."""
        with self.running(copies) as run:
            ended = run.process.wait(WAIT_S)
            assert ended == 0, f"{shlex.join(self.words)}: {run.said()}{run.errors()}"
            return run.said()


@dataclass(frozen=True, slots=True)
class ExampleRun:
    """A program and what it has printed so far."""

    process: subprocess.Popen[str]
    out: Path
    err: Path

    def said(self) -> str:
        return self.out.read_text()

    def errors(self) -> str:
        return self.err.read_text()


def commands() -> list[ExampleCommand]:
    return list(_commands())


def command(program: str) -> ExampleCommand:
    (found,) = [item for item in _commands() if program in item.words]
    return found


@cache
def _commands() -> tuple[ExampleCommand, ...]:
    blocks = [match.group(1).splitlines() for match in _BLOCK.finditer(PAGE.read_text())]
    return tuple(_command(lines) for lines in blocks if lines[0].startswith("cd "))


def _command(lines: list[str]) -> ExampleCommand:
    return ExampleCommand(lines[0].removeprefix("cd "), tuple(shlex.split(lines[-1])))


def _provided(words: Iterable[str], folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command with what `make assets` fetched for it, in place of what a reader of the page installs."""
    program, *rest = words
    environment = dict(os.environ)
    match program:
        case "python":
            program = sys.executable
        case "node":
            modules = _fetched(find_node_modules(default_cache()), "Node or the packages of its example")
            if not (folder / "node_modules").exists():
                (folder / "node_modules").symlink_to(modules)
        case "mvn":
            repository = _fetched(find_maven_repository(default_cache()), "Maven or what it builds the example with")
            environment["MAVEN_OPTS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # it lives for seconds
            rest = ["-B", "--offline", f"-Dmaven.repo.local={repository}", *rest]
        case "sh":
            kcat = _fetched(find_kcat(default_cache()), "kcat")
            environment["PATH"] = f"{kcat}{os.pathsep}{environment['PATH']}"
        case _:
            pytest.fail(f"the page runs {program}, which no test knows")
    return [program, *rest], environment


def _fetched(found: Path | None, what: str) -> Path:
    if found is None:
        pytest.skip(f"{what} is missing; `make assets` fetches what it can")
    return found
