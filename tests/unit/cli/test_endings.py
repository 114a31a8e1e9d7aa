"""How commands end: a reader that goes away, an output that is full, Ctrl-C, and what is kept meanwhile."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.testbed.disks import SmallDisk, files_no_longer_than, small_disk
from benchmarks.testbed.runs import RUSHES
from stream.cli.app import app
from stream.cli.commands.spaces import chosen_space, use
from stream.cli.context import UsageProblem, make_context
from stream.cli.execution import CANNOT_RUN, CLOSED, execute
from stream.cli.options.chosen_models import remember_models, remembered_models
from stream.cli.rendering.output import as_json
from stream.control.journal import UsageJournal
from stream.events.annotations import Space
from stream.files import read_small, replace_file
from stream.pipelines.settings import ModelChoice
from stream.search.spaces import CHOICE_FILE, Spaces

SPACES = [Space(name=name, digest="0" * 32, dimensions=4, spec=name) for name in ("conse", "other")]


@pytest.fixture
def two_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that holds `SPACES`, and nothing in them."""
    monkeypatch.setattr(Spaces, "listed", lambda _: SPACES)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size_mib=1) as mounted:
        yield mounted


def test_a_reader_that_has_gone_ends_a_command_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run([RUSHES, "topology"], stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (CLOSED, "")


@pytest.mark.parametrize("arguments", [["topology"], ["--help"], ["weights", "list", "--json"]])
def test_an_output_that_is_full_is_said(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([RUSHES, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == CANNOT_RUN
    assert done.stderr.splitlines() == [
        "rushes: cannot write to standard output (No space left on device): send it elsewhere or make room"
    ]


def test_an_output_of_few_characters_escapes_the_others() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([RUSHES, "--help"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


def test_an_interrupt_has_words(tmp_path: Path) -> None:
    """While it waits for a broker that listens and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = f"kafka://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [RUSHES, "--state", tmp_path, "progress", "--broker", broker, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    assert json.loads(out)["error"]["code"] == "interrupted"


def test_no_number_is_no_json() -> None:
    assert json.loads(as_json({"a": [float("nan"), (float("-inf"), 1.5)]})) == {"a": [None, [None, 1.5]]}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, "before")
    with files_no_longer_than(1024), pytest.raises(OSError, match="File too large"):
        replace_file(path, "x" * 4096)
    assert (path.read_text(), [item.name for item in tmp_path.iterdir()]) == ("before", ["state.json"])


@pytest.mark.usefixtures("two_spaces")
def test_a_full_disk_while_choosing_a_space_leaves_the_choice(disk: SmallDisk) -> None:
    shared = make_context(disk.path, disk.path / "cache")

    class Called:
        obj = shared

    use(Called(), "conse")  # type: ignore[arg-type]
    disk.fill()
    with pytest.raises(UsageProblem, match="search still uses the previous space"):
        use(Called(), "other")  # type: ignore[arg-type]
    assert chosen_space(shared).spec == "conse"
    disk.make_room()
    use(Called(), "other")  # type: ignore[arg-type]
    assert chosen_space(shared).spec == "other"
    assert [item.name for item in disk.path.iterdir()] == [CHOICE_FILE]


@pytest.mark.usefixtures("two_spaces")
@pytest.mark.parametrize("held", ["", "{", '{"space"', "[]", "7", '{"space": 7}', "null", "\udcff", "[" * 100_000])
def test_a_choice_that_cannot_be_read_is_said_and_search_goes_on(
    held: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CHOICE_FILE).write_bytes(held.encode(errors="surrogateescape"))
    assert chosen_space(make_context(tmp_path, None)).spec == "conse"
    assert "rushes spaces use" in capsys.readouterr().err


@pytest.mark.usefixtures("two_spaces")
def test_a_choice_that_is_a_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CHOICE_FILE).mkdir()
    assert chosen_space(make_context(tmp_path, None)).spec == "conse"
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("held", [b"", b"{", b"[1]", b'{"embedder": 3, "unknown": "x"}', b"\xff\xfe", b"[" * 100_000])
def test_models_that_cannot_be_read_are_the_usual_ones(held: bytes, tmp_path: Path) -> None:
    remember_models(tmp_path, ModelChoice.light())
    assert remembered_models(tmp_path) == ModelChoice.light()
    (tmp_path / "models.json").write_bytes(held)
    assert remembered_models(tmp_path) == ModelChoice()


@pytest.mark.parametrize("held", [b"", b"zz zz\n", b"00 7\n", b"ff" * 40 + b" {}\n", b"\xff\n", b"61 1,2\n" * 3])
def test_usage_that_cannot_be_read_counts_nothing(held: bytes, tmp_path: Path) -> None:
    path = tmp_path / "usage.log"
    path.write_bytes(held)
    assert isinstance(UsageJournal(path).read(), dict)
    assert execute(app, ["--state", str(tmp_path), "usage", "--json"]) == 0


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_small(tmp_path / "pipe") == b""
    with pytest.raises(OSError, match="longer than"):
        (tmp_path / "long").write_bytes(b"x" * 65)
        read_small(tmp_path / "long", most_bytes=64)
