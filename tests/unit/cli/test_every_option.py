"""Every option of every command, found by walking the command tree, meets what people and scripts really type."""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from stream.cli.app import app
from stream.cli.commands import doctor
from stream.cli.context import Context
from stream.cli.execution import CANNOT_RUN, DEFECT, execute, leaves, tree
from stream.cli.rendering.checks import Check

NOWHERE = "nowhere"
"""No address of a broker: commands that would serve or wait end there, once their other options are read."""
SURROGATE = os.fsdecode(b"a\xffb")
TEXTS = (
    "~nobody-x",
    "x" * 300,
    SURROGATE,
    "nan",
    "a\nb\x1b[31m",
    "s3://b/c",
    "/proc/x",
    "[x]%41\\",
    "'\"",
    "hf:/no",
    "os:x",
)
ODD_TEXTS = (
    *TEXTS,
    "os.path:join",
    "a..b:c",
    "..x:y",
    "http://[::1",
    "kafka://[",
    "=",
    "k=",
    "=v",
    "--",
    "*",
    "?",
    "0",
)
NUMBERS = ("nan", "inf", "-inf", "1e300", "1" + "0" * 30, "-1", "x", "", "0x1")
NETWORK = {("demo",), ("weights", "fetch"), ("samples", "fetch"), ("kafka", "fetch")}
"""They have no options but flags, and begin with a download."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state with one clip, paths of every unpleasant kind, and no program to start."""
    root = tmp_path_factory.mktemp("room")
    clip = write_clip(root / "clip.mp4", seconds=3, fps=5, scenes=[3.0])
    run_events(light_settings(root / "state", clip.path), [published(clip.path)])
    (root / "cache" / "kafka-4.3.1").mkdir(parents=True)
    (root / "folder").mkdir()
    (root / "file").write_text("no = properties = here\n[")
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to("loop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("PATH", str(root / "folder"))
        # It would be of this very process, and of all tests after these.
        patch.setattr("stream.runtime.priority.give_way", lambda: None)
        patch.setattr(doctor, "_sandbox", asked_once(doctor._sandbox))
        yield root
    shutil.rmtree(root, ignore_errors=True)


def asked_once(sandbox: Callable[[Context], Iterable[Check]]) -> Callable[[Context], Iterable[Check]]:
    """A decode process starts for the first call: no option tells it anything."""
    checks: list[Check] = []

    def checked(shared: Context) -> Iterable[Check]:
        if not checks:
            checks.extend(sandbox(shared))
        return checks

    return checked


def paths(root: Path) -> tuple[str, ...]:
    there = (f"{root}/{name}" for name in ("file/x", "folder", "pipe", "missing/x", "loop", "file", "y" * 300))
    return (*there, "~nobody-x/y", "/proc/x/y", "/dev/full", "/dev/zero", SURROGATE, "a\nb", "s3://b/c", "[x]%41")


def call(arguments: Sequence[str]) -> Ended:
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO()  # a command that takes work from it finds none
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = execute(app, arguments)
    finally:
        sys.stdin = before
    return Ended(code, out.getvalue(), err.getvalue())


def annotation(parameter: Any) -> str:
    return str(getattr(getattr(parameter, "type_descriptor", None), "annotation", ""))


def is_numeric(parameter: Any) -> bool:
    return "int" in annotation(parameter) or "float" in annotation(parameter)


def values_for(parameter: Any, root: Path) -> tuple[str, ...]:
    if is_numeric(parameter):
        return NUMBERS
    if "Path" in annotation(parameter):
        return paths(root)
    return () if "bool" in annotation(parameter) else ODD_TEXTS


def needed(parameters: Sequence[Any], but: Any) -> list[str]:
    """What the command cannot do without, but this one."""
    stand_ins = {"broker": NOWHERE, "image": "registry/rushes:1", "uris": "/missing.mp4", "stages": "plan"}
    words: list[str] = []
    for parameter in parameters:
        if parameter.required and parameter is not but:
            option = [parameter.opts[-1]] if parameter.param_type_name == "option" else []
            words += [*option, stand_ins.get(parameter.name, "x")]
    return words


def command_line(words: tuple[str, ...], leaf: Any, parameter: Any, value: str) -> list[str]:
    option = parameter.param_type_name == "option"
    asked = ["red"] if words == ("search",) and parameter.name not in ("words", "image") else []
    # An address that no machine has: the options are read, and nothing is served.
    if words == ("serve",) and parameter.name != "host":
        asked = ["--host", "192.0.2.1"]
    as_json = ["--json"] if any("--json" in each.opts for each in leaf.params) else []
    given = [f"{parameter.opts[-1]}={value}"] if option else ["--", value]
    return [*words, *as_json, *needed(leaf.params, parameter), *asked, *given]


COMMANDS = leaves(tree(app))


SLOW = {("doctor",), ("search",)}
"""A call starts a decode process, or opens the index."""


def cases() -> Iterator[Any]:
    for words in sorted(COMMANDS.keys() - NETWORK):
        yield pytest.param(words, id=" ".join(words), marks=[pytest.mark.slow] * (words in SLOW))


@pytest.mark.parametrize("words", list(cases()))
def test_no_value_of_any_option_ends_in_a_traceback(words: tuple[str, ...], room: Path) -> None:
    leaf = COMMANDS[words]
    # Where footage would be worked on, nothing can be written: the options are read, and that is all.
    state = "/proc/none" if words == ("ingest",) else str(room / "state")
    for parameter in leaf.params:
        for value in values_for(parameter, room):
            line = command_line(words, leaf, parameter, value)
            ended = call(["--state", state, "--cache", str(room / "cache"), *line])
            told = (line, ended)
            assert ended.code != DEFECT, told
            assert "Traceback" not in ended.err, told
            assert "unexpected_error" not in ended.err, told
            assert ended.code == 0 or ended.err.startswith("rushes: ") or ended.out, told
            if "--json" in line:
                document = json.loads(ended.out)
                assert ended.code != CANNOT_RUN or document["error"]["message"] in ended.err, told
            if is_numeric(parameter):
                assert ended.code == CANNOT_RUN, told
                assert parameter.opts[-1] in ended.err or "an argument is empty" in ended.err, told


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_number_has_two_bounds(words: tuple[str, ...]) -> None:
    for parameter in COMMANDS[words].params:
        if is_numeric(parameter):
            bounds = parameter.type_descriptor.parameter_info
            assert bounds.min is not None, parameter.opts
            assert bounds.max is not None, parameter.opts


@pytest.mark.parametrize("option", ["--state", "--cache", "--deployment"])
def test_no_value_of_the_common_options_ends_in_a_traceback(option: str, room: Path) -> None:
    for value in (*paths(room), *ODD_TEXTS, ""):
        for command in (["status", "--json"], ["weights", "list", "--json"], ["verify", "--json"], ["usage", "--json"]):
            ended = call([option, value, *command])
            assert ended.code in {0, CANNOT_RUN}, (option, value, command, ended)
            assert "Traceback" not in ended.err
            json.loads(ended.out)
            if not value:
                assert (ended.code, option in ended.err) == (CANNOT_RUN, True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("search", ""), "empty"),
        (("search", "  "), "say what to look for"),
        (("search",), "say what to look for"),
        (("search", "red", "--from", "3", "--to", "2"), "--from 3 does not lie before --to 2"),
        (("search", "red", "--html", "{folder}"), "--html {folder} cannot be written"),
        (("search", "red", "--html", "{missing}/x"), "--html {missing}/x cannot be written"),
        (("search", "red", "--html", "{pipe}"), "--html {pipe} cannot be written"),
        (("search", "red", "--html", "/dev/full"), "--html /dev/full cannot be written"),
        (("search", "red", "--open", "900"), "--open 900"),
        (("search", "--image", "{missing}"), "--image {missing} cannot be read"),
        (("search", "--image", "{folder}"), "--image {folder} cannot be read"),
        (("search", "--image", "{pipe}"), "--image {pipe} cannot be shown: it is empty"),
        (("search", "--image", "/dev/zero"), "--image /dev/zero cannot be read"),
        (("search", "--image", "{file}"), "--image {file} cannot be shown"),
        (("topology", "--output", "{file}/x"), "--output {file}/x cannot be written"),
        (("manifests", "{file}", "--image", "x", "--broker", "kafka://h:1"), "directory {file} cannot be made"),
        (("lag", "--broker", "kafka://h:1", "--client-properties", "{missing}"), "{missing}"),
        (("lag", "--broker", "kafka://h:1", "--client-properties", "/dev/zero"), "/dev/zero"),
        (("--state", "s3://b/c", "status"), "--state s3://b/c is a URL"),
        (("--state", "{file}", "status"), "--state {file} is a file"),
        (("--state", "{file}/x", "verify"), "--state {file}/x cannot be a directory"),
        (("--state", "{loop}", "status"), "--state {loop} cannot be a directory"),
        (("--state", "y" * 300, "ingest", "x"), "File name too long"),
        (("--state", "{folder}", "verify"), "no store"),
        (("--state", "{missing}", "verify"), "no store"),
        (("--state", "{folder}", "spaces", "use", "x"), "0 spaces"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], named: str, room: Path) -> None:
    there = {name: f"{room}/{name}" for name in ("folder", "missing", "pipe", "file", "loop")}
    line = [argument.format(**there) for argument in arguments]
    ended = call(line if "--state" in line else ["--state", str(room / "state"), *line])
    assert ended.code == CANNOT_RUN, ended
    assert named.format(**there) in ended.err
    assert "unexpected" not in ended.err


def test_odd_names_of_footage_fail_alone(room: Path) -> None:
    clip = str(room / "clip.mp4")
    odd = [*paths(room), *(text for text in ODD_TEXTS if text != "--"), clip]
    ended = call(["--state", str(room / "other"), "ingest", "--light", "--json", "--", *odd])
    found = json.loads(ended.out)
    assert ended.code == 1, ended.err
    assert [item["status"] for item in found["assets"] if item["uri"] == clip] == ["ready"]
    assert all(item["code"] and item["reason"] for item in found["assets"] if item["status"] == "failed")
    assert len(found["assets"]) > 20
